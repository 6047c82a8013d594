"""StableIdentity (arXiv 2401.15975): one face photo becomes two word embeddings.

Pure PyTorch; imports neither ComfyUI nor diffusers.
"""

__version__ = "0.1.0"

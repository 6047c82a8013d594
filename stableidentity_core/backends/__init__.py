from .compute import Compute
from .protocol import Conditioning, DiffusionBackend, Posterior

__all__ = ["Compute", "Conditioning", "DiffusionBackend", "Posterior"]

"""The mini world's networks computed in bf16, where the processor is quicker so."""

from __future__ import annotations

import torch

from .core import DiffusersBackend, has_matrix_units


def quickened(backend: DiffusersBackend) -> DiffusersBackend:
    """bf16 in UNet and VAE, and plain attention, on a processor with matrix units; words and loss stay float32.

    The setting `precision` does less: it leaves the VAE as it is and casts the norms too. Measured on a Xeon with AMX,
    one thread: a training step of 16 people 0.32 s (`bf16`: 0.43 s, float32: 0.45 s), a sampling step of 12 prompts
    0.57 s (0.92 s, 1.42 s), 8 pictures through the VAE 0.39 s (0.84 s, 0.83 s).
    """
    from diffusers.models.attention_processor import AttnProcessor

    if backend.device.type == "cpu" and has_matrix_units():
        backend.unet.set_attn_processor(AttnProcessor())
        for module, name in ((backend.unet, "forward"), (backend.vae, "encode"), (backend.vae, "decode")):
            setattr(module, name, torch.autocast(backend.device.type, torch.bfloat16)(getattr(module, name)))
    return backend

"""How much memory a training needs, estimated before it begins, and how much there is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from comfy import model_management
from comfy.cli_args import args
from torch import nn

from ...stableidentity_core.console.streams import get_logger
from .families import GB, ActivationMemory
from .posterior import is_video

log = get_logger(__name__)

SPARE = 0.1  # of what is estimated: fragmentation


@dataclass(frozen=True, kw_only=True)
class MemoryNeed:
    """Bytes that a training takes on its device."""

    weights: int  # in the types that are computed in, where copies are made
    beside: int  # activations, and weights that are cast as they are used

    @property
    def total(self) -> int:
        return self.weights + self.beside

    def fits(self, device: torch.device) -> bool:
        """Whether the host can make room for it, by moving all else off; on a CPU the user decides."""
        return device.type == "cpu" or self.total * (
            1 + SPARE
        ) + model_management.extra_reserved_memory() <= obtainable(device)


def training_memory(
    unet: nn.Module,
    text: nn.Module,
    kept: ActivationMemory,
    *,
    dtype: torch.dtype,
    resolution: int,
    batch_size: int,
    low_memory: bool,
    learned: int = 0,
) -> MemoryNeed:
    """Estimate a training that computes in `dtype`; `kept` is that of the model's family.

    Args:
        learned: bytes of what is learned, with its gradient and the optimiser's.
    """
    views = batch_size * (resolution / 512) ** 2 * dtype.itemsize / 4
    activations = views * (kept.unet_low if low_memory else kept.unet)
    activations += batch_size * (kept.text_low if low_memory else kept.text)
    copied = [network for network in (unet, text) if makes_copy(network, dtype, low_memory)]
    block = 0 if unet in copied else _cast(unet, dtype) * kept.largest_block
    return MemoryNeed(
        weights=sum(_size(network, dtype if network in copied else None) for network in (unet, text)),
        beside=int(activations + block + learned),
    )


def fits_beside(training: MemoryNeed, vae: Any, resolution: int, batch_size: int) -> bool:
    """Whether the VAE can encode the pictures of a step while the networks of the training stay on the device."""
    if args.disable_smart_memory:  # the host then moves each model off the device that is not in use
        return vae.device.type == "cpu"
    frames = (1,) if is_video(vae) else ()
    encoding = vae.memory_used_encode((batch_size, 3, *frames, resolution, resolution), vae.vae_dtype)
    needed = model_management.module_size(vae.first_stage_model) + max(
        encoding, model_management.minimum_inference_memory()
    )
    return MemoryNeed(weights=training.weights, beside=training.beside + int(needed)).fits(vae.device)


def makes_copy(network: nn.Module, dtype: torch.dtype, low_memory: bool) -> bool:
    """Whether computing in `dtype` takes a copy of the weights in this type, while the originals leave the device.

    Larger weights are not copied with low memory, but cast block by block, and twice in each step.
    """
    others = [value for value in network.parameters() if value.dtype != dtype]
    return bool(others) and not (low_memory and any(value.itemsize < dtype.itemsize for value in others))


def obtainable(device: torch.device) -> float:
    """Bytes that are free on the device or taken by models that the host can move off it."""
    loaded = [entry for entry in model_management.current_loaded_models if entry.model is not None]
    movable = sum(entry.model_loaded_memory() for entry in loaded if entry.device == device)
    return model_management.get_free_memory(device) + (0 if device.type == "cpu" else movable)


def plan_memory(
    unet: nn.Module,
    text: nn.Module,
    kept: ActivationMemory,
    device: torch.device,
    *,
    dtype: torch.dtype,
    resolution: int,
    batch_size: int,
    low_memory: bool,
    learned: int = 0,
) -> tuple[MemoryNeed, bool]:
    """What a training needs, and whether it recomputes activations, because that is asked for or all do not fit."""
    estimate = partial(
        training_memory,
        unet,
        text,
        kept,
        dtype=dtype,
        resolution=resolution,
        batch_size=batch_size,
        learned=learned,
    )
    full, low = estimate(low_memory=False), estimate(low_memory=True)
    recomputes = low_memory or not full.fits(device)
    need = low if recomputes else full
    log.info("StableIdentity: training takes %s", describe_memory(need, device))
    if recomputes and not low_memory:
        log.info(
            "StableIdentity: that is with gradient checkpointing (low_memory); %.1f GB would be needed without",
            full.total / GB,
        )
    return need, recomputes


def describe_memory(need: MemoryNeed, device: torch.device) -> str:
    """One line on the memory that a training needs, and what there is."""
    return (
        f"about {need.beside / GB:.1f} GB in addition to {need.weights / GB:.1f} GB of weights; "
        f"{obtainable(device) / GB:.1f} GB can be had on {device}"
    )


def _size(network: nn.Module, dtype: torch.dtype | None) -> int:
    return sum(value.numel() * (dtype or value.dtype).itemsize for value in network.parameters())


def _cast(network: nn.Module, dtype: torch.dtype) -> int:
    return sum(value.numel() * dtype.itemsize for value in network.parameters() if value.dtype != dtype)

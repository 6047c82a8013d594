"""How much memory a training of a flow model needs, and how it gets by with it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ....stableidentity_core.console.streams import get_logger
from ..families import GB
from ..memory import MemoryNeed, describe_memory
from .blocks import blocks_of
from .fp8 import stored
from .table import FlowMemory

log = get_logger(__name__)
TEXT = torch.float32  # the host computes text encoders in it


@dataclass(frozen=True, kw_only=True)
class FlowPlan:
    """How a training computes.

    Attributes:
        recomputes: activations inside blocks are computed again in the backward pass.
        apart: only one of diffusion model and text encoders is on the device at a time.
    """

    need: MemoryNeed
    recomputes: bool
    apart: bool


def plan_flow_memory(
    network: nn.Module,
    text: nn.Module,
    kept: FlowMemory,
    device: torch.device,
    *,
    dtype: torch.dtype,
    resolution: int,
    batch_size: int,
    low_memory: bool,
    factor: int,
    learned: int = 0,
) -> FlowPlan:
    """The fastest way that fits.

    Autograd would keep each weight that is cast as it is used, so then blocks are always recomputed.

    Args:
        factor: pixels of a picture's side for each of its latent's.
        learned: bytes of what is learned, with its gradient and the optimiser's.
    """
    views = batch_size * dtype.itemsize / 2 * counted_views(network, kept, resolution, factor)
    cast = largest_cast(network, dtype), largest_cast(text, TEXT)
    size = weight_bytes(network), weight_bytes(text)
    low = views * kept.network_low + cast[0], batch_size * kept.text_low + cast[1]
    plans = [
        _together(size, sum(low) + learned, recomputes=True),
        FlowPlan(need=_larger(size, low, learned), recomputes=True, apart=True),
    ]
    if not (low_memory or any(cast)):
        full = views * kept.network + batch_size * kept.text
        plans.insert(0, _together(size, full + learned, recomputes=False))
    plan = next((plan for plan in plans if plan.need.fits(device)), plans[-1])
    log.info("StableIdentity: training takes %s", describe_memory(plan.need, device))
    if plan.apart:
        log.info(
            "StableIdentity: that is with diffusion model and text encoder on the device in turns, which is slow; "
            "%.1f GB would be needed for both",
            plans[-2].need.total / GB,
        )
    return plan


def _together(size: tuple[int, int], beside: float, recomputes: bool) -> FlowPlan:
    return FlowPlan(need=MemoryNeed(weights=sum(size), beside=int(beside)), recomputes=recomputes, apart=False)


def _larger(size: tuple[int, int], low: tuple[float, float], learned: int) -> MemoryNeed:
    """What the larger of the two needs on its own."""
    weights, beside = max(zip(size, low, strict=True), key=sum)
    return MemoryNeed(weights=weights, beside=int(beside + learned))


def counted_views(network: nn.Module, kept: FlowMemory, resolution: int, factor: int) -> float:
    """How many times the activations that were counted this network has, for a picture of this resolution.

    With widths s times and blocks l times as large, parameters grow by s^2 l and activations by s l.
    """
    parameters = sum(value.numel() for value in network.parameters())
    larger = (parameters / kept.parameters * len(blocks_of(network)) / kept.blocks) ** 0.5
    return larger * (resolution / factor / (512 / kept.factor)) ** 2


def weight_bytes(network: nn.Module) -> int:
    return sum(stored(value).nbytes for value in network.parameters())


def largest_cast(network: nn.Module, dtype: torch.dtype) -> int:
    """Bytes of the largest block's weights in the type they are cast to; 0 where none is."""
    return max(
        (
            sum(value.numel() * dtype.itemsize for value in block.parameters() if stored(value).dtype != dtype)
            for block in blocks_of(network)
        ),
        default=0,
    )

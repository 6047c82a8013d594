"""How a backend computes: precision and gradient checkpointing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..errors import StableIdentityError

Precision = Literal["model", "auto", "bf16", "fp16"]
PRECISIONS = get_args(Precision)
_NAMED = {"bf16": torch.bfloat16, "fp16": torch.float16}
# Parameters above which bf16 is faster on a processor with matrix units; the mini world (10 million) gains nothing,
# see benchmarks/README.md.
LARGE = 10**8

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Compute:
    """How to compute.

    Attributes:
        precision: `model` is the model's own type. `bf16` and `fp16` compute the diffusion model and the text encoders
            in these; words, latents and loss stay float32. `auto` is bf16 where that is known to be faster, else
            `model`. In fp16 the loss is to be scaled, see `stableidentity_core.train.loss_scale`.
        low_memory: gradient checkpointing: activations inside the networks' blocks are not kept but computed again in
            the backward pass. With diffusers, the VAE is on the device only while it is used.
    """

    precision: Precision = "model"
    low_memory: bool = False

    def dtype(self, network: nn.Module, device: torch.device) -> torch.dtype | None:
        """The type to compute this network in, or None for its own."""
        if self.precision == "auto":
            return torch.bfloat16 if bf16_pays(network, device) else None
        return _NAMED.get(self.precision)


AS_LOADED = Compute()


def bf16_pays(network: nn.Module, device: torch.device) -> bool:
    """Whether bf16 is faster than fp32, judged by the device's features, not by timing: results are reproducible."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    large = sum(parameter.numel() for parameter in network.parameters()) >= LARGE
    return device.type == "cpu" and large and has_matrix_units()


def has_matrix_units() -> bool:
    """Whether the processor has AMX. AVX-512's own bf16 is slower than float32 (benchmarks/README.md)."""
    return getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()


def check_precision(precision: str, device: torch.device) -> None:
    """Raise if bf16 is asked for by name and the GPU does not compute in it."""
    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise StableIdentityError(
            f"The precision is bf16, which {torch.cuda.get_device_name(device)} does not compute in. Set precision to "
            "auto or model, or to fp16 on a V100, T4 or RTX 20."
        )


def cast_copy(network: Module, dtype: torch.dtype) -> Module:
    """A frozen copy in another type, which is faster than casting each weight in each step."""
    weights = {id(value): nn.Parameter(value.detach().to(dtype), requires_grad=False) for value in network.parameters()}
    buffers = {id(value): value.to(dtype) for value in network.buffers() if value.is_floating_point()}
    return copy.deepcopy(network, {**weights, **buffers})  # in place of these values; none is copied twice


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[Any]:
    """Autocast matrix products to this type, if one is given."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


@contextmanager
def gradient_checkpointing(blocks: Iterable[nn.Module]) -> Iterator[None]:
    """Inside this context, blocks keep only their inputs and recompute their activations in the backward pass."""
    before = {block: block.__dict__.get("forward") for block in blocks}
    for block in before:
        block.forward = _recomputing(block.forward)  # on the instance, above the class's
    try:
        yield
    finally:
        for block, forward in before.items():
            del block.forward
            if forward is not None:
                block.forward = forward


def _recomputing(forward: Callable[..., Any]) -> Callable[..., Any]:
    def again(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(_on_copies, forward, args, kwargs, use_reentrant=False, preserve_rng_state=False)

    return again


def _on_copies(forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A block that adds to its input in place would otherwise find it changed in the recomputation."""
    first, *others = args
    return forward(first.clone(), *others, **kwargs)

"""How a backend computes: precision and gradient checkpointing."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..errors import StableIdentityError

Precision = Literal["auto", "model", "bf16", "fp16"]
PRECISIONS = get_args(Precision)
ONEDNN_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # by which users keep it from instructions
_NAMED = {"bf16": torch.bfloat16, "fp16": torch.float16}
_BROKEN_FP16 = ("GTX 16", "T500", "T550", "T600", "T1000", "T1200", "T2000", "MX450", "MX550")  # Turing without units
_BF16_AMD = ("gfx908", "gfx90a", "gfx94", "gfx95", "gfx11", "gfx12")  # ROCm computes it on all, slowly on others

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class SixteenBit:
    """The 16-bit types that a device computes in, and is faster with."""

    bf16: bool = False
    fp16: bool = False

    @property
    def best(self) -> torch.dtype | None:
        """bf16 has the range of float32 and needs no loss scaling."""
        return torch.bfloat16 if self.bf16 else torch.float16 if self.fp16 else None


@dataclass(frozen=True, kw_only=True)
class Compute:
    """How to compute.

    Attributes:
        precision: `model` is the model's own type. `bf16` and `fp16` compute the diffusion model and the text encoders
            in these; words, latents and loss stay float32. `auto` is bf16 on a GPU that is faster with it, else fp16 on
            one that is faster with that, else `model`: on a CPU, words do not depend on the processor's 16-bit units.
            In fp16 the loss is to be scaled, see `stableidentity_core.train.loss_scale`.
        low_memory: gradient checkpointing: activations inside the networks' blocks are not kept but computed again in
            the backward pass. Without it, a backend does so only where it knows that memory is too short. With
            diffusers, the VAE is on the device only while it is used.
    """

    precision: Precision = "model"
    low_memory: bool = False

    def dtype(self, device: SixteenBit) -> torch.dtype | None:
        """The type to compute in on a device with these 16-bit types, or None for the model's own."""
        return device.best if self.precision == "auto" else _NAMED.get(self.precision)


AS_LOADED = Compute()


def sixteen_bit(device: torch.device) -> SixteenBit:
    """The 16-bit types that pay on a device, judged by its features, not by timing: results are reproducible."""
    if device.type != "cuda":
        return SixteenBit()
    properties = torch.cuda.get_device_properties(device)
    if torch.version.hip:
        return SixteenBit(bf16=properties.gcnArchName.startswith(_BF16_AMD), fp16=True)
    units = properties.major >= 7 and not any(name in properties.name for name in _BROKEN_FP16)
    return SixteenBit(bf16=torch.cuda.is_bf16_supported(including_emulation=False), fp16=units)


def has_matrix_units() -> bool:
    """Whether the processor has AMX, and oneDNN may use it. AVX-512's own bf16 is slower (benchmarks/README.md)."""
    allowed = next((os.environ[name].upper() for name in ONEDNN_LIMITS if name in os.environ), "ALL")
    if allowed not in ("ALL", "DEFAULT", "") and "AMX" not in allowed:
        return False
    return getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()


def check_precision(precision: str, device: torch.device) -> None:
    """Raise if bf16 is asked for by name and the GPU does not compute in it."""
    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise StableIdentityError(
            f"The precision is bf16, which {torch.cuda.get_device_name(device)} does not compute in. Set precision to "
            "auto or model, or to fp16 on a V100, T4 or RTX 20."
        )


def cast_copy(network: Module, dtype: torch.dtype, device: torch.device | None = None) -> Module:
    """A frozen copy in another type, which is faster than casting each weight in each step.

    Args:
        device: of the copy; by default that of the network.
    """

    def cast(value: Tensor) -> Tensor:
        return value.detach().to(device or value.device, dtype if value.is_floating_point() else value.dtype)

    weights = {id(value): nn.Parameter(cast(value), requires_grad=False) for value in network.parameters()}
    buffers = {id(value): cast(value) for value in network.buffers()}
    copied = copy.deepcopy(network, {**weights, **buffers})  # in place of these values; none is copied twice
    for module in copied.modules():
        module.__dict__.pop("forward", None)  # gradient checkpointing's, which would run the original's
    return copied


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
    """A block that adds to its input in place would otherwise find it changed in the recomputation.

    That is its first argument; of a block that is called by keywords alone, it may be any of them.
    """
    if args:
        first, *others = args
        return forward(first.clone(), *others, **kwargs)
    copied = {name: value.clone() if isinstance(value, Tensor) else value for name, value in kwargs.items()}
    return forward(**copied)

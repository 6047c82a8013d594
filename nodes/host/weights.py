"""Loading the host's modules so that gradients can pass through them, and restoring them afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from comfy import model_management
from torch import Tensor, nn

from ...stableidentity_core.backends.compute import AS_LOADED, Compute
from ...stableidentity_core.errors import StableIdentityError, WrongModelError
from .families import GB, ActivationMemory

LARGEST_BLOCK = 1 / 8  # as a share of all weights, at most: what is cast at once with low memory


def training_memory(
    model: Any,
    kept: ActivationMemory,
    resolution: int,
    batch_size: int,
    *,
    clip: Any = None,
    compute: Compute = AS_LOADED,
) -> int:
    """Estimate how many bytes a training needs in addition to the weights.

    `kept` is that of the model's family.

    Weights of another dtype than the compute dtype are held a second time in that dtype: as a copy, or cast for each
    operation and kept until the backward pass has used them. The check before the first step casts to fp32, block by
    block.
    """
    unet = model.get_model_object("diffusion_model")
    dtype = compute.dtype(unet, model.load_device) or compute_dtype(model)
    views = batch_size * (resolution / 512) ** 2
    activations = (kept.unet_low if compute.low_memory else kept.unet) * views * dtype.itemsize / 4
    requested = compute.dtype(unet, model.load_device)
    whole = requested is not None and copies(unet, requested, compute_dtype(model), compute.low_memory)
    by_block = (0 if whole else _cast(unet, dtype)) + (0 if clip is None else _cast_text(clip, requested))
    cast = (_cast(unet, dtype) if whole else 0) + by_block * (LARGEST_BLOCK if compute.low_memory else 1)
    training = activations + cast + (0 if compute.low_memory else kept.text * batch_size)
    checking = _cast(unet, torch.float32) + (0 if clip is None else _cast(clip, torch.float32))
    return int(max(training, checking * LARGEST_BLOCK))


def copies(unet: nn.Module, dtype: torch.dtype | None, own: torch.dtype, low_memory: bool) -> bool:
    """Whether computing in `dtype` needs a full copy of the weights.

    Where the host already casts them, because they do not have the dtype `own` that it computes in, it continues to do
    so with low_memory: block by block, and twice per step.
    """
    types = {parameter.dtype for parameter in unet.parameters()}
    return dtype is not None and types != {dtype} and not (low_memory and types != {own})


def _cast(network: nn.Module, dtype: torch.dtype) -> int:
    return sum(value.numel() * dtype.itemsize for value in network.parameters() if value.dtype != dtype)


def _cast_text(clip: nn.Module, requested: torch.dtype | None) -> int:
    """The host's text encoders compute in fp32; for another compute dtype, every weight is cast."""
    if requested is None:
        return _cast(clip, torch.float32)
    return sum(value.numel() * requested.itemsize for value in clip.parameters())


def check_fp16(precision: str, device: torch.device) -> None:
    """Raise if fp16 is requested on a GPU where the host knows it to be broken or slow."""
    if precision == "fp16" and device.type == "cuda" and not model_management.should_use_fp16(device):
        raise StableIdentityError(
            f"The precision is fp16, which ComfyUI does not use on {torch.cuda.get_device_name(device)}: it is broken "
            "or slow there. Set precision to auto or model."
        )


def describe_memory(patchers: list[Any], needed: int, low_memory: int) -> str:
    """One line on the memory that a training needs, and what is free."""
    device = patchers[0].load_device
    weights = sum(value.numel() * value.itemsize for patcher in patchers for value in patcher.model.parameters())
    free = model_management.get_free_memory(device)
    line = f"about {needed / GB:.1f} GB in addition to {weights / GB:.1f} GB of weights"
    line += f"; {free / GB:.1f} GB free on {device}"
    return line + (f"; low_memory would need about {low_memory / GB:.1f} GB" if needed > max(free, low_memory) else "")


def load_fully(patchers: list[Any], memory: int) -> None:
    """Load all weights, with these patchers' patches, onto their device as normal tensors.

    Raises:
        WrongModelError: the host left some elsewhere and would stream them through buffers that do not
            outlive the forward pass.
    """
    model_management.load_models_gpu(patchers, memory_required=memory, force_full_load=True)
    off_device = weights_off_device(patchers)
    if off_device:
        raise WrongModelError(
            f"{len(off_device)} weights were not loaded onto the device (the first is {off_device[0]}); training needs "
            f"all of them there, plus about {memory / GB:.1f} GB. Start ComfyUI without --novram and --lowvram, or "
            "free memory."
        )
    for patcher in patchers:
        make_trainable_through(patcher.model)


def weights_off_device(patchers: list[Any]) -> list[str]:
    """Names of the weights that are not on their load device."""
    return [
        name
        for patcher in patchers
        for name, parameter in patcher.model.named_parameters()
        if parameter.device.type != torch.device(patcher.load_device).type
    ]


def static_clone(patcher: Any) -> Any:
    """A clone with weights that stay in place; recent hosts stream weights through shared buffers."""
    if not getattr(patcher, "is_dynamic", lambda: False)():
        return patcher.clone()
    try:
        return patcher.clone(disable_dynamic=True)
    except (TypeError, RuntimeError) as error:
        raise WrongModelError(
            f"This model is loaded with dynamic VRAM and cannot be made static ({error}). "
            "Start ComfyUI with --disable-dynamic-vram to train."
        ) from error


def static_clip(clip: Any) -> Any:
    """Like static_clone, for a CLIP."""
    clone = clip.clone()
    clone.patcher = static_clone(clip.patcher)
    clone.cond_stage_model = clone.patcher.model  # the host's own clone keeps the old module here
    return clone


def drop_copy(copy: Any, original: Any) -> None:
    """Free a clone that has its own module."""
    if copy.model is not original.model:
        copy.detach()


def choose_compute_dtype(model: Any) -> None:
    """fp16 loses small gradients: compute fp16 weights in bf16 if the device supports it, otherwise in fp32."""
    if compute_dtype(model) == torch.float16:
        bf16 = model_management.should_use_bf16(model.load_device)
        model.set_model_compute_dtype(torch.bfloat16 if bf16 else torch.float32)


def compute_dtype(model: Any) -> torch.dtype:
    dtype = model.get_model_object("manual_cast_dtype")
    return model.model.get_dtype() if dtype is None else dtype


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Inside, no weight requires a gradient; afterwards requires_grad is restored."""
    trainable = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    module.requires_grad_(False)
    try:
        yield
    finally:
        for name, parameter in module.named_parameters():
            if name in trainable and not parameter.is_inference():
                parameter.requires_grad_(True)


@contextmanager
def host_in_training_mode() -> Iterator[None]:
    """Recent hosts keep streamed weights alive for the backward pass while this flag is set."""
    if not hasattr(model_management, "in_training"):
        yield
        return
    before = model_management.in_training
    model_management.in_training = True
    try:
        yield
    finally:
        model_management.in_training = before


def make_trainable_through(module: nn.Module) -> None:
    """Replace weights that autograd does not accept with equal normal tensors."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None and _made_in_inference_mode(parameter):
                part._parameters[name] = nn.Parameter(parameter.detach().clone(), requires_grad=False)
        for name, buffer in part._buffers.items():
            if buffer is not None and _made_in_inference_mode(buffer):
                part._buffers[name] = buffer.clone()


def _made_in_inference_mode(tensor: Tensor) -> bool:
    """True even after the host has moved it: `is_inference` is then False, but autograd still lacks its version."""
    try:
        tensor._version  # noqa: B018
    except RuntimeError:
        return True
    return False

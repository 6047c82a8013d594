"""Loading the host's modules so that gradients can pass them, and giving them back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import comfy.model_base
import torch
from comfy import model_management
from torch import nn

from ...stableidentity_core.errors import WrongModelError

GB = 10**9
# What the backward pass keeps for one 512-pixel picture a step in fp32, of UNet and text encoders: SD2.1's (SD1.5 takes
# less) and SDXL's. Rough: counted over the networks' layers without attention maps, not yet measured on a GPU.
SD_ACTIVATIONS = 1.4 * GB, 1.3 * GB
SDXL_ACTIVATIONS = 2.4 * GB, 2.6 * GB


def training_memory(model: Any, resolution: int, batch_size: int) -> int:
    """Bytes a training needs beside the weights, as an estimate.

    Weights that are cast for each operation are kept once more, in the compute type, until the
    backward pass has used them.
    """
    compute = compute_dtype(model)
    views = batch_size * (resolution / 512) ** 2
    of_unet, of_text = SDXL_ACTIVATIONS if isinstance(model.model, comfy.model_base.SDXL) else SD_ACTIVATIONS
    activations = of_unet * views * compute.itemsize / 4 + of_text * batch_size
    unet = model.get_model_object("diffusion_model")
    cast = sum(p.numel() * compute.itemsize for p in unet.parameters() if p.dtype != compute)
    return int(activations + cast)


def load_fully(patchers: list[Any], memory: int) -> None:
    """Bring all weights, with these patchers' patches, to their device as normal tensors.

    Raises:
        WrongModelError: the host left some elsewhere, from where it would stream them through buffers
            that do not outlive the forward pass.
    """
    model_management.load_models_gpu(patchers, memory_required=memory, force_full_load=True)
    away = weights_away(patchers)
    if away:
        raise WrongModelError(
            f"{len(away)} weights stayed outside the device (the first is {away[0]}), and training needs all of them "
            f"there, with about {memory / GB:.1f} GB beside. Start ComfyUI without --novram and --lowvram, or free "
            "memory."
        )
    for patcher in patchers:
        _make_trainable_through(patcher.model)


def weights_away(patchers: list[Any]) -> list[str]:
    """Names of the weights that are not on the device they are to work on."""
    return [
        name
        for patcher in patchers
        for name, parameter in patcher.model.named_parameters()
        if parameter.device.type != torch.device(patcher.load_device).type
    ]


def static_clone(patcher: Any) -> Any:
    """A clone whose weights stay where they are; newest hosts stream weights through shared buffers."""
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
    """As static_clone, for a CLIP."""
    clone = clip.clone()
    clone.patcher = static_clone(clip.patcher)
    clone.cond_stage_model = clone.patcher.model  # the host's own clone keeps the old module here
    return clone


def drop_copy(copy: Any, original: Any) -> None:
    """Free a clone that has a module of its own."""
    if copy.model is not original.model:
        copy.detach()


def choose_compute_dtype(model: Any) -> None:
    """fp16 loses small gradients: compute fp16 weights in bf16 where the device can, else in fp32."""
    if compute_dtype(model) == torch.float16:
        bf16 = model_management.should_use_bf16(model.load_device)
        model.set_model_compute_dtype(torch.bfloat16 if bf16 else torch.float32)


def compute_dtype(model: Any) -> torch.dtype:
    dtype = model.get_model_object("manual_cast_dtype")
    return model.model.get_dtype() if dtype is None else dtype


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """No weight takes a gradient inside; afterwards each asks for one as before."""
    asked = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    module.requires_grad_(False)
    try:
        yield
    finally:
        for name, parameter in module.named_parameters():
            if name in asked and not parameter.is_inference():
                parameter.requires_grad_(True)


@contextmanager
def host_told_of_training() -> Iterator[None]:
    """Newest hosts keep streamed weights alive for the backward pass while this flag is set."""
    if not hasattr(model_management, "in_training"):
        yield
        return
    before = model_management.in_training
    model_management.in_training = True
    try:
        yield
    finally:
        model_management.in_training = before


def _make_trainable_through(module: nn.Module) -> None:
    """Replace inference tensors among the weights by equal normal ones, which autograd accepts."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None and parameter.is_inference():
                part._parameters[name] = nn.Parameter(parameter.detach().clone(), requires_grad=False)
        for name, buffer in part._buffers.items():
            if buffer is not None and buffer.is_inference():
                part._buffers[name] = buffer.clone()

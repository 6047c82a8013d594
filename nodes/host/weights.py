"""Loading the host's modules so that gradients can pass through them, and restoring them afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from comfy import model_management
from torch import Tensor, nn

from ...stableidentity_core.errors import WrongModelError
from .families import GB


def load_fully(patchers: Sequence[Any], memory: int) -> None:
    """Load all weights, with these patchers' patches, onto their device as normal tensors.

    Raises:
        WrongModelError: the host left some elsewhere and would stream them through buffers that do not
            outlive the forward pass.
    """
    model_management.load_models_gpu(list(patchers), memory_required=memory, force_full_load=True)
    off_device = weights_off_device(patchers)
    if off_device:
        raise WrongModelError(
            f"{len(off_device)} weights were not loaded onto the device (the first is {off_device[0]}); training needs "
            f"all of them there, plus about {memory / GB:.1f} GB. Start ComfyUI without --novram and --lowvram, or "
            "free memory."
        )
    for patcher in patchers:
        make_trainable_through(patcher.model)


def weights_off_device(patchers: Sequence[Any]) -> list[str]:
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


@contextmanager
def for_training(model: Any, clip: Any) -> Iterator[tuple[Any, Any]]:
    """Static clones of MODEL and CLIP, frozen, in which autograd works; afterwards the host is as before.

    Raises:
        WrongModelError: the host cannot make them static.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        static, static_text = static_clone(model), static_clip(clip)
        stack.callback(drop_copy, static, model)
        stack.callback(drop_copy, static_text.patcher, clip.patcher)
        for module in (static.model, static_text.cond_stage_model):
            stack.enter_context(frozen(module))
        stack.enter_context(host_in_training_mode())
        yield static, static_text


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
def host_in_training_mode(on: bool = True) -> Iterator[None]:
    """Recent hosts keep streamed weights alive for the backward pass while this flag is set."""
    if not hasattr(model_management, "in_training"):
        yield
        return
    before = model_management.in_training
    model_management.in_training = on
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

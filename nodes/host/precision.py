"""The types that a training computes in on the host's device; the host knows which of them pay there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from comfy import model_management

from ...stableidentity_core.backends.compute import Compute, SixteenBit, check_precision
from ...stableidentity_core.errors import StableIdentityError


def compute_dtype(model: Any, compute: Compute) -> torch.dtype:
    """The type that the UNet of a host MODEL is to compute in.

    Raises:
        StableIdentityError: the device does not compute in a type that is asked for by name, or only slowly, or the
            model's numbers are too large for it.
    """
    device = model.load_device
    check_precision(compute.precision, device)
    if compute.precision == "fp16" and device.type != "cpu" and not model_management.should_use_fp16(device):
        raise StableIdentityError(
            f"The precision is fp16, which ComfyUI does not use on {model_management.get_torch_device_name(device)}: "
            "it is broken or slow there. Set precision to auto or model."
        )
    if compute.precision == "fp16" and not holds_fp16(model):
        raise StableIdentityError(
            "The precision is fp16, in which the numbers of this MODEL "
            f"({type(model.model.model_config).__name__}) grow too large: ComfyUI does not use it either. Set "
            "precision to auto or model."
        )
    types = sixteen_bit(device)
    return compute.dtype(replace(types, fp16=types.fp16 and holds_fp16(model))) or own_dtype(model)


def holds_fp16(model: Any) -> bool:
    """Whether the host computes the model in fp16."""
    return torch.float16 in getattr(model.model.model_config, "supported_inference_dtypes", [torch.float16])


def sixteen_bit(device: torch.device) -> SixteenBit:
    """The 16-bit types that pay on a device, as the host chooses them; DirectML cannot autocast."""
    if getattr(model_management, "directml_enabled", False):
        return SixteenBit()
    return SixteenBit(bf16=model_management.should_use_bf16(device), fp16=model_management.should_use_fp16(device))


def own_dtype(model: Any) -> torch.dtype:
    """The type that the host computes in; of fp16, which loses small gradients, bf16 if that pays, otherwise fp32."""
    dtype = model.get_model_object("manual_cast_dtype") or model.model.get_dtype()
    if dtype != torch.float16:
        return dtype
    return torch.bfloat16 if model_management.should_use_bf16(model.load_device) else torch.float32

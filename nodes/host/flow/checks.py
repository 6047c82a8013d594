"""Checks, before any work is done, that MODEL, CLIP and VAE of a flow model fit the method and each other."""

from __future__ import annotations

import re
from typing import Any

import comfy.model_sampling
import torch
from comfyui_version import __version__ as HOST_VERSION

from ....stableidentity_core.errors import StableIdentityError, WrongModelError
from ..checks import TRAINABLE, check_quantised, sampling_kinds
from ..families import BASES
from ..patches import check_patches
from .fp8 import FP8, is_scaled_fp8
from .table import FLOW_BASES, FlowFamily, flow_family_of_model
from .text import FlowTextEncoders

OLDEST = (0, 26)  # ComfyUI; older ones lack a model, or a way for its gradients
NEEDED = "fp32, fp16, bf16 or fp8"
REMEDY = "Load the file in one of these types; Does It Know Names? and painting take this one too."


def check_flow_trio(model: Any, text: FlowTextEncoders, vae: Any, trains: bool = True) -> None:
    """Check all three; with `trains`, also what only matters to a training.

    Raises:
        WrongModelError: naming what was found and what was needed.
    """
    family = text.family
    load = f"Load the MODEL, the text encoder ({family.files}) and the VAE of {family.name}"
    if model is None:
        raise WrongModelError(f"The MODEL input got nothing: the loader found no diffusion model. {load}.")
    if flow_family_of_model(model) is not family:
        raise WrongModelError(
            f"MODEL is {describe_model(model)}, the connected CLIP is that of {family.name}: they do not belong "
            f"together, or people cannot be learned on this MODEL. Supported are {FLOW_BASES}, each "
            f"with its own text encoder, and {BASES} with theirs. {load}."
        )
    _check_channels(model, load)
    _check_width(model, text, load)
    _check_sampling(model)
    _check_vae(model, vae, load)
    if trains:
        check_host()
        check_patches(model)
        check_flow_weights(model, text)


def check_host(version: str = HOST_VERSION) -> None:
    """Raise in a host that lacks what gradients need in these models."""
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if found < OLDEST:
        raise WrongModelError(
            f"People are learned on flow models with ComfyUI {'.'.join(map(str, OLDEST))} or newer; this is {version}. "
            "Update ComfyUI, or learn the person on SD1.5, SD2.x or SDXL."
        )


def check_flow_resolution(family: FlowFamily, vae: Any, resolution: int) -> None:
    """Raise for a side that is not made of whole latent pixels."""
    factor = vae.spacial_compression_encode()
    if resolution % factor:
        raise StableIdentityError(
            f"The resolution is {resolution}; the VAE of {family.name} makes one latent pixel of {factor}x{factor}. "
            f"Set resolution to a multiple of {factor}, such as {max(family.least_side, factor) // factor * factor}."
        )


def check_flow_weights(model: Any, text: FlowTextEncoders) -> None:
    """Raise for quantised weights other than fp8 (GGUF, nf4, nvfp4, int8), which block gradients."""
    networks = [("MODEL", model.get_model_object("diffusion_model"))]
    for what, network in (*networks, *(("CLIP", encoder) for encoder in text.encoders.values())):
        check_quantised(network, what, TRAINABLE | FP8, NEEDED, REMEDY, is_scaled_fp8)


def describe_model(model: Any) -> str:
    """What a host MODEL is, by the classes of the host."""
    family = flow_family_of_model(model)
    kind, config = type(model.model).__name__, type(model.model.model_config).__name__
    return family.name if family else kind if kind == config else f"{kind} ({config})"


def _check_channels(model: Any, load: str) -> None:
    """Raise for a network that takes more than the latents: the host tells image-to-video Wan 2.2 only by this."""
    settings, needed = model.model.model_config.unet_config, model.model.latent_format.latent_channels
    found = settings.get("in_dim", settings.get("in_channels", needed))
    if found != needed:
        raise WrongModelError(
            f"MODEL takes {found} input channels (image-to-video, inpainting and control models take more than "
            f"{needed}), needed {needed}. Learn the person on the plain model of the same base; the words then work "
            f"with this one's text encoder too. {load}."
        )


def _check_width(model: Any, text: FlowTextEncoders, load: str) -> None:
    family: FlowFamily = text.family
    takes = model.model.model_config.unet_config.get(family.text_width, text.width)
    if takes != text.width:
        raise WrongModelError(
            f"MODEL takes text of width {takes}, the connected CLIP of {family.name} gives {text.width} "
            f"({' and '.join(space.name for space in text.spaces)}): they do not belong together. {load}."
        )


def _check_sampling(model: Any) -> None:
    sampling = model.get_model_object("model_sampling")
    mixed_in = (base for base in type(sampling).__mro__ if not issubclass(base, torch.nn.Module))
    if next(mixed_in) is not comfy.model_sampling.CONST:
        raise WrongModelError(
            f"MODEL samples with {' and '.join(sampling_kinds(sampling))}; needed flow matching (CONST). Connect MODEL "
            "to the training as it comes from the loader, not from a node that changes what it predicts."
        )


def _check_vae(model: Any, vae: Any, load: str) -> None:
    if vae is None or getattr(vae, "first_stage_model", None) is None:
        raise WrongModelError(f"The VAE input got nothing: the loader found no VAE in its file. {load}.")
    latent_format = model.model.latent_format
    needed = latent_format.latent_channels, getattr(latent_format, "latent_dimensions", 2)
    found = vae.latent_channels, getattr(vae, "latent_dim", 2)
    if found != needed:
        raise WrongModelError(
            f"The VAE makes {_latents(*found)}, MODEL takes {_latents(*needed)}: they do not belong together. {load}."
        )


def _latents(channels: int, dimensions: int) -> str:
    return f"{channels} latent channels of {'clips' if dimensions == 3 else 'pictures'}"

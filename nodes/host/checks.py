"""Do MODEL, CLIP and VAE fit the method and each other? Asked before any work is done."""

from __future__ import annotations

from collections import Counter
from typing import Any

import comfy.model_sampling
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

from ...stableidentity_core.backends.protocol import Prediction
from ...stableidentity_core.errors import WrongModelError
from .text import HostText

TRAINABLE = {torch.float32, torch.float16, torch.bfloat16}
NEEDED = "needed a Stable Diffusion 2.x model (stable-diffusion-2-1-base is the paper's)"


def check_trio(model: Any, text: HostText, vae: Any) -> Prediction:
    """Check all three and return what the model predicts.

    Raises:
        WrongModelError: naming what was found and what was needed.
    """
    unet = model.get_model_object("diffusion_model")
    _check_unet(model, unet)
    _check_width(model, text)
    _check_vae(model, vae)
    check_weights(unet, "MODEL")
    check_weights(text.encoder, "CLIP")
    return prediction_type(model)


def prediction_type(model: Any) -> Prediction:
    """What the model predicts, as its sampling says; a ModelSamplingDiscrete node is honoured."""
    sampling = model.get_model_object("model_sampling")
    kinds = comfy.model_sampling
    discrete = isinstance(sampling, kinds.ModelSamplingDiscrete)
    if discrete and not isinstance(sampling, getattr(kinds, "X0", ())):
        if isinstance(sampling, kinds.V_PREDICTION):
            return Prediction.V
        if isinstance(sampling, kinds.EPS):
            return Prediction.EPSILON
    bases = ", ".join(base.__name__ for base in type(sampling).__mro__[1:3])
    raise WrongModelError(
        f"The model samples with {bases}; training knows discrete noise (eps) and velocity (v) prediction. "
        "Remove nodes such as ModelSamplingContinuousEDM before the training."
    )


def check_weights(module: torch.nn.Module, what: str) -> None:
    """Raise for quantised weights (fp8, GGUF, nf4, int8), through which gradients do not pass."""
    odd: Counter[str] = Counter()
    for parameter in module.parameters():
        plain = type(parameter) in (torch.nn.Parameter, torch.Tensor)
        if parameter.dtype not in TRAINABLE:
            odd[str(parameter.dtype).removeprefix("torch.")] += 1
        elif not plain:
            odd[type(parameter).__name__] += 1
    if odd:
        found = ", ".join(f"{count} as {kind}" for kind, count in odd.most_common())
        raise WrongModelError(
            f"{what} holds quantised weights ({found}); training needs fp32, fp16 or bf16. "
            "Load the unquantised file, with weight_dtype 'default'."
        )


def _check_unet(model: Any, unet: Any) -> None:
    if not isinstance(unet, UNetModel):
        raise WrongModelError(f"MODEL is {type(model.model).__name__} ({type(unet).__name__}); {NEEDED}.")
    if getattr(unet, "num_classes", None) is not None:
        raise WrongModelError(f"MODEL is {type(model.model).__name__}, a model with extra inputs (SDXL, unCLIP); {NEEDED}.")
    channels = unet.in_channels
    if channels != model.model.latent_format.latent_channels:
        raise WrongModelError(
            f"MODEL takes {channels} input channels, as inpainting and depth models do; {NEEDED}, with 4."
        )


def _check_width(model: Any, text: HostText) -> None:
    context = model.model.model_config.unet_config.get("context_dim")
    if context != text.space.width:
        raise WrongModelError(
            f"MODEL takes text of width {context} ({type(model.model.model_config).__name__}), the connected CLIP "
            f"gives {text.space.width} ({text.space.name}): they do not belong together. {NEEDED.capitalize()} with its "
            "own CLIP."
        )


def _check_vae(model: Any, vae: Any) -> None:
    wanted = model.model.latent_format.latent_channels
    if vae.latent_channels != wanted or getattr(vae, "latent_dim", 2) != 2:
        raise WrongModelError(
            f"The VAE makes {vae.latent_channels} latent channels, MODEL takes {wanted}. Connect the VAE of the same checkpoint."
        )
    if not isinstance(vae.downscale_ratio, int):
        raise WrongModelError("The VAE is one for video; connect the VAE of the same checkpoint as MODEL.")

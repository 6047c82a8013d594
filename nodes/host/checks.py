"""Checks, before any work is done, that MODEL, CLIP and VAE suit the method and fit each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any

import comfy.model_base
import comfy.model_sampling
import torch
from comfy.cli_args import args
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

from ...stableidentity_core.backends.objective import Epsilon, VariancePreserving, VPrediction
from ...stableidentity_core.console.streams import get_logger
from ...stableidentity_core.errors import StableIdentityError, WrongModelError
from .families import BASES, Family
from .flow.table import FlowFamily, flow_family_of_model
from .patches import check_patches
from .text import HostTextEncoders
from .video.unet import VideoUNet

log = get_logger(__name__)

# Host options that store weights in a fixed dtype, whatever the file holds.
STORE_OPTIONS = {
    ("MODEL", "float8_e4m3fn"): "fp8_e4m3fn-unet",
    ("MODEL", "float8_e5m2"): "fp8_e5m2-unet",
    ("MODEL", "float8_e8m0fnu"): "fp8_e8m0fnu-unet",
    ("MODEL", "float64"): "fp64-unet",
    ("CLIP", "float8_e4m3fn"): "fp8_e4m3fn-text-enc",
    ("CLIP", "float8_e5m2"): "fp8_e5m2-text-enc",
}
TRAINABLE = {torch.float32, torch.float16, torch.bfloat16}
LOAD = f"Load a checkpoint of {BASES}, and connect its MODEL, CLIP and VAE"
SIZES_WIDTH = 6 * 256  # SDXL's six sizes, each embedded as 256 sines and cosines


def check_trio(model: Any, text: HostTextEncoders, vae: Any, trains: bool = True) -> type[VariancePreserving]:
    """Check all three and return the model's training objective.

    Args:
        trains: also check what only matters to a training.

    Raises:
        WrongModelError: naming what was found and what was needed.
    """
    if model is None:
        raise WrongModelError(f"The MODEL input got nothing: the loader found no diffusion model. {LOAD}.")
    unet = model.get_model_object("diffusion_model")
    _check_unet(model, unet)
    _check_width(model, text)
    _check_vae(model, vae)
    if trains:
        check_patches(model)
        check_weights(model, text)
    return objective_of(model)


def check_resolution(
    model: Any,
    family: Family | FlowFamily,
    resolution: int,
    where: str = "in StableIdentity Train it is among the advanced settings",
) -> None:
    """Raise if the model (the mini world) only works at another resolution; warn below the base's training size.

    Args:
        where: to set the resolution.
    """
    if resolution < family.least_side:
        log.warning(
            "StableIdentity: the resolution is %d; %s was made for images of about %dx%d and handles smaller ones "
            "poorly. Set resolution to %d; %s.",
            resolution,
            family.name,
            *[family.least_side] * 3,
            where,
        )
    config = type(model.model.model_config)  # an instance would log a warning for the missing attribute
    side = getattr(config, "trained_side", None)
    if side is not None and resolution != side:
        raise StableIdentityError(
            f"The resolution is {resolution}; MODEL (the mini world) only works at {side}x{side}. "
            f"Set resolution to {side}; {where}."
        )


def objective_of(model: Any) -> type[VariancePreserving]:
    """The training objective that matches the model's sampling; a ModelSamplingDiscrete node is respected."""
    sampling = model.get_model_object("model_sampling")
    if _is_plain_discrete(sampling):
        kinds = comfy.model_sampling
        known = {kinds.EPS: Epsilon, kinds.V_PREDICTION: VPrediction}
        # Subclasses such as X0, EDM or LCM interpret the model's output differently.
        mixed_in = (base for base in type(sampling).__mro__ if not issubclass(base, torch.nn.Module))
        objective = known.get(next(mixed_in))
        if objective is not None:
            return objective
    raise WrongModelError(
        f"MODEL samples with {' and '.join(sampling_kinds(sampling))}; needed Stable Diffusion's noise schedule, "
        "predicting eps or v_prediction. Connect MODEL to the training as it comes from the loader, not from a node "
        "that changes its sampling (ModelSamplingDiscrete is understood, with eps or v_prediction)."
    )


def sampling_kinds(sampling: Any) -> list[str]:
    """Names of the schedule and the prediction type, which the host combines into one class."""
    return [base.__name__ for base in type(sampling).__bases__]


def _is_plain_discrete(sampling: Any) -> bool:
    """Whether the timesteps are the indices of the sigmas, unlike in distilled models (lcm) and Cascade."""
    if not isinstance(sampling, comfy.model_sampling.ModelSamplingDiscrete):
        return False
    timesteps = sampling.timestep(sampling.sigmas)
    return torch.equal(timesteps.cpu().double(), torch.arange(len(sampling.sigmas)).double())


def check_weights(model: Any, text: HostTextEncoders) -> None:
    """Raise for quantised weights (fp8, GGUF, nf4, int8), which block gradients."""
    check_quantised(model.get_model_object("diffusion_model"), "MODEL")
    for encoder in text.encoders.values():
        check_quantised(encoder, "CLIP")


def check_quantised(
    module: torch.nn.Module,
    what: str,
    allowed: Collection[torch.dtype] = frozenset(TRAINABLE),
    needed: str = "fp32, fp16 or bf16",
    remedy: str = "",
    accepted: Callable[[torch.Tensor], bool] = lambda _weight: False,
) -> None:
    """Raise for weights of other types than those allowed, or of another class than plain tensors.

    Args:
        needed, remedy: for the message; by default, to load the full file.
        accepted: whether a weight passes whatever its type and class.
    """
    odd: Counter[str] = Counter()
    for parameter in module.parameters():
        if accepted(parameter):
            continue
        plain = type(parameter) in (torch.nn.Parameter, torch.Tensor)
        if parameter.dtype not in allowed:
            odd[str(parameter.dtype).removeprefix("torch.")] += 1
        elif not plain:
            odd[type(parameter).__name__] += 1
    if odd:
        found = ", ".join(f"{count} as {kind}" for kind, count in odd.most_common())
        quantised = "" if odd.keys() <= {"float64"} else "quantised "
        raise WrongModelError(
            f"{what} holds {quantised}weights ({found}); training needs {needed}. {remedy or _remedy(what, odd)}"
        )


def _remedy(what: str, kinds: Iterable[str]) -> str:
    """How to load unquantised weights; an option of the server overrides files and loaders."""
    options = [option for kind in kinds if (option := STORE_OPTIONS.get((what, kind)))]
    for option in options:
        if getattr(args, option.replace("-", "_"), False):
            return f"ComfyUI was started with --{option}, which stores them like this: start it without this option."
    loader = ", with weight_dtype 'default' if it is loaded by Load Diffusion Model" if what == "MODEL" else ""
    return f"Load the file of the full model{loader}."


def _check_unet(model: Any, unet: Any) -> None:
    if not isinstance(unet, UNetModel):
        if family := flow_family_of_model(model):
            raise WrongModelError(
                f"MODEL is {family.name}, the connected CLIP is of another base: they do not belong together. To learn "
                f"on {family.name}, connect its own text encoder ({family.files}) and VAE. To learn on the CLIP's base "
                f"({BASES}), connect its MODEL."
            )
        raise WrongModelError(
            f"MODEL is {type(model.model).__name__} (network: {type(unet).__name__}), needed the UNet of Stable "
            f"Diffusion. {LOAD}."
        )
    if isinstance(unet, VideoUNet):
        raise WrongModelError(
            "MODEL is a text-to-video model, which treats a batch as the frames of one clip, so people "
            f"cannot be learned on it. Learn the person on SD2.1: the words work in this model's prompts. {LOAD}."
        )
    if getattr(unet, "num_classes", None) is not None and not isinstance(model.model, comfy.model_base.SDXL):
        raise WrongModelError(
            f"MODEL is {type(model.model).__name__}, which takes more than the text (as unCLIP and SDXL's refiner do); "
            f"needed a base model. {LOAD}."
        )
    channels = unet.in_channels
    if channels != model.model.latent_format.latent_channels:
        raise WrongModelError(
            f"MODEL takes {channels} input channels (inpainting, depth and edit models take more than "
            f"{model.model.latent_format.latent_channels}), needed {model.model.latent_format.latent_channels}. Learn "
            f"the person on the plain model of the same base; the words then work with this one's CLIP too. {LOAD}."
        )


def _check_width(model: Any, text: HostTextEncoders) -> None:
    settings = model.model.model_config.unet_config
    context, added = settings.get("context_dim"), settings.get("adm_in_channels") or 0
    pooled = max(added - SIZES_WIDTH, 0)
    if (context, pooled) != (text.width, text.pooled_width):
        encoders = " and ".join(space.name for space in text.spaces)
        raise WrongModelError(
            f"MODEL takes text of {_widths(context, pooled)} ({type(model.model.model_config).__name__}), the "
            f"connected CLIP of {text.family.name} gives {_widths(text.width, text.pooled_width)} ({encoders}): "
            f"they do not belong together. {LOAD}."
        )


def _widths(context: int | None, pooled: int) -> str:
    return f"width {context}" + (f" with a pooled vector of {pooled}" if pooled else "")


def _check_vae(model: Any, vae: Any) -> None:
    if vae is None or getattr(vae, "first_stage_model", None) is None:
        raise WrongModelError(
            "The VAE input got nothing: the loader found no VAE in its file. "
            "Use a checkpoint that contains one, or Load VAE with the VAE of the same base."
        )
    wanted = model.model.latent_format.latent_channels
    if vae.latent_channels != wanted or getattr(vae, "latent_dim", 2) != 2:
        raise WrongModelError(
            f"The VAE makes {vae.latent_channels} latent channels, MODEL takes {wanted}. "
            "Connect the VAE of the same checkpoint as MODEL."
        )
    if not isinstance(vae.downscale_ratio, int):
        raise WrongModelError("The VAE is a video VAE; connect the VAE of the same checkpoint as MODEL.")

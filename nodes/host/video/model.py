"""A text-to-video file as a MODEL of the host: detected, checked, cast and offloaded like the host's own models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import comfy.conds
import comfy.latent_formats
import comfy.model_base
import comfy.model_patcher
import comfy.supported_models_base
import comfy.utils
import torch
from comfy import model_management
from torch import Tensor

from ....stableidentity_core.errors import DamagedFileError, WrongModelError
from ....stableidentity_core.files.tensors import is_safetensors, read_any_tensors
from ....stableidentity_core.video import VideoWeights, arrange
from ..cancel import stoppable
from .unet import VideoUNet, unet_settings

DTYPES = {
    "default": None,
    "fp16": torch.float16,
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
}
# Measured by benchmarks/video_memory.py on the full-size UNet, without flash attention: bytes per latent position for
# each byte of the dtype, and a constant part.
PER_POSITION = 4_560
CONSTANT = 60 << 20
SCORES = 2 * 4  # attention scores and their softmax, 4 bytes each


class VideoFamily(comfy.supported_models_base.BASE):
    """The host's description of a model family. The noise schedule is its default, that of SD."""

    unet_config = {}
    unet_extra_config = {}
    latent_format = comfy.latent_formats.SD15  # of 4 channels, scaled by 0.18215
    memory_usage_factor = 1.0  # SD2.1's


class VideoModel(comfy.model_base.BaseModel):
    """Denoises one clip at a time: `[F, 4, h, w]`, with the frames on the batch axis."""

    def __init__(self, family: VideoFamily, device: torch.device | None = None):
        super().__init__(family, comfy.model_base.ModelType.EPS, device=device, unet_model=VideoUNet)

    def extra_conds(self, **known: Any) -> dict[str, Any]:
        """Extra inputs of the UNet for each conditioning; called once before sampling.

        Raises:
            WrongModelError: latents or text from another kind of model.
        """
        check_latents(known["noise"])
        check_text(known.get("cross_attn"), self.model_config.unet_config["context_dim"])
        conds = super().extra_conds(**known)
        conds["num_video_frames"] = comfy.conds.CONDConstant(known["noise"].shape[0])
        return conds

    def memory_required(self, input_shape: Any, cond_shapes: Mapping[str, Any] = {}) -> float:
        """Bytes needed in addition to the weights.

        Without flash attention, the attention scores at the highest resolution dominate for large frames. With it, the
        host's formula for SD2.1 applies, as each frame passes through SD2.1's UNet.
        """
        if model_management.xformers_enabled() or model_management.pytorch_attention_flash_attention():
            return super().memory_required(input_shape, cond_shapes)
        rows, _channels, *sides = input_shape
        settings, tokens = self.model_config.unet_config, math.prod(sides)
        heads = settings["model_channels"] // settings["num_head_channels"]
        number = model_management.dtype_size(self.manual_cast_dtype or self.get_dtype())
        linear = tokens * PER_POSITION * number
        return CONSTANT + rows * (linear + SCORES * heads * tokens**2)


def load_video_model(path: str | Path, weight_dtype: str = "default", disable_dynamic: bool = False) -> Any:
    """Load a MODEL from ModelScope's `.pth` or diffusers' `.safetensors` or `.bin`.

    Args:
        weight_dtype: a key of DTYPES, the storage dtype; the compute dtype depends on the device.
        disable_dynamic: keep all weights in place on hosts that stream them.

    Raises:
        WrongModelError: another kind of file, or an incomplete one.
        DamagedFileError: not a readable weight file.
    """
    try:
        weights = arrange(stoppable(lambda: read_weights(Path(path))))
    except WrongModelError as error:
        raise WrongModelError(f"{Path(path).name}: {error}") from error
    patcher = _patcher(weights, DTYPES[weight_dtype], disable_dynamic)
    patcher.cached_patcher_init = (load_video_model, (path, weight_dtype))  # how recent hosts reload it
    return patcher


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the named tensors of a file; code in it is never run.

    Raises:
        DamagedFileError: truncated, or contains more than tensors.
    """
    if is_safetensors(path):
        try:
            return comfy.utils.load_torch_file(str(path), safe_load=True)
        except Exception as error:  # the host's reader and the library raise various types for broken headers
            raise DamagedFileError(
                f"{path} ({path.stat().st_size:,} bytes) is not a complete safetensors file: {error}. Copy it again."
            ) from error
    content = read_any_tensors(path)[0]
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WrongModelError(
            "This file does not hold only named weights: it looks like the state of a training. "
            "Needed: a UNet of ModelScope or ZeroScope, such as text2video_pytorch_model.pth."
        )
    return dict(content)


def check_latents(latents: Tensor) -> None:
    """Reject latents that are not frames encoded by SD's VAE.

    Raises:
        WrongModelError: 5-D latents, or another number of channels.
    """
    if latents.ndim == 5:
        raise WrongModelError(
            f"The latents have the shape {list(latents.shape)} of another kind of video model, needed "
            "[frames, 4, height/8, width/8]. Use Empty Video Latent, or VAE Encode with the VAE of SD2.1."
        )
    if latents.ndim != 4 or latents.shape[1] != 4:
        raise WrongModelError(
            f"The latents have the shape {list(latents.shape)}, needed [frames, 4, height/8, width/8]. They come from "
            "the VAE of another model; use the VAE of SD2.1 (or Empty Video Latent)."
        )


def check_text(text: Tensor | None, width: int) -> None:
    """Reject a conditioning from another text encoder.

    Raises:
        WrongModelError: no text, or another width.
    """
    if text is None or text.shape[-1] != width:
        found = "no text" if text is None else f"text of width {text.shape[-1]}"
        raise WrongModelError(
            f"The conditioning has {found}, needed width {width}: the text encoder of SD2.1. Use the CLIP of the "
            "SD2.1 checkpoint."
        )


def _patcher(weights: VideoWeights, dtype: torch.dtype | None, disable_dynamic: bool) -> Any:
    family = VideoFamily(unet_settings(weights.sizes))
    device, offload = model_management.get_torch_device(), model_management.unet_offload_device()
    supported = list(family.supported_inference_dtypes)
    if dtype is None:
        dtype = model_management.unet_dtype(
            model_params=weights.parameters,
            supported_dtypes=supported,
            weight_dtype=comfy.utils.weight_dtype(weights.tensors),
        )
    family.set_inference_dtype(dtype, model_management.unet_manual_cast(dtype, device, supported))
    model = VideoModel(family)
    static = comfy.model_patcher.ModelPatcher
    kind = static if disable_dynamic else getattr(comfy.model_patcher, "CoreModelPatcher", static)
    patcher = kind(model, load_device=device, offload_device=offload)
    if not model_management.is_device_cpu(offload):
        model.to(offload)
    streams = getattr(patcher, "is_dynamic", bool)()
    # The weights of a safetensors file are only read from disk here.
    stoppable(lambda: model.load_model_weights(weights.tensors, "", **({"assign": True} if streams else {})))
    return patcher

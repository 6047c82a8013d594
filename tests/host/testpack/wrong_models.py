"""Models that a user may connect by mistake, in the host's own classes and as small as these allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.model_base
import comfy.sd
import comfy.sd1_clip
import comfy.sdxl_clip
import comfy.supported_models
import torch
from comfy.ldm.flux.model import FluxParams
from comfy.taesd.taesd import TAESD

from .tiny import host_tiny

FLUX = {
    "image_model": "flux",
    "guidance_embed": False,
    "in_channels": 16,
    "out_channels": 16,
    "patch_size": 2,
    "vec_in_dim": 8,
    "context_in_dim": 64,
    "hidden_size": 32,
    "mlp_ratio": 1.0,
    "num_heads": 2,
    "depth": 1,
    "depth_single_blocks": 1,
    "axes_dim": [4, 6, 6],
    "theta": 10000,
    "qkv_bias": True,
    "txt_ids_dims": [],
}


class GGMLTensor(torch.Tensor):
    """What ComfyUI-GGUF puts in the place of weights, here with plain numbers."""


def wrong_model(kind: str, folder: Path) -> Any:
    """MODEL of a kind: another architecture, or the tiny SD2 of `folder` with something done to it."""
    made = {
        "SD1.5": lambda: _unet(host_tiny.TinySD15, context_dim=768, use_linear_in_transformer=False),
        "SDXL": lambda: _unet(host_tiny.TinySDXL, context_dim=96, num_classes="sequential", adm_in_channels=64 + 1536),
        "inpainting": lambda: _unet(host_tiny.TinySD2, in_channels=9),
        "Flux": lambda: _built(comfy.supported_models.Flux(_known_to_this_host(FLUX))),
        "fp8": lambda: _cast(host_tiny.load_model(folder), torch.float8_e4m3fn),
        "GGUF": lambda: _wrapped(host_tiny.load_model(folder)),
        "NaN": lambda: _spoilt(host_tiny.load_model(folder)),
        "declared v": lambda: _velocity(folder),
    }
    return made[kind]()


def wrong_clip(kind: str, folder: Path) -> Any:
    made = {
        "SD1.5": lambda: _clip(comfy.sd1_clip.SD1Tokenizer, comfy.sd1_clip.SD1ClipModel),
        "SDXL": lambda: _clip(comfy.sdxl_clip.SDXLTokenizer, comfy.sdxl_clip.SDXLClipModel),
        "refiner": lambda: _clip(comfy.sdxl_clip.SDXLTokenizer, comfy.sdxl_clip.SDXLRefinerClipModel),
        "fp8": lambda: _cast_clip(host_tiny.load_clip(folder)),
        "none": lambda: None,
    }
    return made[kind]()


def wrong_vae(kind: str) -> Any:
    made = {
        "16 channels": lambda: comfy.sd.VAE(sd=TAESD(latent_channels=16).state_dict()),  # as for SD3 and Flux
        "no weights": lambda: comfy.sd.VAE(sd={}),
        "none": lambda: None,
    }
    return made[kind]()


MODELS = ["SD1.5", "SDXL", "inpainting", "Flux", "fp8", "GGUF", "NaN", "declared v"]
CLIPS = ["SD1.5", "SDXL", "refiner", "fp8", "none"]
VAES = ["16 channels", "no weights", "none"]


def _unet(family: type, **changes: Any) -> Any:
    return _built(family(host_tiny.unet_settings(**changes)))


def _known_to_this_host(settings: dict[str, Any]) -> dict[str, Any]:
    known = {"image_model", *FluxParams.__dataclass_fields__}
    return {name: value for name, value in settings.items() if name in known}


def _built(family: Any) -> Any:
    family.set_inference_dtype(torch.float32, None)
    model = family.get_model({}, device=torch.device("cpu"))
    for parameter in model.diffusion_model.parameters():
        parameter.data.zero_()  # the host leaves them as the memory was
    return host_tiny.patcher(model)


def _cast(patcher: Any, dtype: torch.dtype) -> Any:
    patcher.model.diffusion_model.to(dtype)
    return patcher


def _wrapped(patcher: Any) -> Any:
    for module in patcher.model.diffusion_model.modules():
        if isinstance(module, torch.nn.Linear):
            weight = module.weight.detach().as_subclass(GGMLTensor)
            module.weight = torch.nn.Parameter(weight, requires_grad=False)
    return patcher


def _spoilt(patcher: Any) -> Any:
    patcher.model.diffusion_model.input_blocks[0][0].bias.data.fill_(float("nan"))
    return patcher


def _velocity(folder: Path) -> Any:
    """The same weights, loaded as a model that predicts velocity."""
    patcher = host_tiny.load_model(folder)
    kinds = comfy.model_base
    patcher.model.model_sampling = kinds.model_sampling(patcher.model.model_config, kinds.ModelType.V_PREDICTION)
    return patcher


def _clip(tokenizer: type, model: type) -> Any:
    small = {
        "hidden_size": 48,
        "intermediate_size": 48,
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
        "projection_dim": 48,
    }
    options = {"clip_l_model_config": small, "clip_g_model_config": small, "dtype": torch.float32}
    clip = comfy.sd.CLIP(host_tiny.ClipTarget(tokenizer, model), model_options=options)
    for parameter in clip.cond_stage_model.parameters():
        parameter.data.zero_()
    return clip


def _cast_clip(clip: Any) -> Any:
    clip.cond_stage_model.clip_h.transformer.text_model.encoder.to(torch.float8_e4m3fn)
    return clip

"""The mini world as diffusers and transformers models, for use without ComfyUI."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor, nn

from .core import DamagedFileError, DiffusersBackend, FaceViT, fingerprint_tensors, packaged_tokenizer
from .sizes import FACE_VIT, SCHEDULE, TEXT, UNET
from .weights import Weights

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

ENCODER = "mini-world-vit"
Module = TypeVar("Module", bound=nn.Module)


def mini_world_pipeline(weights: Weights) -> StableDiffusionPipeline:
    """A StableDiffusionPipeline for 128x128 pictures."""
    from diffusers import AutoencoderTiny, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    text = CLIPTextModel(CLIPTextConfig(**TEXT))
    prefixed = any(key.startswith("text_model.") for key in text.state_dict())  # no longer since transformers 5
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = packaged_tokenizer(Path(folder))
    parts: dict[str, Any] = dict(  # the pipeline's type hints allow neither TAESD nor missing components
        unet=_filled(UNet2DConditionModel(**UNET), weights.unet),
        vae=_filled(AutoencoderTiny(), taesd_for_diffusers(weights.vae)),
        text_encoder=_filled(
            text, weights.text if prefixed else {k.removeprefix("text_model."): v for k, v in weights.text.items()}
        ),
        tokenizer=tokenizer,
        scheduler=DDIMScheduler(**SCHEDULE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return StableDiffusionPipeline(**parts)


def mini_world_backend(weights: Weights, device: str = "cpu") -> DiffusersBackend:
    """The mini world as a backend for training."""
    return DiffusersBackend(mini_world_pipeline(weights).to(device))


def mini_world_encoder(weights: Weights) -> FaceViT:
    """The mini world's face encoder."""
    from transformers import ViTConfig, ViTModel

    model = ViTModel(ViTConfig(**FACE_VIT), add_pooling_layer=False)
    encoder = FaceViT(_filled(model, weights.encoder), name=f"{ENCODER}:{fingerprint_tensors(weights.encoder.items())}")
    encoder.licence = "as the pack (drawn faces)"
    return encoder


def taesd_for_diffusers(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """TAESD's weights under diffusers' names, where the clamp is not a layer of the decoder."""
    renamed = {}
    for key, value in weights.items():
        part, index, rest = key.split(".", 2)
        if part == "taesd_encoder":
            renamed[f"encoder.layers.{index}.{rest}"] = value
        else:
            renamed[f"decoder.layers.{int(index) - 1}.{rest}"] = value
    return renamed


def _filled(module: Module, weights: Mapping[str, Tensor]) -> Module:
    try:
        module.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise DamagedFileError(f"The mini world's weights do not fit {type(module).__name__}: {error}") from error
    return module.eval().requires_grad_(False)

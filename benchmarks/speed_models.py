"""Stable Diffusion in its true sizes, of random weights: time and memory do not depend on their values."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mini_world.outcome import photo_of
from mini_world.pipeline import mini_world_encoder, mini_world_pipeline
from mini_world.weights import load_weights
from stableidentity_core.backends.clip_text import END, packaged_tokenizer
from stableidentity_core.backends.diffusers_sd import DiffusersBackend
from stableidentity_core.encode import FaceEncoder, FaceViT, encode_face
from stableidentity_core.face.portrait import Face
from stableidentity_core.text import NameSpace
from stableidentity_core.train.session import name_spaces_of

RESOLUTION = {"mini": 128, "sd15": 512, "sd21": 512, "sdxl": 1024}
PERSON = 1
_ATTENTION = {"down_block_types": (*["CrossAttnDownBlock2D"] * 3, "DownBlock2D")}
_UNET: dict[str, dict[str, Any]] = {
    "sd15": {**_ATTENTION, "cross_attention_dim": 768, "attention_head_dim": 8},
    "sd21": {
        **_ATTENTION,
        "cross_attention_dim": 1024,
        "attention_head_dim": (5, 10, 20, 20),
        "use_linear_projection": True,
    },
    "sdxl": {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "cross_attention_dim": 2048,
        "attention_head_dim": (5, 10, 20),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 1280 + 6 * 256,
    },
}
_TEXT: dict[str, dict[str, Any]] = {  # width, layers, heads, activation
    "clip_l": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "hidden_act": "quick_gelu"},
    "clip_h": {"hidden_size": 1024, "num_hidden_layers": 23, "num_attention_heads": 16, "hidden_act": "gelu"},
    "clip_g": {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 20, "hidden_act": "gelu"},
}


@dataclass(frozen=True, kw_only=True, eq=False)
class SpeedWorld:
    """A model, a face encoder and a photo; backends over one pipeline share its weights."""

    pipeline: Any
    encoder: FaceEncoder
    face: Face
    name_spaces: list[NameSpace]
    resolution: int

    def backend(self) -> DiffusersBackend:
        return DiffusersBackend(self.pipeline)


def make_world(size: str, device: str) -> SpeedWorld:
    """`mini` (its own weights), `sd15`, `sd21` or `sdxl`, in float32 on a device."""
    weights = load_weights()
    pipeline = mini_world_pipeline(weights) if size == "mini" else random_pipeline(size)
    encoder = mini_world_encoder(weights) if size == "mini" else _face_vit()
    pipeline.to(device)
    face = encode_face(encoder, photo_of(PERSON))
    encoder.model.to(device)
    names = name_spaces_of(DiffusersBackend(pipeline))
    return SpeedWorld(pipeline=pipeline, encoder=encoder, face=face, name_spaces=names, resolution=RESOLUTION[size])


def random_pipeline(size: str) -> Any:
    """`sd15`, `sd21` or `sdxl` in float32."""
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        StableDiffusionPipeline,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )

    torch.manual_seed(0)
    parts: dict[str, Any] = {
        "unet": UNet2DConditionModel(sample_size=64, **_UNET[size]),
        "vae": AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            scaling_factor=0.13025 if size == "sdxl" else 0.18215,
        ),
        "scheduler": DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
    }
    if size == "sdxl":
        texts = {"text_encoder": _text("clip_l"), "text_encoder_2": _text("clip_g", projected=True)}
        tokenizers = {"tokenizer": _tokenizer(END), "tokenizer_2": _tokenizer("!")}
        return StableDiffusionXLPipeline(**parts, **texts, **tokenizers, add_watermarker=False)
    kind = {"sd15": "clip_l", "sd21": "clip_h"}[size]
    return StableDiffusionPipeline(
        **parts,
        text_encoder=_text(kind),
        tokenizer=_tokenizer(END if size == "sd15" else "!"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _text(kind: str, projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    width = _TEXT[kind]["hidden_size"]
    config = CLIPTextConfig(
        **_TEXT[kind], intermediate_size=4 * width, projection_dim=width, bos_token_id=49406, eos_token_id=49407
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def _tokenizer(pad: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return packaged_tokenizer(Path(folder), pad)


def _face_vit() -> FaceEncoder:
    """ViT-B/16, as the paper's."""
    from transformers import ViTConfig, ViTModel

    return FaceViT(ViTModel(ViTConfig(), add_pooling_layer=False), name="random")

"""Single-file SD2.x checkpoints: the configuration they leave out, so that nothing is fetched from a hub.

diffusers looks such configurations up in repositories that no longer exist for SD2.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import WrongModelError
from .clip_text import packaged_tokenizer

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

_UNET: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [320, 640, 1280, 1280],
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
    "layers_per_block": 2,
    "cross_attention_dim": 1024,
    "attention_head_dim": [5, 10, 20, 20],
    "use_linear_projection": True,
    "norm_num_groups": 32,
}
_VAE: dict[str, Any] = {
    "_class_name": "AutoencoderKL",
    "sample_size": 512,
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "scaling_factor": 0.18215,
}
_TEXT: dict[str, Any] = {
    "architectures": ["CLIPTextModel"],
    "model_type": "clip_text_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 23,  # of 24: SD2 conditions on the penultimate layer
    "num_attention_heads": 16,
    "projection_dim": 512,
    "hidden_act": "gelu",
    "max_position_embeddings": 77,
    "vocab_size": 49408,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
}
_SCHEDULER: dict[str, Any] = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
_INDEX: dict[str, Any] = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "requires_safety_checker": False,
}


@dataclass(frozen=True)
class Configuration:
    """A folder that holds all of a diffusers model but the weights."""

    folder: Path

    def load(self, path: Path, dtype: torch.dtype) -> StableDiffusionPipeline:
        from diffusers import StableDiffusionPipeline

        try:
            return StableDiffusionPipeline.from_single_file(
                path,
                config=str(self.folder),
                dtype=dtype,
                local_files_only=True,
                safety_checker=None,
                feature_extractor=None,
            )
        except Exception as error:  # diffusers, safetensors and torch raise all kinds for files of other kinds
            raise WrongModelError(
                f"{path} ({path.stat().st_size:,} bytes) cannot be read as a whole SD2.x checkpoint: {error}. Of "
                "SD1.5 and SDXL give a diffusers folder."
            ) from error


def sd2_configuration(folder: Path, v_prediction: bool) -> Configuration:
    """Write the configuration of SD2.x into a folder."""
    kind = "v_prediction" if v_prediction else "epsilon"
    files = {
        "model_index.json": _INDEX,
        "unet/config.json": _UNET,
        "vae/config.json": _VAE,
        "text_encoder/config.json": _TEXT,
        "scheduler/scheduler_config.json": {**_SCHEDULER, "prediction_type": kind},
    }
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content), "utf-8")
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir()
    packaged_tokenizer(tokenizer).save_pretrained(tokenizer)
    return Configuration(folder)

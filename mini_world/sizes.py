"""Sizes of the mini world's networks, as configurations of diffusers and transformers."""

from __future__ import annotations

from typing import Any

TEXT_WIDTH = 128
TEXT: dict[str, Any] = {
    "hidden_size": TEXT_WIDTH,
    "intermediate_size": 320,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "projection_dim": TEXT_WIDTH,
    "hidden_act": "gelu",
    "max_position_embeddings": 77,
    "vocab_size": 49408,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
}
# An SD2-style UNet, with attention only at 8x8 and in the middle block.
UNET: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (64, 128, 192),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": (2, 4, 6),  # diffusers' name for the number of heads; each has 32 channels
    "use_linear_projection": True,
    "cross_attention_dim": TEXT_WIDTH,
}
SCHEDULE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "prediction_type": "epsilon",
}
FACE_VIT: dict[str, Any] = {
    "hidden_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "intermediate_size": 192,
    "image_size": 64,
    "patch_size": 8,
    "num_channels": 3,
}

"""Flow models of full size on tensors without data: what a step of training takes. Needs ComfyUI on sys.path."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import comfy.ops
import torch
from comfy.ldm.flux.model import Flux
from comfy.ldm.lumina.model import NextDiT
from comfy.ldm.modules.diffusionmodules.mmdit import OpenAISignatureMMDITWrapper
from comfy.ldm.wan.model import WanModel
from comfy.text_encoders import llama, t5
from torch import Tensor, nn

from helpers.host_flow import HOST, KLEIN, SD3, WAN, Z_IMAGE

SD35_MEDIUM = {
    **SD3,
    "depth": 24,
    "num_patches": 384 * 384,
    "pos_embed_max_size": 384,
    "adm_in_channels": 2048,
    "context_embedder_config": {
        "target": "torch.nn.Linear",
        "params": {"in_features": 4096, "out_features": 1536},
    },
    "x_block_self_attn_layers": list(range(13)),
}
Z_IMAGE_6B = {
    **Z_IMAGE,
    "dim": 3840,
    "cap_feat_dim": 2560,
    "n_layers": 30,
    "n_heads": 30,
    "n_kv_heads": 30,
    "axes_dims": [32, 48, 48],
    "axes_lens": [1536, 512, 512],
}
WAN_1B = {**WAN, "dim": 1536, "ffn_dim": 8960, "freq_dim": 256, "text_dim": 4096, "num_heads": 12, "num_layers": 30}
WAN_5B = {**WAN_1B, "dim": 3072, "ffn_dim": 14336, "num_heads": 24, "in_dim": 48, "out_dim": 48}
KLEIN_4B = {
    **KLEIN,
    "axes_dim": [32, 32, 32, 32],
    "num_heads": 24,
    "mlp_ratio": 3.0,
    "theta": 2000,
    "hidden_size": 3072,
    "context_in_dim": 7680,
    "depth": 5,
    "depth_single_blocks": 20,
}
Call = Callable[[nn.Module, Tensor], Tensor]


class FullSize:
    """A diffusion model with the text that it takes, at 512 pixels.

    Args:
        kind, settings: of the network.
        text: tokens and width of its conditioning.
        latent: shape of the latents of one picture.
    """

    def __init__(
        self, kind: type, settings: dict[str, Any], text: tuple[int, int], latent: tuple[int, ...], call: Call
    ):
        self.kind, self.settings, self.text, self.latent, self._call = kind, settings, text, latent, call

    def make(self, dtype: torch.dtype, device: str) -> nn.Module:
        network = self.kind(**self.settings, device=device, dtype=dtype, operations=comfy.ops.manual_cast)
        return network.requires_grad_(False).eval()

    def __call__(self, network: nn.Module, latents: Tensor, context: Tensor) -> Tensor:
        return self._call(network, latents, context)


def _one(latents: Tensor) -> Tensor:
    return torch.ones(len(latents), device=latents.device)


NETWORKS = {
    "SD3.5-medium": FullSize(
        OpenAISignatureMMDITWrapper,
        SD35_MEDIUM,
        (154, 4096),
        (1, 16, 64, 64),
        lambda network, x, text: network(x, _one(x), text, y=x.new_zeros(1, 2048)),
    ),
    "Z-Image": FullSize(
        NextDiT,
        Z_IMAGE_6B,
        (32, 2560),
        (1, 16, 64, 64),
        lambda network, x, text: network(x, _one(x), text, text.shape[1]),
    ),
    "Wan2.1 1.3B": FullSize(
        WanModel, WAN_1B, (512, 4096), (1, 16, 1, 64, 64), lambda network, x, text: network(x, _one(x), text)
    ),
    "Wan2.2 5B": FullSize(
        WanModel, WAN_5B, (512, 4096), (1, 48, 1, 32, 32), lambda network, x, text: network(x, _one(x), text)
    ),
    "Flux.2 klein 4B": FullSize(
        Flux,
        KLEIN_4B,
        (512, 7680),
        (1, 128, 32, 32),
        lambda network, x, text: network(x, _one(x), text, y=None, guidance=None),
    ),
}


def text_encoder(name: str, dtype: torch.dtype, device: str) -> nn.Module:
    operations = comfy.ops.manual_cast
    if name == "Qwen3-4B":
        network: nn.Module = llama.Qwen3_4B({}, dtype, device, operations)
    else:
        config = json.loads((HOST / f"text_encoders/{name.lower()}_config_xxl.json").read_text())
        network = t5.T5(config, dtype, device, operations)
    return network.requires_grad_(False).eval()


# The text encoder, and the tokens that it reads in a training.
TEXTS = {
    "SD3.5-medium": ("T5", 77),
    "Z-Image": ("Qwen3-4B", 24),
    "Wan2.1 1.3B": ("UMT5", 24),
    "Wan2.2 5B": ("UMT5", 24),
    "Flux.2 klein 4B": ("Qwen3-4B", 512),
}

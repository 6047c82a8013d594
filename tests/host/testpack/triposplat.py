"""TripoSplat in the host's own classes, tiny and of random weights; for hosts that have it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from comfy_api.latest import io
from torch import nn

from .tiny import host_tiny

WIDTH = 64
VISION = {
    **{"model_type": "dinov3", "num_hidden_layers": 1, "hidden_size": WIDTH, "num_attention_heads": 1},
    **{"num_register_tokens": 4, "intermediate_size": WIDTH, "layer_norm_eps": 1e-5, "num_channels": 3},
    **{"patch_size": 16, "rope_theta": 100.0, "use_gated_mlp": True, "gated_mlp_act": "silu", "image_size": 64},
}


class TinyTripoSplat(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SITestTinyTripoSplat",
            category="test",
            inputs=[],
            outputs=[
                io.Model.Output(),
                io.ClipVision.Output(),
                io.Vae.Output(display_name="of pictures"),
                io.Vae.Output(display_name="decoder"),
                io.Custom("BACKGROUND_REMOVAL").Output(),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return io.NodeOutput(_model(), _vision(), SimpleNamespace(encode=_encode), _decoder(), _Disc())


def _filled(module: nn.Module) -> nn.Module:
    """The host leaves weights as the memory was."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.02)
    return module


def _model() -> Any:
    import comfy.supported_models

    sizes = {"model_channels": WIDTH, "cond_channels": WIDTH, "num_blocks": 1, "num_refiner_blocks": 1}
    family = comfy.supported_models.TripoSplat({"image_model": "triposplat", **sizes})
    family.set_inference_dtype(torch.float32, None)
    return host_tiny.patcher(_filled(family.get_model({}, device=torch.device("cpu"))))


def _vision() -> Any:
    import comfy.clip_vision

    vision = comfy.clip_vision.ClipVisionModel(VISION)
    _filled(vision.model)
    return vision


def _encode(images: torch.Tensor) -> torch.Tensor:  # [B, H, W, 3] -> [B, 128, H/16, W/16]
    count, height, width, _channels = images.shape
    return torch.zeros(count, 128, height // 16, width // 16)


def _decoder() -> Any:
    from comfy.ldm.triposplat import vae

    decoder = vae.OctreeGaussianDecoder.__new__(vae.OctreeGaussianDecoder)
    nn.Module.__init__(decoder)
    kinds = {"octree": vae.OctreeProbabilityFixedlenDecoder, "gs": vae.ElasticGaussianFixedlenDecoder}
    for name, kind in kinds.items():
        part = kind(model_channels=WIDTH, num_blocks=1, num_heads=1, operations=vae.comfy.ops.disable_weight_init)
        setattr(decoder, name, _filled(part))
    patcher = host_tiny.patcher(decoder)
    return SimpleNamespace(
        first_stage_model=decoder, patcher=patcher, device=patcher.load_device, vae_dtype=torch.float32
    )


class _Disc:
    """What removes a background: a disc in the middle is kept."""

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:  # [B, H, W]
        ys, xs = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in images.shape[1:3]), indexing="ij")
        return (ys**2 + xs**2 < 0.6).float().expand(len(images), -1, -1)

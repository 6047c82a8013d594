"""Tiny flow-matching models of random weights in the host's own classes. Needs ComfyUI on sys.path."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import comfy
import comfy.model_patcher
import comfy.sd
import comfy.supported_models as supported
import torch
from comfy import model_management, ops
from comfy.ldm.models.autoencoder import AutoencoderKL
from comfy.ldm.wan.vae import WanVAE
from comfy.text_encoders import flux, sd3_clip, wan, z_image
from torch import Tensor, nn

HOST = Path(comfy.__path__[0])
CLIP = {"hidden_size": 48, "intermediate_size": 96, "num_attention_heads": 4, "num_hidden_layers": 3}
T5 = {"d_ff": 96, "d_kv": 16, "d_model": 64, "num_heads": 4, "num_layers": 2}
QWEN = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
TEXT = {
    "clip_l_model_config": {**CLIP, "projection_dim": 48},
    "clip_g_model_config": {**CLIP, "hidden_size": 40, "projection_dim": 40, "intermediate_size": 80},
    "t5xxl_model_config": {**T5, "d_model": 4096, "num_layers": 1},  # the host pads what CLIP gives to this width
    "umt5xxl_model_config": T5,
    "qwen3_4b_model_config": QWEN,
}
SD3 = {
    "in_channels": 16,
    "input_size": None,
    "patch_size": 2,
    "depth": 2,  # heads of 64
    "num_patches": 64 * 64,
    "pos_embed_scaling_factor": None,
    "pos_embed_max_size": 64,
    "adm_in_channels": 48 + 40,
    "qk_norm": "rms",
    "context_size": 4096,
    "context_embedder_config": {
        "target": "torch.nn.Linear",
        "params": {"in_features": 4096, "out_features": 128},
    },
    "x_block_self_attn_layers": [0],
}
Z_IMAGE = {
    "image_model": "lumina2",
    "patch_size": 2,
    "in_channels": 16,
    "dim": 256,  # of the time embedding, which the host does not let be smaller
    "cap_feat_dim": 64,
    "n_layers": 1,
    "qk_norm": True,
    "n_heads": 8,
    "n_kv_heads": 8,
    "axes_dims": [8, 12, 12],
    "axes_lens": [64, 64, 64],
    "rope_theta": 256.0,
    "ffn_dim_multiplier": 8 / 3,
    "z_image_modulation": True,
    "time_scale": 1000.0,
    "pad_tokens_multiple": 32,
}
WAN = {
    "image_model": "wan2.1",
    "model_type": "t2v",
    "patch_size": (1, 2, 2),
    "text_len": 512,
    "in_dim": 16,
    "dim": 64,
    "ffn_dim": 128,
    "freq_dim": 32,
    "text_dim": 64,
    "out_dim": 16,
    "num_heads": 4,
    "num_layers": 3,
    "window_size": (-1, -1),
    "qk_norm": True,
    "cross_attn_norm": True,
    "eps": 1e-6,
}
KLEIN = {
    "image_model": "flux2",
    "axes_dim": [4, 4, 4, 4],
    "num_heads": 4,
    "mlp_ratio": 2.0,
    "theta": 10000,
    "out_channels": 128,
    "in_channels": 128,
    "qkv_bias": False,
    "txt_ids_dims": [3],
    "patch_size": 1,
    "hidden_size": 64,
    "context_in_dim": 192,
    "vec_in_dim": None,
    "depth": 2,
    "depth_single_blocks": 2,
    "guidance_embed": False,
    "global_modulation": True,
    "mlp_silu_act": True,
    "ops_bias": False,
    "default_ref_method": "index",
    "ref_index_scale": 10.0,
}


def model_of(config: Any) -> Any:
    """MODEL of a host configuration, with random weights."""
    config.set_inference_dtype(torch.float32, None)
    config.unet_config.pop("disable_unet_model_creation", None)
    model = config.get_model({}, device=torch.device("cpu"))
    fill(model.diffusion_model, 1)
    devices = {
        "load_device": model_management.get_torch_device(),
        "offload_device": model_management.unet_offload_device(),
    }
    return comfy.model_patcher.ModelPatcher(model, **devices)


def clip_of(tokenizer: type, text: type, embeddings: list[str] | None, **changes: Any) -> Any:
    """CLIP of host classes, with random weights."""
    pile = (HOST / "text_encoders/t5_pile_tokenizer/tokenizer.model").read_bytes()  # UMT5's is in its checkpoint
    clip = comfy.sd.CLIP(
        SimpleNamespace(tokenizer=tokenizer, clip=text, params={}),
        embedding_directory=embeddings,
        tokenizer_data={"spiece_model": pile},
        model_options={**TEXT, **changes, "dtype": torch.float32},
    )
    fill(clip.cond_stage_model, 2)
    return clip


def picture_vae() -> Any:
    """VAE of 16 channels with factor 8, as SD3's and Flux'."""
    sizes = {
        "double_z": True,
        "z_channels": 16,
        "resolution": 256,
        "in_channels": 3,
        "out_ch": 3,
        "ch": 32,
        "ch_mult": [1, 1, 1, 1],
        "num_res_blocks": 1,
        "attn_resolutions": [],
        "dropout": 0.0,
    }
    return _kl_vae(sizes, channels=16, factor=8)


def klein_vae() -> Any:
    """VAE of 128 channels with factor 16, as Flux.2's."""
    sizes = {
        "double_z": True,
        "z_channels": 32,
        "resolution": 256,
        "in_channels": 3,
        "out_ch": 3,
        "ch": 32,
        "ch_mult": [1, 1, 1, 1],
        "num_res_blocks": 1,
        "attn_resolutions": [],
        "dropout": 0.0,
        "batch_norm_latent": True,
    }
    return _kl_vae(sizes, channels=128, factor=16)


def _kl_vae(sizes: dict[str, Any], channels: int, factor: int) -> Any:
    network = AutoencoderKL(ddconfig=sizes, embed_dim=sizes["z_channels"])
    fill(network, 3)
    config = {"params": {"ddconfig": sizes, "embed_dim": sizes["z_channels"]}}
    vae = comfy.sd.VAE(sd=network.state_dict(), config=config, dtype=torch.float32)
    vae.latent_channels = channels  # what the host sets for a file of this kind
    vae.downscale_ratio = vae.upscale_ratio = factor
    return vae


def wan_vae() -> Any:
    """VAE of Wan 2.1, narrow."""
    network = WanVAE(
        dim=8,
        z_dim=16,
        dim_mult=[1, 2, 4, 4],
        num_res_blocks=2,
        attn_scales=[],
        temperal_downsample=[False, True, True],
    )
    fill(network, 3)
    return comfy.sd.VAE(sd=network.state_dict(), dtype=torch.float32)


def sized(name: str, drawn: Tensor, t5_heads: int = T5["num_heads"]) -> Tensor:
    """Random numbers as a weight with which activations keep their size."""
    if drawn.ndim < 2:
        return 0.05 * drawn if name.endswith("bias") else 1 + 0.1 * drawn
    if "shared" in name:  # T5's words, of size 1 when T5 is new
        return drawn
    if "embed_tokens" in name or "token_embedding" in name:
        return 0.05 * drawn
    if name.endswith("SelfAttention.q.weight"):  # T5's scores are not divided, so its queries are
        return drawn / math.sqrt(drawn.numel() / t5_heads)
    return drawn / math.sqrt(drawn[0].numel())


def fill(network: nn.Module, seed: int) -> None:
    """Random weights with which activations keep their size."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.named_parameters():
        value.requires_grad_(False)
        value.copy_(sized(name, torch.randn(value.shape, generator=generator)))
    for name, value in network.named_buffers():
        if name.endswith("pos_embed"):  # SD3's, which the host makes of memory as it is, for a file to fill
            value.copy_(0.05 * torch.randn(value.shape, generator=generator))


def sd3(embeddings: list[str] | None = None) -> tuple[Any, Any, Any]:
    text = sd3_clip.sd3_clip(dtype_t5=torch.float32)
    return model_of(supported.SD3(dict(SD3))), clip_of(sd3_clip.SD3Tokenizer, text, embeddings), picture_vae()


def z_image_trio(embeddings: list[str] | None = None) -> tuple[Any, Any, Any]:
    text = z_image.te(dtype_llama=torch.float32)
    return model_of(supported.ZImage(dict(Z_IMAGE))), clip_of(z_image.ZImageTokenizer, text, embeddings), picture_vae()


def wan_trio(embeddings: list[str] | None = None) -> tuple[Any, Any, Any]:
    text = wan.te(dtype_t5=torch.float32)
    clip = clip_of(wan.WanT5Tokenizer, text, embeddings)
    end = clip.tokenizer.clip_umt5xxl.end_token
    clip.cond_stage_model.umt5xxl.special_tokens = {"end": end, "pad": 0}  # of the tokenizer that stands for UMT5's
    return model_of(supported.WAN21_T2V(dict(WAN))), clip, wan_vae()


def klein(embeddings: list[str] | None = None) -> tuple[Any, Any, Any]:
    text = flux.klein_te(dtype_llama=torch.float32)
    layers = {"qwen3_4b_model_config": {**QWEN, "num_hidden_layers": 28}}
    clip = clip_of(flux.KleinTokenizer, text, embeddings, **layers)
    return model_of(supported.Flux2(dict(KLEIN))), clip, klein_vae()


TRIOS: dict[str, Callable[..., tuple[Any, Any, Any]]] = {
    "SD3.5": sd3,
    "Z-Image": z_image_trio,
    "Wan": wan_trio,
    "Flux.2 klein": klein,
}


def scaled_fp8(network: nn.Module, full_precision: bool, kind: str = "float8_e4m3fn") -> None:
    """Put the host's layers for scaled 8-bit weights in the place of a network's linear ones, loaded by its own code.

    Args:
        full_precision: whether it multiplies in the type of the input, as it does in text encoders.
    """
    layers = ops.mixed_precision_ops({}, torch.float32, full_precision_mm=full_precision)
    largest = torch.finfo(getattr(torch, kind)).max
    for module in list(network.modules()):
        for name, linear in list(module.named_children()):
            if not isinstance(linear, nn.Linear):
                continue
            scale = linear.weight.abs().max() / largest
            state = {
                "weight": (linear.weight / scale).to(getattr(torch, kind)),
                "weight_scale": scale.float(),
                "comfy_quant": torch.tensor(list(json.dumps({"format": kind}).encode()), dtype=torch.uint8),
            }
            if linear.bias is not None:
                state["bias"] = linear.bias
            made = layers.Linear(linear.in_features, linear.out_features, bias=linear.bias is not None, device="cpu")
            made.load_state_dict(state, strict=False)
            setattr(module, name, made.requires_grad_(False))


def fast_fp8(network: nn.Module) -> None:
    """Put the host's layers that multiply plain 8-bit weights in 8 bits in the place of a network's linear ones."""
    for module in list(network.modules()):
        for name, linear in list(module.named_children()):
            if isinstance(linear, nn.Linear):
                layer = ops.fp8_ops.Linear(linear.in_features, linear.out_features, bias=linear.bias is not None)
                layer.load_state_dict(linear.state_dict())
                layer.to(torch.float8_e4m3fn).requires_grad_(False)
                setattr(module, name, layer)

"""Tiny models of random weights in the real file formats, made by diffusers and transformers."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stableidentity_core.backends.clip_text import END, packaged_tokenizer

WIDTH = 64
SDXL_WIDTHS = {"clip_l": 32, "clip_g": 64}
SDXL_LATENT_SCALE = 0.13025


def fill(module: nn.Module, seed: int) -> nn.Module:
    """Deterministic weights, scaled so that activations and gradients stay near one."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim >= 2:
            values *= parameter[0].numel() ** -0.5
        elif name.endswith("weight"):
            values = 1 + 0.1 * values
        else:
            values *= 0.1
        parameter.data.copy_(values)
    return module.eval()


def tiny_sd(folder: Path, *, prediction: str = "epsilon", seed: int = 0, width: int = WIDTH) -> Path:
    """Save a 1 M parameter Stable Diffusion of the SD2 kind as a diffusers folder."""
    unet = _unet(
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=(4, 8),
        use_linear_projection=True,
    )
    return _save_sd(folder, unet, _text(width, hidden_act="gelu"), pad="!", prediction=prediction, seed=seed)


def tiny_sd15(folder: Path, *, seed: int = 20, width: int = WIDTH) -> Path:
    """The same of the SD1 kind: CLIP-L, padded with the end token; convolutions around the attention."""
    unet = _unet(
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=4,  # diffusers' name for the number of heads
    )
    text = _text(width, hidden_act="quick_gelu")
    return _save_sd(folder, unet, text, pad=END, prediction="epsilon", seed=seed)


def tiny_sdxl(folder: Path, *, prediction: str = "epsilon", seed: int = 30) -> Path:
    """The SDXL kind: two text encoders, read at the layer before the last; pooled text and sizes beside the context."""
    from diffusers import StableDiffusionXLPipeline

    unet = _unet(
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2),
        cross_attention_dim=sum(SDXL_WIDTHS.values()),
        attention_head_dim=(4, 8),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=SDXL_WIDTHS["clip_g"] + 6 * 256,
    )
    first = _text(SDXL_WIDTHS["clip_l"], hidden_act="quick_gelu", num_hidden_layers=3)
    second = _text(SDXL_WIDTHS["clip_g"], projected=True, hidden_act="gelu", num_hidden_layers=3)
    pipeline = StableDiffusionXLPipeline(
        unet=fill(unet, seed),
        vae=fill(_vae(scaling_factor=SDXL_LATENT_SCALE), seed + 1),
        text_encoder=fill(first, seed + 2),
        text_encoder_2=fill(second, seed + 3),
        tokenizer=_tokenizer(END),
        tokenizer_2=_tokenizer("!"),
        scheduler=_scheduler(prediction),
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    return _save(pipeline, folder)


def _save_sd(folder: Path, unet: Any, text: Any, *, pad: str, prediction: str, seed: int) -> Path:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        unet=fill(unet, seed),
        vae=fill(_vae(scaling_factor=0.18215), seed + 1),
        text_encoder=fill(text, seed + 2),
        tokenizer=_tokenizer(pad),
        scheduler=_scheduler(prediction),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _save(pipeline, folder)


def _unet(**kind: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(sample_size=8, block_out_channels=(32, 64), layers_per_block=1, **kind)


def _vae(scaling_factor: float) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        scaling_factor=scaling_factor,
    )


def _text(width: int, *, projected: bool = False, num_hidden_layers: int = 2, **kind: Any) -> Any:
    """A CLIP text encoder. Of SD2's the host builds 3 layers and reads the one before the last: 2 are enough."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_attention_heads=4,
        num_hidden_layers=num_hidden_layers,
        projection_dim=width,
        eos_token_id=49407,
        **kind,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


@functools.cache
def _tokenizer(pad: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return packaged_tokenizer(Path(folder), pad)


@functools.cache
def _vocabulary() -> Mapping[str, bytes]:
    """The two files of CLIP's tokenizer, by name; they are the same for each padding."""
    with tempfile.TemporaryDirectory() as folder:
        packaged_tokenizer(Path(folder))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _save(pipeline: Any, folder: Path) -> Path:
    """With tokenizers as published models have them, which load in less than half the time of a `tokenizer.json`."""
    pipeline.save_pretrained(folder)
    for tokenizer in folder.glob("tokenizer*"):
        (tokenizer / "tokenizer.json").unlink(missing_ok=True)
        for name, content in _vocabulary().items():
            (tokenizer / name).write_bytes(content)
    return folder


def _scheduler(prediction: str) -> Any:
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction,
    )


def tiny_face_vit(folder: Path, *, seed: int = 0, width: int = 32) -> Path:
    """Save a small ViT for image classification as Hugging Face does."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * width,
        image_size=32,
        patch_size=8,
        num_labels=5,
    )
    fill(ViTForImageClassification(config), seed).save_pretrained(folder)
    return folder


def tiny_video_unet(*, channels: tuple[int, ...] = (32, 64), blocks: int = 1, seed: int = 0) -> nn.Module:
    """diffusers' text-to-video UNet of this size; its last level has no attention, as at full size."""
    from diffusers import UNet3DConditionModel

    crossed = len(channels) - 1
    unet = UNet3DConditionModel(
        block_out_channels=channels,
        layers_per_block=blocks,
        down_block_types=("CrossAttnDownBlock3D",) * crossed + ("DownBlock3D",),
        up_block_types=("UpBlock3D",) + ("CrossAttnUpBlock3D",) * crossed,
        cross_attention_dim=WIDTH,
        attention_head_dim=8,
    )
    return fill(unet, seed)


def modelscope_weights(unet: nn.Module) -> dict[str, torch.Tensor]:
    """The same weights as ModelScope writes them: its names, and convolutions where diffusers has linear layers."""
    from stableidentity_core.video import arrange, weight_names

    found = arrange(unet.state_dict())
    temporal = (".2.proj_in.weight", ".2.proj_out.weight", "blocks.0.1.proj_in.weight", "blocks.0.1.proj_out.weight")
    made = {row.modelscope: found.tensors[row.host] for row in weight_names(found.sizes)}
    return {name: value[..., None] if name.endswith(temporal) else value for name, value in made.items()}

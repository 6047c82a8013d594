"""Tiny models of random weights in the real file formats, made by diffusers and transformers."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from stableidentity_core.backends.clip_text import packaged_tokenizer

WIDTH = 64


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
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=width,
        attention_head_dim=(4, 8),
        use_linear_projection=True,
    )
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        scaling_factor=0.18215,
    )
    # The host builds 3 layers and reads the one before the last, so that 2 are enough here.
    text = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=width,
            intermediate_size=2 * width,
            num_attention_heads=4,
            num_hidden_layers=2,
            projection_dim=width,
            hidden_act="gelu",
            eos_token_id=49407,
        )
    )
    tokenizer_files = folder / "tokenizer_source"
    tokenizer_files.mkdir(parents=True, exist_ok=True)
    pipeline = StableDiffusionPipeline(
        unet=fill(unet, seed),
        vae=fill(vae, seed + 1),
        text_encoder=fill(text, seed + 2),
        tokenizer=packaged_tokenizer(tokenizer_files),
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
            prediction_type=prediction,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


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

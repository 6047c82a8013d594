"""Networks of Stable Diffusion 2.1's sizes with random weights: their time and memory do not depend on the weights."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stableidentity_core.backends.diffusers_sd import DiffusersBackend
from stableidentity_core.backends.sd2_files import sd2_configuration


def full_size_backend(seed: int = 0) -> DiffusersBackend:
    """In fp32, 5.2 GB; on the GPU where there is one."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    generator = torch.Generator().manual_seed(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = sd2_configuration(Path(name), v_prediction=False).folder

        def settings(part: str) -> dict[str, Any]:
            return json.loads((folder / part / "config.json").read_text("utf-8"))

        parts: dict[str, Any] = dict(
            unet=_filled(UNet2DConditionModel.from_config(settings("unet")), generator),
            vae=_filled(AutoencoderKL.from_config(settings("vae")), generator),
            text_encoder=_filled(CLIPTextModel(CLIPTextConfig(**settings("text_encoder"))), generator),
            tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
            scheduler=DDIMScheduler.from_pretrained(folder / "scheduler"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    return DiffusersBackend(StableDiffusionPipeline(**parts).to("cuda" if torch.cuda.is_available() else "cpu"))


def _filled(module: nn.Module, generator: torch.Generator) -> nn.Module:
    """Layers scaled by their fan-in, norms one."""
    for name, parameter in module.named_parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
        else:
            parameter.data.fill_(float(name.endswith("weight")))
    return module.eval()

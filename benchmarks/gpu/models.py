"""Models to train on: of full size with random weights, or tiny ones; behind ComfyUI's adapter or diffusers'."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from learning import new_run
from speed_models import random_pipeline
from torch import nn

from mini_world.outcome import photo_of
from mini_world.pipeline import mini_world_encoder
from mini_world.weights import load_weights
from stableidentity_core.backends.diffusers_sd import DiffusersBackend
from stableidentity_core.backends.protocol import DiffusionBackend
from stableidentity_core.encode import encode_face
from stableidentity_core.text.names import celebrity_names
from stableidentity_core.train import TrainConfig, TrainingRun
from stableidentity_core.train.session import name_spaces_of

from .job import Setting

SHORT_SIDE, SHORT_NAMES = 64, 40


def host_module(setting: Setting, name: str) -> Any:
    """A module of the pack such as `nodes.host.backend`, in a host that computes on the setting's device."""
    from helpers.pack import pack_module

    assert setting.host is not None
    return pack_module(name, setting.host, cpu=setting.device == "cpu")


@lru_cache(maxsize=1)
def host_trio(setting: Setting, base: str) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE in ComfyUI's classes, `sd21` or `sdxl`, with fp16 weights in UNet and, in full size, CLIP."""
    host_module(setting, "nodes.host.backend")  # from here on `comfy` can be imported
    return _tiny_trio(base) if setting.short else _full_trio(base, setting.device)


def _tiny_trio(base: str) -> tuple[Any, Any, Any]:
    from helpers import host_tiny

    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        made = tiny_folder(Path(folder), base)
        return host_tiny.load_model(made, torch.float16), host_tiny.load_clip(made), host_tiny.load_vae(made)


def _full_trio(base: str, device: str) -> tuple[Any, Any, Any]:
    import comfy.sd
    from comfy.ldm.models.autoencoder import AutoencoderKL

    from helpers.fake_memory import full_size
    from helpers.full_size import SD_VAE, fill_fp16

    generator = torch.Generator(device).manual_seed(0)
    model, clip = full_size(base, torch.float16)
    for network in (model.model.diffusion_model, clip.cond_stage_model):
        network.load_state_dict(fill_fp16(network, generator))
    with torch.device("meta"):
        vae = AutoencoderKL(ddconfig=SD_VAE, embed_dim=4)
    return model, clip, comfy.sd.VAE(sd=fill_fp16(vae, generator))


def tiny_folder(folder: Path, base: str) -> Path:
    """A tiny model of this family as a diffusers folder."""
    from helpers.tiny import tiny_sd, tiny_sdxl

    return (tiny_sdxl if base == "sdxl" else tiny_sd)(folder / base)


@lru_cache(maxsize=1)
def diffusers_backend(setting: Setting, base: str, dtype: torch.dtype) -> DiffusersBackend:
    """The same through diffusers, with weights of this type."""
    if not setting.short:
        return DiffusersBackend(random_pipeline(base).to(setting.device, dtype))
    from stableidentity_core.backends.load_diffusers import load_diffusers

    with tempfile.TemporaryDirectory() as folder:
        backend = load_diffusers(tiny_folder(Path(folder), base), device=setting.device, dtype=dtype)
    assert isinstance(backend, DiffusersBackend)
    return backend


@contextmanager
def made_run(setting: Setting, backend: DiffusionBackend, config: TrainConfig) -> Iterator[TrainingRun]:
    """A training of a drawn person, whose views are made; the backend computes as the settings say."""
    face = encode_face(mini_world_encoder(load_weights()), photo_of(1))
    names = name_spaces_of(backend, celebrity_names()[:SHORT_NAMES] if setting.short else None)
    run = new_run(backend, names, face, config)
    with run.computing():
        _ = run.source
        yield run


def bytes_of(*networks: nn.Module) -> int:
    """Of all weights."""
    return sum(value.numel() * value.itemsize for network in networks for value in network.parameters())

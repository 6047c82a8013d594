"""Stable Diffusion through diffusers, for use without ComfyUI."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import MissingFileError, StableIdentityError, WrongModelError
from ..fingerprint import fingerprint_tensors
from ..words.place import PromptRows
from .clip_text import ClipText
from .protocol import Conditioning, Prediction

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline


SD_LATENT_SCALE = 0.18215  # of SD1 and SD2, which TAESD has built in


class DiffusersBackend:
    """A DiffusionBackend over a StableDiffusionPipeline's parts."""

    def __init__(self, pipeline: StableDiffusionPipeline, text_space: str = "clip_h"):
        self.name = "diffusers"
        self.unet = pipeline.unet.eval().requires_grad_(False)
        self.vae = pipeline.vae.eval().requires_grad_(False)
        self.text = ClipText(text_space, pipeline.tokenizer, pipeline.text_encoder)
        self.text_spaces = (self.text.space,)
        self.device: torch.device = self.unet.device
        self.prediction = Prediction(pipeline.scheduler.config.prediction_type)
        self.alphas_cumprod = pipeline.scheduler.alphas_cumprod.float().to(self.device)
        self.tiny_vae = not hasattr(self.vae, "quant_conv")  # TAESD: no posterior, latents already scaled
        self.latent_scale: float = SD_LATENT_SCALE if self.tiny_vae else self.vae.config.scaling_factor
        self.latent_factor: int = 2 ** (len(self.vae.config.block_out_channels) - 1)
        _check_parts(self)

    def tokenize(self, space: str, text: str) -> list[int]:
        return self.text.tokenize(text)

    def embed_tokens(self, space: str, ids: Tensor) -> Tensor:
        return self.text.embed_tokens(ids)

    def encode_image(self, images: Tensor, generator: torch.Generator) -> Tensor:
        with torch.no_grad():
            encoded = self.vae.encode((images * 2 - 1).to(self.device, self.vae.dtype))
        if self.tiny_vae:
            return encoded.latents.float()
        posterior = encoded.latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator).to(self.device)
        return (posterior.mean.float() + posterior.std.float() * noise) * self.latent_scale

    def encode_text(self, rows: Mapping[str, PromptRows], words: Mapping[str, Tensor]) -> Conditioning:
        space = self.text.space.name
        return Conditioning(context=self.text.encode(rows[space], words[space].to(self.device)))

    def predict(self, z_t: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        context = conditioning.context.to(self.unet.dtype)
        return self.unet(z_t.to(self.unet.dtype), timesteps, context, return_dict=False)[0].float()

    def fingerprint(self) -> str:
        parts = {"unet": self.unet, "text": self.text.model}
        return fingerprint_tensors(
            (f"{part}.{name}", tensor) for part, module in parts.items() for name, tensor in module.state_dict().items()
        )

    def check_cancelled(self) -> None:
        """Ctrl-C raises KeyboardInterrupt by itself."""


def load_diffusers(
    path: Path, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32, v_prediction: bool = False
) -> DiffusersBackend:
    """Load SD2.x from a diffusers folder or a single `.safetensors`/`.ckpt` file.

    Args:
        v_prediction: for single files, which do not say what they predict (768-v does).

    Raises:
        MissingFileError, WrongModelError, StableIdentityError.
    """
    if find_spec("diffusers") is None:
        raise StableIdentityError("The command line needs diffusers. Run: pip install diffusers accelerate")
    if path.is_dir():
        pipeline = _load_folder(path, dtype)
    elif path.is_file():
        pipeline = _load_single_file(path, dtype, v_prediction)
    else:
        raise MissingFileError(f"No model at {path}; needed a diffusers folder or a single .safetensors file.")
    return DiffusersBackend(pipeline.to(device))


def _load_folder(path: Path, dtype: torch.dtype) -> StableDiffusionPipeline:
    from diffusers import StableDiffusionPipeline

    if not (path / "model_index.json").is_file():
        raise MissingFileError(f"{path} has no model_index.json, so it is not a diffusers folder.")
    return StableDiffusionPipeline.from_pretrained(
        path, dtype=dtype, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )


def _load_single_file(path: Path, dtype: torch.dtype, v_prediction: bool) -> StableDiffusionPipeline:
    from .sd2_files import sd2_configuration

    with tempfile.TemporaryDirectory() as folder:
        return sd2_configuration(Path(folder), v_prediction).load(path, dtype)


def _check_parts(backend: DiffusersBackend) -> None:
    cross, width = backend.unet.config.cross_attention_dim, backend.text.space.width
    if cross != width:
        raise WrongModelError(f"The diffusion model takes text of width {cross}, the text encoder gives {width}.")
    channels = backend.unet.config.in_channels, backend.vae.config.latent_channels
    if channels[0] != channels[1]:
        raise WrongModelError(
            f"The diffusion model takes {channels[0]} latent channels, the VAE gives {channels[1]} "
            "(inpainting and depth models are not supported)."
        )

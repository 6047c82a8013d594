"""Stable Diffusion through diffusers, for use without ComfyUI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..devices import to_device
from ..errors import WrongModelError
from ..fingerprint import fingerprint_tensors
from ..text.prompts import PromptRows
from .clip_text import ClipText
from .compute import Compute, autocast, cast_copy, check_precision, gradient_checkpointing, sixteen_bit
from .latents import LatentFormat
from .objective import Objective, objective_of_schedule
from .protocol import STEPS_AHEAD, Conditioning, Posterior

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
    from diffusers import UNet2DConditionModel as UNet

    Pipeline = StableDiffusionPipeline | StableDiffusionXLPipeline

SD_LATENT_SCALE = 0.18215  # of SD1 and SD2, which TAESD has built in


class DiffusersBackend:
    """A DiffusionBackend over the parts of a StableDiffusionPipeline or StableDiffusionXLPipeline."""

    def __init__(self, pipeline: Pipeline):
        self.unet = pipeline.unet.eval().requires_grad_(False)
        self.vae = pipeline.vae.eval().requires_grad_(False)
        self.texts = _texts(pipeline)
        self.text_spaces = tuple(text.space for text in self.texts.values())
        self.device: torch.device = self.unet.device
        self.dtype: torch.dtype = self.unet.dtype  # that the UNet computes in; asking it is slow
        schedule = pipeline.scheduler
        self.objective: Objective = objective_of_schedule(
            schedule.config.prediction_type, schedule.alphas_cumprod.float().to(self.device)
        )
        self.tiny_vae = not hasattr(self.vae, "quant_conv")  # TAESD: no posterior, latents already scaled
        self.latents = LatentFormat(
            channels=self.vae.config.latent_channels,
            factor=2 ** (len(self.vae.config.block_out_channels) - 1),
            scale=SD_LATENT_SCALE if self.tiny_vae else self.vae.config.scaling_factor,
        )
        self._cast_unet: UNet | None = None  # a copy in another type, while it computes
        self._text_dtype: torch.dtype | None = None
        self._vae_visits = False  # whether the VAE is on the device only while it is used
        _check_parts(self)

    @property
    def steps_ahead(self) -> int:
        return STEPS_AHEAD if self._vae_visits and self.device.type != "cpu" else 1

    def encode_posterior(self, images: Tensor) -> Posterior:
        with torch.no_grad(), self._vae_at_work():
            mean, std = self._encode(images)
        return Posterior(mean=mean, std=std)

    def encode_with_gradient(self, images: Tensor) -> Tensor:
        if self._vae_visits:  # until the end of `computing`: the backward pass needs it where it is now
            self.vae.to(self.device)
            self._vae_visits = False
        return self._encode(images)[0]

    def _encode(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean and deviation of the scaled latents; TAESD has no deviation."""
        encoded = self.vae.encode(to_device(images * 2 - 1, self.device, self.vae.dtype))
        if self.tiny_vae:
            return encoded.latents.float(), None
        scale, posterior = self.latents.scale, encoded.latent_dist
        return posterior.mean.float() * scale, posterior.std.float() * scale

    def decode(self, latents: Tensor) -> Tensor:
        scale = 1.0 if self.tiny_vae else self.latents.scale
        with torch.no_grad(), self._vae_at_work():
            images = self.vae.decode(to_device(latents / scale, self.device, self.vae.dtype)).sample
        return (images.float() / 2 + 0.5).clamp(0, 1)

    @contextmanager
    def _vae_at_work(self) -> Iterator[None]:
        if self._vae_visits:
            self.vae.to(self.device)
        try:
            yield
        finally:
            if self._vae_visits:
                self.vae.to("cpu")

    def encode_text(self, rows: Mapping[str, PromptRows], words: Mapping[str, Tensor]) -> Conditioning:
        with autocast(self.device, self._text_dtype):
            outputs = [text.encode(rows[name], words[name].to(self.device)) for name, text in self.texts.items()]
        pooled = [vector for _hidden, vector in outputs if vector is not None]
        return Conditioning(
            context=torch.cat([hidden for hidden, _vector in outputs], dim=-1), pooled=pooled[0] if pooled else None
        )

    def predict(self, z_t: Tensor, times: Tensor, conditioning: Conditioning) -> Tensor:
        context = conditioning.context.to(self.dtype)
        added = self._sizes_and_pooled(z_t, conditioning)
        unet = self._cast_unet or self.unet
        output = unet(
            z_t.to(self.dtype), self.objective.model_times(times), context, added_cond_kwargs=added, return_dict=False
        )
        return output[0].float()

    def _sizes_and_pooled(self, z_t: Tensor, conditioning: Conditioning) -> dict[str, Tensor] | None:
        """SDXL's added conditions: original size, crop corner and target size, as its pipeline sets them."""
        if conditioning.pooled is None:
            return None
        height, width = (side * self.latents.factor for side in z_t.shape[-2:])
        sizes = to_device(torch.tensor([[height, width, 0, 0, height, width]], dtype=self.dtype), z_t.device)
        return {"text_embeds": conditioning.pooled.to(self.dtype), "time_ids": sizes.expand(len(z_t), -1)}

    @contextmanager
    def computing(self, compute: Compute) -> Iterator[None]:
        check_precision(compute.precision, self.device)
        before = self._cast_unet, self.dtype, self._text_dtype, self._vae_visits
        dtype = compute.dtype(sixteen_bit(self.device))
        with ExitStack() as stack:
            if dtype is not None and dtype != self.dtype:
                self._cast_unet, self.dtype, self._text_dtype = cast_copy(self.unet, dtype), dtype, dtype
                for text in self.texts.values():
                    stack.enter_context(_without_another_half(text, dtype))
            if compute.low_memory:
                networks = [self._cast_unet or self.unet, *(text.model for text in self.texts.values())]
                stack.enter_context(gradient_checkpointing(_blocks(networks)))
                self._vae_visits = True
                self.vae.to("cpu")
            if self._cast_unet is not None:
                self.unet.to("cpu")
            try:
                yield
            finally:
                self._cast_unet, self.dtype, self._text_dtype, self._vae_visits = before
                self.unet.to(self.device)
                self.vae.to("cpu" if self._vae_visits else self.device)

    def fingerprint(self) -> str:
        encoders = {"text" if i == 0 else f"text_{i + 1}": text.model for i, text in enumerate(self.texts.values())}
        parts = {"unet": self.unet, **encoders}
        return fingerprint_tensors(
            (f"{part}.{name}", tensor) for part, module in parts.items() for name, tensor in module.state_dict().items()
        )

    def pictures_fingerprint(self) -> str:
        """Of what pictures depend on beside `fingerprint`: the VAE, the noise levels, and how numbers are computed."""
        vae = ((f"vae.{name}", tensor) for name, tensor in self.vae.state_dict().items())
        signal = (f"{self.objective.name} {self.dtype} {self.latents.scale}", self.objective.signal)
        return fingerprint_tensors([*vae, signal])

    def check_cancelled(self) -> None:
        """Ctrl-C raises KeyboardInterrupt by itself."""


def _texts(pipeline: Pipeline) -> dict[str, ClipText]:
    """By the name of their text space, in the order in which their outputs are concatenated."""
    second = getattr(pipeline, "text_encoder_2", None)
    if second is None:
        # SD1's is OpenAI's CLIP-L, whose activation OpenCLIP's models do not have.
        name = "clip_l" if pipeline.text_encoder.config.hidden_act == "quick_gelu" else "clip_h"
        return {name: ClipText(name, pipeline.tokenizer, pipeline.text_encoder)}
    if pipeline.text_encoder is None:
        raise WrongModelError(
            "The model is SDXL's refiner, which has one of SDXL's two text encoders. Choose the base model."
        )
    return {
        "clip_l": ClipText("clip_l", pipeline.tokenizer, pipeline.text_encoder, penultimate=True),
        "clip_g": ClipText("clip_g", pipeline.tokenizer_2, second, penultimate=True),
    }


@contextmanager
def _without_another_half(text: ClipText, dtype: torch.dtype) -> Iterator[None]:
    """Use a copy of a text encoder that is in the other 16-bit type, as autocast does not convert between the two."""
    before = text.model
    if before.dtype not in (dtype, torch.float32):
        text.model = cast_copy(before, dtype)
    try:
        yield
    finally:
        text.model = before


def _blocks(networks: list[nn.Module]) -> list[nn.Module]:
    """The blocks for gradient checkpointing, which hold most of a step's activations."""
    from diffusers.models.resnet import ResnetBlock2D
    from diffusers.models.transformers.transformer_2d import Transformer2DModel
    from transformers.models.clip.modeling_clip import CLIPEncoderLayer

    kinds = (ResnetBlock2D, Transformer2DModel, CLIPEncoderLayer)
    return [module for network in networks for module in network.modules() if isinstance(module, kinds)]


def _check_parts(backend: DiffusersBackend) -> None:
    cross, width = backend.unet.config.cross_attention_dim, sum(space.width for space in backend.text_spaces)
    if cross != width:
        encoders = " and ".join(space.name for space in backend.text_spaces)
        raise WrongModelError(f"The diffusion model takes text of width {cross}, {encoders} give {width}.")
    channels = backend.unet.config.in_channels, backend.vae.config.latent_channels
    if channels[0] != channels[1]:
        raise WrongModelError(
            f"The diffusion model takes {channels[0]} latent channels, the VAE gives {channels[1]} "
            "(inpainting and depth models are not supported)."
        )

"""ComfyUI's MODEL, CLIP and VAE as a DiffusionBackend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from comfy import model_management
from comfy.ldm.modules.attention import attention_pytorch
from torch import Tensor, nn

from ...stableidentity_core.backends.noise import ImageNoise
from ...stableidentity_core.backends.protocol import Conditioning, Generators, Prediction
from ...stableidentity_core.words.place import PromptRows
from . import weights
from .checks import check_trio
from .fingerprint import model_fingerprint
from .text import HostText, trainable_text


class ComfyBackend:
    """A DiffusionBackend over the host's own modules; made by `comfy_backend`."""

    name = "comfyui"

    def __init__(self, model: Any, text: HostText, vae: Any, prediction: Prediction, fingerprint: str, memory: int):
        self.model = model
        self.text = text
        self.patchers = [model, text.clip.patcher]
        self.memory = memory
        self.vae = vae
        self.prediction = prediction
        self.device: torch.device = model.load_device
        self.unet = model.get_model_object("diffusion_model")
        self.dtype: torch.dtype = weights.compute_dtype(model)
        sigmas = model.get_model_object("model_sampling").sigmas.detach().double().cpu()
        self.alphas_cumprod = (1 / (1 + sigmas**2)).float().to(self.device)
        self.latent_format = model.model.latent_format
        self.latent_scale: float = self.latent_format.scale_factor
        self.latent_factor: int = vae.downscale_ratio
        self.text_spaces = text.spaces
        self._fingerprint = fingerprint

    def tokenize(self, space: str, text: str) -> list[int]:
        return self.text.tokenize(space, text)

    def embed_tokens(self, space: str, ids: Tensor) -> Tensor:
        return self.text.embed_tokens(space, ids)

    def encode_image(self, images: Tensor, generator: Generators) -> Tensor:
        with torch.no_grad(), _sampled_posterior(self.vae, generator):
            latents = self.vae.encode(images.movedim(1, -1))
        return self.latent_format.process_in(latents.clone().float()).to(self.device)

    def encode_text(self, rows: Mapping[str, PromptRows], words: Mapping[str, Tensor]) -> Conditioning:
        if weights.weights_away(self.patchers):  # the VAE's turn has pushed them out
            weights.load_fully(self.patchers, self.memory)
        encoded = self.text.encode(rows, words)
        pooled = None if encoded.pooled is None else encoded.pooled.to(self.device)
        return Conditioning(context=encoded.context.to(self.device), pooled=pooled)

    def predict(self, z_t: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        # A fresh dict each time: the host's UNet writes into the one it is given.
        options = {
            "optimized_attention_override": lambda _attention, *args, **kwargs: attention_pytorch(*args, **kwargs)
        }
        output = self.unet(
            z_t.to(self.dtype),
            timesteps.float(),
            context=conditioning.context.to(self.device, self.dtype),
            transformer_options=options,
            y=self._sizes_and_pooled(z_t, conditioning),
        )
        return output.float()

    def _sizes_and_pooled(self, z_t: Tensor, conditioning: Conditioning) -> Tensor | None:
        """What the host's SDXL adds to the timestep, [B, P + 1536]; sizes as the host's samplers set them."""
        if conditioning.pooled is None:
            return None
        height, width = (side * self.latent_factor for side in z_t.shape[-2:])
        added = self.model.model.encode_adm(pooled_output=conditioning.pooled, width=width, height=height)
        return added.to(self.device, self.dtype)

    def fingerprint(self) -> str:
        return self._fingerprint

    def check_cancelled(self) -> None:
        model_management.throw_exception_if_processing_interrupted()

    @contextmanager
    def computing_in(self, dtype: torch.dtype) -> Iterator[None]:
        """Another compute type for a while; only where the host casts each weight as it is used."""
        before, self.dtype = self.dtype, dtype
        try:
            yield
        finally:
            self.dtype = before

    @property
    def casts(self) -> bool:
        """Whether the weights are of another type than the computation."""
        return any(parameter.dtype != self.dtype for parameter in self.unet.parameters())


@contextmanager
def comfy_backend(
    model: Any, clip: Any, vae: Any, *, resolution: int = 512, batch_size: int = 1, fingerprint: str | None = None
) -> Iterator[ComfyBackend]:
    """Make a backend of clones and leave the host as it was found.

    Everything that is to carry gradients must be made inside this context: ComfyUI runs nodes in
    inference mode, and a tensor from there would silently take no gradient.

    Args:
        resolution, batch_size: of the training, to ask the host for enough memory.
        fingerprint: of MODEL and CLIP, where it is known already.

    Raises:
        WrongModelError: the three do not fit the method or each other.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        prediction = check_trio(model, HostText(clip), vae)
        fingerprint = fingerprint or model_fingerprint(model, clip)
        static, static_text = weights.static_clone(model), weights.static_clip(clip)
        stack.callback(weights.drop_copy, static, model)
        stack.callback(weights.drop_copy, static_text.patcher, clip.patcher)
        weights.choose_compute_dtype(static)
        for module in (static.model, static_text.cond_stage_model):
            stack.enter_context(weights.frozen(module))
        stack.enter_context(trainable_text(static_text))
        stack.enter_context(weights.host_told_of_training())
        memory = weights.training_memory(static, resolution, batch_size)
        backend = ComfyBackend(static, HostText(static_text), vae, prediction, fingerprint, memory)
        weights.load_fully(backend.patchers, memory)
        yield backend


class _PosteriorSample(nn.Module):
    """Stands in for the VAE's regulariser: moments [B, 2C, h, w] -> a sample [B, C, h, w]."""

    def __init__(self, generator: Generators):
        super().__init__()
        self.noise = ImageNoise(generator)

    def forward(self, moments: Tensor) -> tuple[Tensor, None]:
        mean, log_variance = moments.chunk(2, dim=1)
        std = (0.5 * log_variance.clamp(-30, 20)).exp()
        return mean + std * self.noise(mean.shape).to(mean), None


@contextmanager
def _sampled_posterior(vae: Any, generator: Generators) -> Iterator[None]:
    """Let the host's VAE sample its posterior with our generator; it returns the mode otherwise."""
    stage = vae.first_stage_model
    original = getattr(stage, "regularization", None)
    if not type(original).__name__.startswith("DiagonalGaussian"):
        yield  # autoencoders without a posterior, such as TAESD
        return
    stage.regularization = _PosteriorSample(generator)
    try:
        yield
    finally:
        stage.regularization = original

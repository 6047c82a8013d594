"""ComfyUI's MODEL, CLIP and VAE as a DiffusionBackend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from comfy.clip_model import CLIPLayer
from comfy.ldm.modules.attention import CrossAttention, FeedForward, SpatialTransformer, attention_pytorch
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock
from torch import Tensor, nn

from ...stableidentity_core.backends.compute import (
    AS_LOADED,
    Compute,
    autocast,
    cast_copy,
    check_precision,
    gradient_checkpointing,
)
from ...stableidentity_core.backends.latents import LatentFormat
from ...stableidentity_core.backends.objective import Objective, VariancePreserving
from ...stableidentity_core.backends.protocol import Conditioning, Posterior
from ...stableidentity_core.console.streams import get_logger
from ...stableidentity_core.text.prompts import PromptRows
from . import weights
from .cancel import check_cancelled
from .checks import check_trio, check_weights
from .fingerprint import model_fingerprint
from .posterior import mean_with_gradient, posterior_of
from .text import HostTextEncoders, trainable_text

log = get_logger(__name__)


class ComfyBackend:
    """A DiffusionBackend over the host's own modules; made by `comfy_backend`."""

    def __init__(
        self,
        model: Any,
        text: HostTextEncoders,
        vae: Any,
        objective: type[VariancePreserving],
        fingerprint: str,
        memory: int,
    ):
        self.model = model
        self.text = text
        self.patchers = [model, text.clip.patcher]
        self.memory = memory
        self.vae = vae
        self.device: torch.device = model.load_device
        self.unet = model.get_model_object("diffusion_model")
        self.dtype: torch.dtype = weights.compute_dtype(model)
        sigmas = model.get_model_object("model_sampling").sigmas.detach().cpu().double()  # MPS has no float64
        self.objective: Objective = objective((1 / (1 + sigmas**2)).float().to(self.device))
        self.latent_format = model.model.latent_format
        self.latents = LatentFormat(
            channels=self.latent_format.latent_channels,
            factor=vae.downscale_ratio,
            scale=self.latent_format.scale_factor,
        )
        self.text_spaces = tuple(replace(space, embed=self._with_offload_flag(space.embed)) for space in text.spaces)
        self._fingerprint = fingerprint
        self._cast_unet: nn.Module | None = None  # a copy in another dtype, while computing in it
        self._text_dtype: torch.dtype | None = None
        self._may_be_offloaded = True  # other models were used since; checking every weight at each step is slow

    def _with_offload_flag(self, embed: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def flagged(ids: Tensor) -> Tensor:
            self._may_be_offloaded = True
            return embed(ids)

        return flagged

    def encode_posterior(self, images: Tensor) -> Posterior:
        self._may_be_offloaded = True
        with torch.inference_mode():  # as in nodes: when joining tiles, the host writes into tensors of that mode
            mean, std = posterior_of(self.vae, images.movedim(1, -1))
        mean = self.latent_format.process_in(mean.clone().float()).to(self.device)
        return Posterior(mean=mean, std=None if std is None else std.clone().to(mean) * self.latents.scale)

    def encode_with_gradient(self, images: Tensor) -> Tensor:
        self._may_be_offloaded = True
        return self.latent_format.process_in(mean_with_gradient(self.vae, images).float()).to(self.device)

    def decode(self, latents: Tensor) -> Tensor:
        self._may_be_offloaded = True
        with torch.inference_mode():
            images = self.vae.decode(self.latent_format.process_out(latents.detach()))
        return images.clone().movedim(-1, 1).float().to(self.device)

    def encode_text(self, rows: Mapping[str, PromptRows], words: Mapping[str, Tensor]) -> Conditioning:
        if self._may_be_offloaded and weights.weights_off_device(self.patchers):
            weights.load_fully(self.patchers, self.memory)
        self._may_be_offloaded = False
        with autocast(self.device, self._text_dtype):
            encoded = self.text.encode(rows, words)
        pooled = None if encoded.pooled is None else encoded.pooled.to(self.device)
        return Conditioning(context=encoded.context.to(self.device), pooled=pooled)

    def predict(self, z_t: Tensor, times: Tensor, conditioning: Conditioning) -> Tensor:
        # A fresh dict each time: the host's UNet writes into the one it is given.
        options = {
            "optimized_attention_override": lambda _attention, *args, **kwargs: attention_pytorch(*args, **kwargs)
        }
        output = (self._cast_unet or self.unet)(
            z_t.to(self.dtype),
            self.objective.model_times(times).float(),
            context=conditioning.context.to(self.device, self.dtype),
            transformer_options=options,
            y=self._sizes_and_pooled(z_t, conditioning),
        )
        return output.float()

    def _sizes_and_pooled(self, z_t: Tensor, conditioning: Conditioning) -> Tensor | None:
        """SDXL's `y`: pooled text and sizes, [B, P + 1536]; the sizes are those that the host's samplers set."""
        if conditioning.pooled is None:
            return None
        height, width = (side * self.latents.factor for side in z_t.shape[-2:])
        added = self.model.model.encode_adm(pooled_output=conditioning.pooled, width=width, height=height)
        return added.to(self.device, self.dtype)

    def fingerprint(self) -> str:
        return self._fingerprint

    def check_cancelled(self) -> None:
        check_cancelled()

    @contextmanager
    def computing_in(self, dtype: torch.dtype) -> Iterator[None]:
        """Temporarily compute in another dtype; only where the host casts each weight as it is used."""
        before, self.dtype = self.dtype, dtype
        try:
            yield
        finally:
            self.dtype = before

    @contextmanager
    def computing(self, compute: Compute) -> Iterator[None]:
        check_precision(compute.precision, self.device)
        weights.check_fp16(compute.precision, self.device)
        dtype = compute.dtype(self.unet, self.device)
        before = self._cast_unet, self._text_dtype
        copies = weights.copies(self.unet, dtype, self.dtype, compute.low_memory)
        with ExitStack() as stack:
            if dtype is not None:
                stack.enter_context(self.computing_in(dtype))
                self._text_dtype = dtype
                self._cast_unet = cast_copy(self.unet, dtype) if copies else self._cast_unet
            if compute.low_memory:
                stack.enter_context(gradient_checkpointing(self._blocks()))
            try:
                yield
            finally:
                self._cast_unet, self._text_dtype = before

    def _blocks(self) -> list[nn.Module]:
        """Modules that run one after another and hold most of a step's activations."""
        return self.parts(ResBlock, SpatialTransformer, CLIPLayer)

    def parts(self, *kinds: type[nn.Module]) -> list[nn.Module]:
        """All modules of these types in the networks that gradients pass through."""
        networks = [self._cast_unet or self.unet, *self.text.encoders.values()]
        return [module for network in networks for module in network.modules() if isinstance(module, kinds)]

    @property
    def casts(self) -> bool:
        """Whether any weight is stored in another dtype than the compute dtype."""
        return any(parameter.dtype != self.dtype for parameter in self.unet.parameters())


def _stoppable_backward(_part: nn.Module, _inputs: Any, output: Any) -> None:
    """Check for a cancel in the backward pass too: it takes many seconds on a CPU. The host checks in the forward."""
    if isinstance(output, Tensor) and output.requires_grad:
        output.register_hook(lambda _gradient: check_cancelled())


@contextmanager
def comfy_backend(
    model: Any,
    clip: Any,
    vae: Any,
    *,
    resolution: int = 512,
    batch_size: int = 1,
    compute: Compute = AS_LOADED,
    fingerprint: str | None = None,
) -> Iterator[ComfyBackend]:
    """Make a backend from clones of the models; afterwards the host is as before.

    Everything that needs gradients must be created inside this context: ComfyUI runs nodes in
    inference mode, and a tensor created there silently gets no gradient.

    Args:
        resolution, batch_size, compute: of the training, to request enough memory; `computing` applies `compute`.
        fingerprint: of MODEL and CLIP, if already known.

    Raises:
        WrongModelError: the three do not fit the method or each other.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        objective = check_trio(model, HostTextEncoders(clip), vae)
        fingerprint = fingerprint or model_fingerprint(model, clip)
        static, static_text = weights.static_clone(model), weights.static_clip(clip)
        stack.callback(weights.drop_copy, static, model)
        stack.callback(weights.drop_copy, static_text.patcher, clip.patcher)
        # Where weights are streamed, only the static clone shows their chosen dtype.
        check_weights(static, HostTextEncoders(static_text))
        weights.choose_compute_dtype(static)
        for module in (static.model, static_text.cond_stage_model):
            stack.enter_context(weights.frozen(module))
        stack.enter_context(trainable_text(static_text))
        stack.enter_context(weights.host_in_training_mode())
        text = HostTextEncoders(static_text)
        need = partial(
            weights.training_memory,
            static,
            text.family.activations,
            resolution,
            batch_size,
            clip=static_text.cond_stage_model,
        )
        memory, low_memory = need(compute=compute), need(compute=replace(compute, low_memory=True))
        backend = ComfyBackend(static, text, vae, objective, fingerprint, memory)
        weights.load_fully(backend.patchers, memory)
        for part in backend.parts(ResBlock, SpatialTransformer, CrossAttention, FeedForward, CLIPLayer):
            stack.callback(part.register_forward_hook(_stoppable_backward).remove)
        log.info("StableIdentity: training takes %s", weights.describe_memory(backend.patchers, memory, low_memory))
        yield backend

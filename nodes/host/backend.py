"""ComfyUI's MODEL, CLIP and VAE as a DiffusionBackend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from comfy.clip_model import CLIPLayer
from comfy.ldm.modules.attention import CrossAttention, FeedForward, SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock
from torch import Tensor, nn

from ...stableidentity_core.backends.compute import AS_LOADED, Compute, autocast, gradient_checkpointing
from ...stableidentity_core.backends.latents import LatentFormat
from ...stableidentity_core.backends.objective import Objective, VariancePreserving
from ...stableidentity_core.backends.protocol import STEPS_AHEAD, Conditioning, Posterior
from ...stableidentity_core.console.streams import get_logger
from ...stableidentity_core.devices import to_device
from ...stableidentity_core.text.prompts import PromptRows
from . import weights
from .attention import with_gradient
from .cancel import check_cancelled, stoppable_at
from .checks import check_trio, check_weights
from .fingerprint import model_fingerprint
from .memory import fits_beside, plan_memory
from .networks import Networks, UsedNetworks, computing_with, told_when_used
from .posterior import mean_with_gradient, posterior_of
from .precision import compute_dtype, own_dtype
from .text import HostTextEncoders, trainable_text

log = get_logger(__name__)
BLOCKS = (ResBlock, SpatialTransformer, CLIPLayer)


class ComfyBackend:
    """A DiffusionBackend over the host's own modules; made by `comfy_backend`.

    Args:
        own: the host's networks, which compute outside of `computing`.
        memory: bytes that a training needs beside the weights.
        recomputes: whether to compute with little memory in any case.
        steps_ahead: steps whose pictures to encode at a time.
    """

    def __init__(
        self,
        model: Any,
        own: Networks,
        vae: Any,
        objective: type[VariancePreserving],
        fingerprint: str,
        memory: int,
        recomputes: bool,
        steps_ahead: int = 1,
    ):
        self.model = model
        self.networks = UsedNetworks(own, memory)
        self.memory = memory
        self.recomputes = recomputes
        self.steps_ahead = steps_ahead
        self.vae = vae
        self.device: torch.device = model.load_device
        sigmas = model.get_model_object("model_sampling").sigmas.detach().cpu().double()  # MPS has no float64
        self.objective: Objective = objective((1 / (1 + sigmas**2)).float().to(self.device))
        self.latent_format = model.model.latent_format
        self.latents = LatentFormat(
            channels=self.latent_format.latent_channels,
            factor=vae.downscale_ratio,
            scale=self.latent_format.scale_factor,
        )
        self.text_spaces = told_when_used(own.text.spaces, self.networks.others_were_used)
        self._fingerprint = fingerprint
        self._sizes: dict[tuple[int, int], Tensor] = {}

    @property
    def unet(self) -> nn.Module:
        return self.networks.now.unet

    @property
    def text(self) -> HostTextEncoders:
        return self.networks.now.text

    @property
    def dtype(self) -> torch.dtype:
        return self.networks.now.dtype

    def encode_posterior(self, images: Tensor) -> Posterior:
        self.networks.others_were_used()
        with torch.inference_mode():  # as in nodes: when joining tiles, the host writes into tensors of that mode
            mean, std = posterior_of(self.vae, images)
        mean = self.latent_format.process_in(to_device(mean.clone().float(), self.device))
        std = None if std is None else to_device(std.clone().float(), self.device) * self.latents.scale
        return Posterior(mean=mean, std=std)

    def encode_with_gradient(self, images: Tensor) -> Tensor:
        self.networks.others_were_used()
        return self.latent_format.process_in(mean_with_gradient(self.vae, images).float()).to(self.device)

    def decode(self, latents: Tensor) -> Tensor:
        self.networks.others_were_used()
        with torch.inference_mode():
            images = self.vae.decode(self.latent_format.process_out(latents.detach()))
        return images.clone().movedim(-1, 1).float().to(self.device)

    def encode_text(self, rows: Mapping[str, PromptRows], words: Mapping[str, Tensor]) -> Conditioning:
        self.networks.load()
        with autocast(self.text.clip.patcher.load_device, self.networks.now.text_dtype):
            encoded = self.text.encode(rows, words)
        pooled = None if encoded.pooled is None else encoded.pooled.to(self.device)
        return Conditioning(context=encoded.context.to(self.device), pooled=pooled)

    def predict(self, z_t: Tensor, times: Tensor, conditioning: Conditioning) -> Tensor:
        output = self.unet(
            z_t.to(self.dtype),
            self.objective.model_times(times).float(),
            context=conditioning.context.to(self.device, self.dtype),
            transformer_options=with_gradient(),
            y=self._sizes_and_pooled(z_t, conditioning),
        )
        return output.float()

    def _sizes_and_pooled(self, z_t: Tensor, conditioning: Conditioning) -> Tensor | None:
        """SDXL's `y`: pooled text and sizes, [B, P + 1536]; the sizes are those that the host's samplers set."""
        if conditioning.pooled is None:
            return None
        height, width = (side * self.latents.factor for side in z_t.shape[-2:])
        sizes = self._embedded_sizes(height, width, conditioning.pooled.shape[1])
        return torch.cat([conditioning.pooled, sizes.expand(len(z_t), -1)], dim=1).to(self.dtype)

    def _embedded_sizes(self, height: int, width: int, pooled: int) -> Tensor:  # [1, 1536] float32
        """What the host puts behind the pooled text, which it does on the CPU."""
        if (height, width) not in self._sizes:
            added = self.model.model.encode_adm(pooled_output=torch.zeros(1, pooled), width=width, height=height)
            self._sizes[height, width] = to_device(added[:, pooled:].float(), self.device)
        return self._sizes[height, width]

    def fingerprint(self) -> str:
        return self._fingerprint

    def check_cancelled(self) -> None:
        check_cancelled()

    @contextmanager
    def computing(self, compute: Compute) -> Iterator[None]:
        low_memory = compute.low_memory or self.recomputes
        networks = self.networks.in_type(compute_dtype(self.model, compute), low_memory)
        with self.networks.used(networks), gradient_checkpointing(_blocks(networks) if low_memory else ()):
            yield

    @contextmanager
    def computing_exactly(self) -> Iterator[None]:
        """Inside, the host's weights compute in float32, block by block; slow, but with little memory."""
        networks = replace(self.networks.own, dtype=torch.float32)
        with self.networks.used(networks), gradient_checkpointing(_blocks(networks)):
            yield


def _blocks(networks: Networks) -> list[nn.Module]:
    """Modules that run one after another and hold most of a step's activations."""
    return _parts(networks, *BLOCKS)


def _parts(networks: Networks, *kinds: type[nn.Module]) -> list[nn.Module]:
    """All modules of these types in the networks that gradients pass through."""
    return [module for network in networks.modules for module in network.modules() if isinstance(module, kinds)]


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
    learned: int = 0,
) -> Iterator[ComfyBackend]:
    """Make a backend from clones of the models; afterwards the host is as before.

    Everything that needs gradients must be created inside this context: ComfyUI runs nodes in
    inference mode, and a tensor created there silently gets no gradient.

    Args:
        resolution, batch_size, compute: of the training, to request enough memory; `computing` applies `compute`.
        fingerprint: of MODEL and CLIP, if already known.
        learned: bytes that what is learned takes on the device, with its gradient and the optimiser's.

    Raises:
        WrongModelError: the three do not fit the method or each other.
    """
    objective = check_trio(model, HostTextEncoders(clip), vae)
    fingerprint = fingerprint or model_fingerprint(model, clip)
    with ExitStack() as stack:
        static, static_text = stack.enter_context(weights.for_training(model, clip))
        text = HostTextEncoders(static_text)
        # Where weights are streamed, only the static clone shows their chosen dtype.
        check_weights(static, text)
        stack.enter_context(trainable_text(static_text))
        own = Networks(
            unet=static.get_model_object("diffusion_model"),
            text=text,
            patchers=(static, static_text.patcher),
            dtype=own_dtype(static),
        )
        need, recomputes = plan_memory(
            own.unet,
            static_text.cond_stage_model,
            text.family.activations,
            static.load_device,
            dtype=compute_dtype(static, compute),
            resolution=resolution,
            batch_size=batch_size,
            low_memory=compute.low_memory,
            learned=learned,
        )
        ahead = 1 if fits_beside(need, vae, resolution, batch_size) else STEPS_AHEAD
        backend = ComfyBackend(static, own, vae, objective, fingerprint, need.beside, recomputes, ahead)
        stack.callback(backend.networks.drop_copies)
        weights.load_fully(own.patchers, need.beside)
        stack.enter_context(computing_with(own))
        stack.enter_context(stoppable_at(_parts(own, *BLOCKS, CrossAttention, FeedForward)))
        yield backend

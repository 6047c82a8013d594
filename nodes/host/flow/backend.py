"""ComfyUI's MODEL, CLIP and VAE of a flow-matching model as a DiffusionBackend. Experimental.

All that depends on the model is done by the host's own classes: tokenizing, encoding, `extra_conds`, `apply_model`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ....stableidentity_core.backends.compute import AS_LOADED, Compute, gradient_checkpointing
from ....stableidentity_core.backends.objective import Flow, Objective
from ....stableidentity_core.backends.protocol import STEPS_AHEAD, Conditioning, Posterior
from ....stableidentity_core.text.prompts import PromptRows
from .. import weights
from ..attention import with_gradient
from ..cancel import check_cancelled, stoppable_at
from ..fingerprint import model_fingerprint
from ..memory import fits_beside
from ..networks import told_when_used
from ..posterior import is_video, mean_with_gradient
from ..precision import compute_dtype, own_dtype
from .apart import apart
from .blocks import blocks_of, norms_of, on_copies, written_by_copying
from .checks import check_flow_trio, check_flow_weights
from .fp8 import in_full_precision
from .latents import decode, encode, latents_of
from .memory import plan_flow_memory
from .networks import FlowNetworks
from .table import FlowFamily
from .text import LENGTH, FlowTextEncoders, joined_encoded


class FlowBackend:
    """A DiffusionBackend over the host's own modules; made by `flow_backend`."""

    def __init__(self, networks: FlowNetworks, vae: Any, fingerprint: str, recomputes: bool, steps_ahead: int = 1):
        self.networks = networks
        self.recomputes = recomputes
        self.steps_ahead = steps_ahead
        self.vae = vae
        self.model: Any = networks.model
        self.device: torch.device = self.model.load_device
        self.memory = networks.memory
        self.objective: Objective = Flow.at_sd_levels(self.device)
        self.latent_format = self.model.model.latent_format
        self.latents = latents_of(vae, self.latent_format)
        self.text_spaces = told_when_used(networks.text.spaces, networks.others_were_used)
        self._fingerprint = fingerprint

    @property
    def dtype(self) -> torch.dtype:
        return self.networks.dtype

    def encode_posterior(self, images: Tensor) -> Posterior:
        self.networks.others_were_used()
        return encode(self.vae, self.latent_format, images, self.device)

    def encode_with_gradient(self, images: Tensor) -> Tensor:
        self.networks.others_were_used()
        video = is_video(self.vae)
        mean = mean_with_gradient(self.vae, images.unsqueeze(2) if video else images).float()
        latents = self.latent_format.process_in(mean).to(self.device)
        return latents.squeeze(2) if video else latents

    def decode(self, latents: Tensor) -> Tensor:
        self.networks.others_were_used()
        return decode(self.vae, self.latent_format, latents).to(self.device)

    def encode_text(self, rows: Mapping[str, PromptRows], words: Mapping[str, Tensor]) -> Conditioning:
        spaces = list(words)
        names: list[str] = []  # of the further tensors, which an autograd function cannot return by name

        def encoded(values: Sequence[Tensor]) -> tuple[Tensor, ...]:
            self.networks.use_text()
            parts = self.networks.text.encode(rows, dict(zip(spaces, values, strict=True)))
            context, pooled, more = joined_encoded(parts, self.device)
            names[:] = more
            return (context, context.new_zeros(0) if pooled is None else pooled, *more.values())

        values = list(words.values())
        context, pooled, *more = apart(encoded, values) if self.networks.apart else encoded(values)
        return Conditioning(
            context=context,
            pooled=pooled if pooled.numel() else None,
            more=dict(zip(names, more, strict=True)),
        )

    def predict(self, z_t: Tensor, times: Tensor, conditioning: Conditioning) -> Tensor:
        self.networks.use_network()
        levels = self.objective.model_times(times)
        lengths = conditioning.more[LENGTH].tolist()
        if len(set(lengths)) == 1:
            return self._velocity(z_t, levels, conditioning, lengths[0])
        # A network that does not mask padded text must not see any: each length by itself.
        output = torch.zeros_like(z_t)
        for length in sorted(set(lengths)):
            chosen = torch.tensor([at for at, own in enumerate(lengths) if own == length], device=z_t.device)
            velocity = self._velocity(z_t[chosen], levels[chosen], _rows(conditioning, chosen), length)
            output = output.index_copy(0, chosen, velocity)
        return output

    def _velocity(self, z_t: Tensor, levels: Tensor, conditioning: Conditioning, length: int) -> Tensor:
        """Noise minus picture [B, C, h, w] float32, from what the host takes for the picture."""
        model = self.model.model
        x = z_t.unsqueeze(2) if is_video(self.vae) else z_t
        more = {name: value[:, :length] for name, value in conditioning.more.items() if name != LENGTH}
        given = model.extra_conds(
            cross_attn=conditioning.context[:, :length],
            pooled_output=conditioning.pooled,
            noise=x,
            device=x.device,
            **more,
        )
        found = {
            name: value.process_cond(batch_size=len(x), device=x.device, area=None).cond
            for name, value in given.items()
        }
        picture = model.apply_model(x, levels, transformer_options=with_gradient(), **found)
        velocity = (x - picture.float()) / levels.view(-1, *[1] * (x.ndim - 1))
        return velocity.squeeze(2) if is_video(self.vae) else velocity

    def fingerprint(self) -> str:
        return self._fingerprint

    def check_cancelled(self) -> None:
        check_cancelled()

    @contextmanager
    def computing(self, compute: Compute) -> Iterator[None]:
        dtype = compute_dtype(self.model, compute)
        with self.networks.computing_in(dtype), self._blocks(compute.low_memory or self.recomputes):
            yield

    @contextmanager
    def computing_exactly(self) -> Iterator[None]:
        """Inside, the diffusion model computes in float32, block by block; slow, but with little memory."""
        with self.networks.computing_in(torch.float32), self._blocks(True):
            yield

    @contextmanager
    def _blocks(self, recomputed: bool) -> Iterator[None]:
        blocks = _blocks_of_all(self.networks)
        with gradient_checkpointing(blocks) if recomputed else on_copies(blocks):
            yield


def _rows(conditioning: Conditioning, chosen: Tensor) -> Conditioning:
    return Conditioning(
        context=conditioning.context[chosen],
        pooled=None if conditioning.pooled is None else conditioning.pooled[chosen],
        more={name: value[chosen.to(value.device)] for name, value in conditioning.more.items()},
    )


def _blocks_of_all(networks: FlowNetworks) -> list[nn.Module]:
    return [*blocks_of(networks.network), *blocks_of(networks.text.clip.cond_stage_model)]


@contextmanager
def flow_backend(
    model: Any,
    clip: Any,
    vae: Any,
    *,
    family: FlowFamily,
    resolution: int = 512,
    batch_size: int = 1,
    compute: Compute = AS_LOADED,
    fingerprint: str | None = None,
    learned: int = 0,
) -> Iterator[FlowBackend]:
    """Make a backend from clones of the models; afterwards the host is as before. See `comfy_backend`.

    Raises:
        WrongModelError: the three do not fit the method or each other.
    """
    check_flow_trio(model, FlowTextEncoders(clip, family), vae)
    fingerprint = fingerprint or model_fingerprint(model, clip)
    with ExitStack() as stack:
        static, static_text = stack.enter_context(weights.for_training(model, clip))
        text = FlowTextEncoders(static_text, family)
        check_flow_weights(static, text)  # where weights are streamed, only the clone shows their type
        for module in (static.model, static_text.cond_stage_model):
            stack.enter_context(on_copies(norms_of(module)))
            stack.enter_context(in_full_precision(module))
        plan = plan_flow_memory(
            static.get_model_object("diffusion_model"),
            static_text.cond_stage_model,
            family.activations,
            static.load_device,
            dtype=compute_dtype(static, compute),
            resolution=resolution,
            batch_size=batch_size,
            low_memory=compute.low_memory,
            factor=vae.spacial_compression_encode(),
            learned=learned,
        )
        ahead = 1 if not plan.apart and fits_beside(plan.need, vae, resolution, batch_size) else STEPS_AHEAD
        networks = FlowNetworks(static, text, plan.need.beside, plan.apart)
        stack.enter_context(networks.computing_in(own_dtype(static)))
        stack.enter_context(stoppable_at(_blocks_of_all(networks)))
        stack.enter_context(written_by_copying(_blocks_of_all(networks)))
        networks.use_network()
        yield FlowBackend(networks, vae, fingerprint, plan.recomputes, ahead)

"""MODEL, CLIP and VAE of the host, prepared for a training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from ...stableidentity_core.backends.compute import Compute
from ...stableidentity_core.text import NameSpace, build_name_space
from ...stableidentity_core.text.space import TextSpace
from ...stableidentity_core.train import TrainConfig
from ...stableidentity_core.train.config import compute_settings
from ...stableidentity_core.train.gradient_check import GradientProbe, check_directions
from .any_text import host_text
from .cancel import check_cancelled
from .families import GB
from .fingerprint import model_fingerprint, vae_fingerprint
from .models import HostBackend, check_models, host_backend
from .out_of_memory import with_memory_advice
from .progress_text import tell

T = TypeVar("T")


class HostModels:
    """The host's MODEL, CLIP and VAE on which people are to be learned.

    Raises:
        WrongModelError: one of them does not suit the method, or they do not belong together.
        StableIdentityError: the model does not work at this resolution.
    """

    def __init__(self, model: Any, clip: Any, vae: Any, resolution: int):
        self.model = model
        self.clip = clip
        self.vae = vae
        self.text = host_text(clip)
        check_models(model, self.text, vae, resolution)

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of MODEL and CLIP, as stored in an identity's header."""
        return model_fingerprint(self.model, self.clip)

    @cached_property
    def weights(self) -> str:
        """Content hashes of all three, part of the key of a stored training."""
        tell("reading the models")
        return f"{self.fingerprint} {vae_fingerprint(self.vae)}"

    def name_spaces(self, names: Iterable[str] | None = None) -> list[NameSpace]:
        """One per text space of the CLIP; by default from the pack's own names."""
        return list(host_name_spaces(self.clip, names))

    def run(self, config: TrainConfig, work: Callable[[HostBackend], T], at_once: int = 1, learned: int = 0) -> T:
        """Run `work` on a backend with a checked gradient and return its result; afterwards the host is as before.

        Args:
            at_once: number of people learned together.
            learned: bytes that each of them takes on the device: projector, gradient, optimiser.

        Raises:
            StableIdentityError: out of memory, with advice.
        """
        needed, compute = 0, compute_settings(config)
        tell("loading the models")

        def opened() -> T:
            nonlocal needed
            with host_backend(
                self.model,
                self.text,
                self.vae,
                resolution=config.resolution,
                batch_size=config.batch_size * at_once,
                compute=compute,
                fingerprint=self.fingerprint,
                learned=learned * at_once,
            ) as backend:
                needed = backend.memory
                tell("checking the gradient")
                check_host_gradient(backend, compute)
                return work(backend)

        return with_memory_advice(opened, lambda message: _out_of_memory_advice(config, at_once, needed, message))


def host_name_spaces(clip: Any, names: Iterable[str] | None = None) -> tuple[NameSpace, ...]:
    """The name spaces of a host CLIP, one per text space; by default from the pack's own names."""
    names = None if names is None else tuple(names)
    return tuple(build_name_space(_stoppable_space(space), names) for space in host_text(clip).spaces)


def _stoppable_space(space: TextSpace) -> TextSpace:
    """The same, whose tokenizer looks for a cancel before each text."""

    def tokenize(text: str) -> list[int]:
        check_cancelled()
        return space.tokenize(text)

    return replace(space, tokenize=tokenize)


def _out_of_memory_advice(config: TrainConfig, at_once: int, needed: int, message: str) -> str:
    each = f" for each of {at_once} people" if at_once > 1 else ""
    # needed is 0 if there was no room for the model itself.
    extra = f", which takes about {needed / GB:.1f} GB in addition to the model" if needed else ""
    spare = "" if config.low_memory else "set low_memory, "
    lower = "people_at_once, resolution or batch size" if at_once > 1 else "resolution or batch size"
    return (
        f"The device ran out of memory during training at {config.resolution}x{config.resolution}, batch "
        f"{config.batch_size}{each}{extra} ({message}). Close other programs on the device, free its models in "
        f"ComfyUI, {spare}or lower {lower}."
    )


def check_host_gradient(backend: HostBackend, compute: Compute) -> None:
    """Compare the gradient in fp32 with a finite difference, and that of the training with it, if it is in 16 bits.

    In fp32 each layer casts its weights as it computes: all at once would take several times the training's memory.
    """
    probe = GradientProbe(backend)
    with backend.computing_exactly():
        probe.deviation()
        exact = probe.direction()
    with backend.computing(compute):
        if backend.dtype != torch.float32:
            check_directions(probe.direction(), exact)


def outside_inference_mode(values: Sequence[T]) -> list[T]:
    """Copies without inference tensors, which could not be saved for a backward pass."""

    def copied(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.clone()
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{field.name: copied(getattr(value, field.name)) for field in fields(value)})
        return value

    return [copied(value) for value in values]

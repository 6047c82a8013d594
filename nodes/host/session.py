"""MODEL, CLIP and VAE of the host, opened for a training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import torch
from comfy import model_management
from torch import Tensor

from ...stableidentity_core.backends.compute import Compute
from ...stableidentity_core.errors import StableIdentityError
from ...stableidentity_core.text import NameSpace, build_name_space
from ...stableidentity_core.train import TrainConfig
from ...stableidentity_core.train.config import compute_settings
from ...stableidentity_core.train.gradient_check import check_directions, check_gradient, gradient_direction
from .backend import ComfyBackend, comfy_backend
from .checks import check_resolution, check_trio
from .fingerprint import model_fingerprint, vae_fingerprint
from .text import HostTextEncoders
from .weights import GB

T = TypeVar("T")


class HostModels:
    """A MODEL, CLIP and VAE of the host that people are to be learned on.

    Raises:
        WrongModelError: one of them does not fit the method, or they do not belong together.
        StableIdentityError: the model cannot make pictures of this resolution.
    """

    def __init__(self, model: Any, clip: Any, vae: Any, resolution: int):
        self.model = model
        self.clip = clip
        self.vae = vae
        self.text = HostTextEncoders(clip)
        check_trio(model, self.text, vae)
        check_resolution(model, resolution)

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of MODEL and CLIP, which an identity's header keeps."""
        return model_fingerprint(self.model, self.clip)

    @cached_property
    def weights(self) -> str:
        """Content hashes of all three, as a part of the key of a stored training."""
        return f"{self.fingerprint} {vae_fingerprint(self.vae)}"

    def name_spaces(self, names: Iterable[str] | None = None) -> list[NameSpace]:
        """One for each text space of the CLIP; of the pack's own names by default."""
        return list(host_name_spaces(self.clip, names))

    def run(self, config: TrainConfig, work: Callable[[ComfyBackend], T], at_once: int = 1) -> T:
        """What `work` returns, given a backend with the gradient checked; the host is left as it was found.

        Args:
            at_once: people that are learned side by side.

        Raises:
            StableIdentityError: the device's memory does not suffice, with what could help.
        """
        needed = 0

        def opened() -> T:
            nonlocal needed
            with comfy_backend(
                self.model,
                self.clip,
                self.vae,
                resolution=config.resolution,
                batch_size=config.batch_size * at_once,
                compute=compute_settings(config),
                fingerprint=self.fingerprint,
            ) as backend:
                needed = backend.memory
                check_host_gradient(backend)
                return work(backend)

        try:
            return opened()
        except Exception as error:
            if isinstance(error, StableIdentityError) or not _is_out_of_memory(error):
                raise
            message = str(error)
        finally:
            model_management.soft_empty_cache()
        # Raised out here because the traceback of the caught error would hold on to the tensors.
        raise StableIdentityError(_out_of_memory_advice(config, at_once, needed, message))


def host_name_spaces(clip: Any, names: Iterable[str] | None = None) -> tuple[NameSpace, ...]:
    """The name spaces of a host CLIP, one for each of its text spaces; of the pack's own names by default."""
    names = None if names is None else tuple(names)
    return tuple(build_name_space(space, names) for space in HostTextEncoders(clip).spaces)


def _out_of_memory_advice(config: TrainConfig, at_once: int, needed: int, message: str) -> str:
    each = f" for each of {at_once} people" if at_once > 1 else ""
    beside = f", which takes about {needed / GB:.1f} GB beside the model" if needed else ""  # 0: the model had no room
    spare = "" if config.low_memory else "set low_memory, "
    lower = "people_at_once, resolution or batch size" if at_once > 1 else "resolution or batch size"
    return (
        f"The device ran out of memory during training at {config.resolution}x{config.resolution}, batch "
        f"{config.batch_size}{each}{beside} ({message}). Close other programs on the device, free its models in "
        f"ComfyUI, {spare}or lower {lower}."
    )


def check_host_gradient(backend: ComfyBackend) -> None:
    """By finite difference in fp32; in 16 bits against the gradient of fp32, where the host can compute it.

    Block by block: all weights cast to fp32 at once would take several times the memory of the training.
    """
    exact = backend.dtype == torch.float32
    with backend.computing(Compute(low_memory=True)):
        check_gradient(backend, compare=exact)
        if not exact and backend.casts:
            rough = gradient_direction(backend)
            with backend.computing_in(torch.float32):
                check_directions(rough, gradient_direction(backend))


def outside_inference_mode(values: Sequence[T]) -> list[T]:
    """Copies without inference tensors, which could not be saved for a backward pass."""

    def copied(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.clone()
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{field.name: copied(getattr(value, field.name)) for field in fields(value)})
        return value

    return [copied(value) for value in values]


def _is_out_of_memory(error: Exception) -> bool:
    """Newest hosts know more kinds than one exception type."""
    if hasattr(model_management, "is_oom"):
        return model_management.is_oom(error)
    return isinstance(error, torch.cuda.OutOfMemoryError)

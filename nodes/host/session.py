"""What every training in the host is wrapped in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from comfy import model_management
from torch import Tensor

from ...stableidentity_core.backends.compute import Compute
from ...stableidentity_core.errors import StableIdentityError
from ...stableidentity_core.train.gradient_check import check_directions, check_gradient, gradient_direction
from .backend import ComfyBackend

T = TypeVar("T")


def telling_of_memory(work: Callable[[], T], message: Callable[[str], str]) -> T:
    """Do the work; when the device's memory does not suffice, say so by `message` of what the device said."""
    try:
        return work()
    except Exception as error:
        if isinstance(error, StableIdentityError) or not _is_out_of_memory(error):
            raise
        said = str(error)
    finally:
        model_management.soft_empty_cache()
    # Raised out here because the traceback of the caught error would hold on to the tensors.
    raise StableIdentityError(message(said))


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

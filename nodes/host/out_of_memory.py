"""The device's memory running out: recognised on every host, and told with what the user can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from comfy import model_management

from ...stableidentity_core.errors import StableIdentityError

T = TypeVar("T")


def with_memory_advice(work: Callable[[], T], advice: Callable[[str], str]) -> T:
    """The result of `work`; afterwards the host's cache of device memory is empty.

    Args:
        advice: makes the sentence from the message of the device.

    Raises:
        StableIdentityError: out of memory, with the advice.
    """
    try:
        return work()
    except Exception as error:
        if isinstance(error, StableIdentityError) or not is_out_of_memory(error):
            raise
        message = str(error)
    finally:
        model_management.soft_empty_cache()
    # Raised here because the traceback of the caught error would keep the tensors alive.
    raise StableIdentityError(advice(message))


def is_out_of_memory(error: Exception) -> bool:
    """Recent hosts recognise more than one exception type."""
    if hasattr(model_management, "is_oom"):
        return model_management.is_oom(error)
    return isinstance(error, torch.OutOfMemoryError)

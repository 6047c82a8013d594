"""A ComfyUI that believes in the pretended device. Needs ComfyUI on sys.path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from comfy import model_management


@contextmanager
def host_with_a_gpu() -> Iterator[None]:
    """Inside, the host loads models onto `cuda:0`, as `pretended_cuda` describes it, and offloads them to the CPU.

    What it has loaded before is left alone, and what it loads inside is forgotten.
    """
    states = {
        "cpu_state": model_management.CPUState.GPU,
        "vram_state": model_management.VRAMState.NORMAL_VRAM,
        "current_loaded_models": [],
    }
    with mock.patch.multiple(model_management, **states):
        yield

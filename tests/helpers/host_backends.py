"""The ComfyUI adapter over tiny models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from helpers.pack import pack_module


@contextmanager
def host_backend(comfyui: Path, folder: Path) -> Iterator:
    """The ComfyUI adapter over tiny models that were loaded in inference mode, as nodes load them."""
    adapter = pack_module("nodes.host.backend", comfyui)
    from helpers import host_tiny

    with torch.inference_mode():
        trio = host_tiny.load_trio(folder)
    with adapter.comfy_backend(*trio) as backend:
        yield backend

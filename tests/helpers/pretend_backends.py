"""Both adapters on the pretended GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from helpers.host_backends import host_backend
from helpers.pack import pack_module
from helpers.pretend_device import PretendDevice
from stableidentity_core.backends.load_diffusers import load_diffusers


@contextmanager
def on_the_cpu(folder: Path, comfyui: Path | None) -> Iterator[Any]:
    """The backend of this tiny model: the ComfyUI adapter, or without `comfyui` the diffusers one."""
    with nullcontext(load_diffusers(folder)) if comfyui is None else host_backend(comfyui, folder) as backend:
        yield backend


@contextmanager
def on_a_gpu(folder: Path, comfyui: Path | None) -> Iterator[tuple[PretendDevice, Any]]:
    """The same on the pretended GPU, without the waits of loading it."""
    with PretendDevice() as gpu:
        if comfyui is None:
            backend = load_diffusers(folder, device="cuda")
            gpu.waits.clear()
            yield gpu, backend
            return
        pack_module("nodes.host.backend", comfyui)
        from helpers.pretend_host import host_with_a_gpu

        with host_with_a_gpu(), host_backend(comfyui, folder) as backend:
            gpu.waits.clear()
            yield gpu, backend

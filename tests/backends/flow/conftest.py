"""Tiny flow models in this process, each made once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from helpers.flow_hosts import needs_flow
from helpers.pack import pack_module
from stableidentity_core.backends.compute import AS_LOADED

MODULES = (
    "models",
    "any_text",
    "prompts",
    "flow.table",
    "flow.memory",
    "flow.text",
    "flow.blocks",
    "flow.checks",
    "flow.fp8",
    "painting",
    "precision",
    "weights",
)


@pytest.fixture(scope="session", autouse=True)
def newer_host(comfyui):
    """Skip all of these tests where the pack does not learn on flow models."""
    needs_flow(comfyui)


@pytest.fixture(scope="session")
def host(comfyui):
    """Modules of the pack, by the last part of their name."""
    return SimpleNamespace(**{name.rpartition(".")[2]: pack_module(f"nodes.host.{name}", comfyui) for name in MODULES})


@pytest.fixture(scope="session")
def trios(host):
    """MODEL, CLIP and VAE by the name of the family, loaded in inference mode as nodes load them."""
    from helpers.host_flow import TRIOS

    made = {}

    def trio(kind: str):
        if kind not in made:
            with torch.inference_mode():
                made[kind] = TRIOS[kind]()
        return made[kind]

    return trio


@pytest.fixture(scope="session")
def over(host):
    """A backend over MODEL, CLIP and VAE, as a context manager."""

    def backend(trio):
        model, clip, vae = trio
        text = host.any_text.host_text(clip)
        return host.models.host_backend(
            model, text, vae, resolution=64, batch_size=1, compute=AS_LOADED, fingerprint="tiny"
        )

    return backend


@pytest.fixture(scope="session")
def opened(over, trios):
    """A backend over one of them, as a context manager."""
    return lambda kind: over(trios(kind))

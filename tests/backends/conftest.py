"""The same tiny weights behind both adapters."""

from __future__ import annotations

import types
from functools import partial
from pathlib import Path

import pytest

from helpers.host_backends import host_backend
from helpers.pack import ROOT, pack_module
from helpers.tiny import tiny_face_vit, tiny_sd, tiny_sd15, tiny_sdxl
from stableidentity_core.backends.load_diffusers import load_diffusers

BASES = {
    "sd2-eps": tiny_sd,
    "sd2-v": partial(tiny_sd, prediction="v_prediction"),
    "sd15": tiny_sd15,
    "sdxl": tiny_sdxl,
}


@pytest.fixture(scope="session", params=BASES)
def tiny_folder(request, tmp_path_factory) -> Path:
    return BASES[request.param](tmp_path_factory.mktemp(f"tiny_{request.param}"))


@pytest.fixture(scope="session")
def tiny_eps(tmp_path_factory) -> Path:
    return tiny_sd(tmp_path_factory.mktemp("tiny_eps"))


@pytest.fixture(scope="session")
def face_vit(tmp_path_factory) -> Path:
    return tiny_face_vit(tmp_path_factory.mktemp("tiny_vit"))


@pytest.fixture(scope="module", params=["diffusers", pytest.param("comfyui", marks=pytest.mark.host)])
def backend(request, tiny_folder):
    if request.param == "diffusers":
        yield load_diffusers(tiny_folder)
        return
    with host_backend(request.getfixturevalue("comfyui"), tiny_folder) as adapter:
        yield adapter


@pytest.fixture(scope="session")
def nodes(comfyui):
    """What nodes/__init__.py names, in a module beside the package, which is there without having run."""
    module = types.ModuleType("everything")
    module.__package__ = pack_module("nodes.input_checks", comfyui).__package__
    exec((ROOT / "nodes" / "__init__.py").read_text("utf-8"), module.__dict__)
    return module

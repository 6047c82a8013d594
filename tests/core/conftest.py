"""Tiny random models in the real file formats, and the part of the method under test around them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from skimage import data

from helpers.downloads import CONTENT, NAME
from helpers.file_server import FileServer, serving
from helpers.name_spaces import name_space_of
from helpers.tiny import tiny_face_vit, tiny_sd
from stableidentity_core.backends.diffusers_sd import DiffusersBackend
from stableidentity_core.backends.load_diffusers import load_diffusers
from stableidentity_core.face import Face, portrait
from stableidentity_core.text import NameSpace


@pytest.fixture(scope="session")
def sd_folder(tmp_path_factory) -> Path:
    return tiny_sd(tmp_path_factory.mktemp("sd_eps"))


@pytest.fixture(scope="session")
def backend(sd_folder) -> DiffusersBackend:
    """Shared by all tests, so none may change its weights; see own_backend."""
    return load_diffusers(sd_folder)


@pytest.fixture(scope="session")
def untouched_backend(sd_folder) -> DiffusersBackend:
    """What own_backend copies, and no test uses."""
    return load_diffusers(sd_folder)


@pytest.fixture
def own_backend(untouched_backend) -> DiffusersBackend:
    """For tests that change weights. A copy takes a tenth of the time of loading; tokenizers are shared."""
    shared = {id(text.tokenizer): text.tokenizer for text in untouched_backend.texts.values()}
    return copy.deepcopy(untouched_backend, shared)


@pytest.fixture(scope="session")
def exact_backend(sd_folder) -> DiffusersBackend:
    """In float64, for trainings that are the same in another order of sums.

    Adam divides by gradients that may be tiny, so that a few steps make shares of the way out of float32's rounding,
    and how large a share is up to the processor's kernels.
    """
    return load_diffusers(sd_folder, dtype=torch.float64)


@pytest.fixture(scope="session")
def v_backend(tmp_path_factory) -> DiffusersBackend:
    return load_diffusers(tiny_sd(tmp_path_factory.mktemp("sd_v"), prediction="v_prediction"))


@pytest.fixture(scope="session")
def vit_folder(tmp_path_factory) -> Path:
    """Two heads of 64 channels each, as in all published sizes of ViT, so that a bare file tells them too."""
    return tiny_face_vit(tmp_path_factory.mktemp("vit"), width=128)


@pytest.fixture(scope="session")
def astronaut() -> torch.Tensor:  # [3, 256, 256] in 0..1
    """A public-domain portrait that comes with scikit-image, cut to the head."""
    return torch.from_numpy(data.astronaut()[:256, 100:356].copy()).permute(2, 0, 1).float() / 255


@pytest.fixture(scope="session")
def small_portrait(astronaut) -> Face:
    return portrait(astronaut, size=64)


@pytest.fixture(scope="session")
def names(backend) -> NameSpace:
    """The pack's own names in the tiny model's text space."""
    return name_space_of(backend)


@pytest.fixture
def server(monkeypatch) -> Iterator[FileServer]:
    """A server of files that has one weight of the table, by good and bad manners."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)  # of this machine, not the test's business
    with serving() as server:
        server.files[NAME] = CONTENT
        yield server

"""One real server for all host tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from helpers.frontend import Page, browser_path, open_frontend
from helpers.leftovers import Leftovers
from helpers.refusal import Refusals
from helpers.server import ComfyServer
from helpers.world import World, make_world
from stableidentity_core.identity import Identity, save_identity


@pytest.fixture(scope="session")
def leftovers() -> Leftovers:
    return Leftovers()


@pytest.fixture(scope="module", autouse=True)
def files_of_one_module(leftovers: Leftovers) -> Iterator[None]:
    """Which test files share a server depends on the workers, so each one finds it as it was in the beginning."""
    yield
    leftovers.remove()


@pytest.fixture(scope="session")
def server(comfyui: Path, tmp_path_factory: pytest.TempPathFactory, leftovers: Leftovers) -> Iterator[ComfyServer]:
    """A running ComfyUI with the pack and the test pack; a test that fails may look at server.log_tail()."""
    running = ComfyServer(comfyui, tmp_path_factory.mktemp("comfyui")).start()
    leftovers.begin(running)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def world(server: ComfyServer, tmp_path_factory: pytest.TempPathFactory, leftovers: Leftovers) -> World:
    """The server with tiny models, a tiny face encoder and the astronaut's portrait."""
    with leftovers.staying():
        return make_world(server, tmp_path_factory.mktemp("tiny_models"))


@pytest.fixture(scope="module")
def bad(world: World) -> Refusals:
    return Refusals(world)


@pytest.fixture(scope="module")
def people(world: World, bad: Refusals) -> Iterator[None]:
    """Two identities of the tiny CLIP's width, and one of another."""
    widths = {"anna": 64, "bert": 64, "narrow": 32}
    for seed, (name, width) in enumerate(widths.items()):
        words = torch.randn(2, width, generator=torch.Generator().manual_seed(seed)) * 0.1
        save_identity(Identity(trigger=name, words={"clip_h": words}), world.embedding(f"bad-{name}"))
    yield
    for name in widths:
        world.embedding(f"bad-{name}").unlink()


@pytest.fixture(scope="session")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def page(server: ComfyServer, profile: Path) -> Iterator[Page]:
    """The frontend as a new user has it, whatever the tests before have changed in its settings."""
    browser = browser_path()
    if browser is None:
        pytest.skip("NO CHROMIUM: install the system package chromium to test the workflows in the real frontend")
    (server.base / "user" / "default" / "comfy.settings.json").unlink(missing_ok=True)
    with open_frontend(server.url, browser, profile) as opened:
        yield opened

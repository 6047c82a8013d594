"""One real server for all host tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from host.server import ComfyServer
from host.world import World, make_world


@pytest.fixture(scope="session")
def server(comfyui: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    """A running ComfyUI with the pack and the test pack; a test that fails may look at server.log_tail()."""
    running = ComfyServer(comfyui, tmp_path_factory.mktemp("comfyui")).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def world(server: ComfyServer, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The server with tiny models, a tiny face encoder and the astronaut's portrait."""
    return make_world(server, tmp_path_factory.mktemp("tiny_models"))

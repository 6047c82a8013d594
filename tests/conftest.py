"""Which tests run: those marked `host` need a ComfyUI, those marked `full_size` are asked for by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import mini_world  # noqa: F401 - before pytest makes a module of this name, for the folder tests/mini_world
from stableidentity_core.store import ResultStore

# Tiny models are faster on one thread than on several that wait for each other. OMP_NUM_THREADS asks for more.
if "OMP_NUM_THREADS" not in os.environ:
    torch.set_num_threads(1)

# Holding torch's own kernels to AVX2 leaves oneDNN's as they are, and on a processor with AMX torch's attention in bf16
# breaks on such a mixture.
if os.environ.get("ATEN_CPU_CAPABILITY") == "avx2":
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")

TESTS = Path(__file__).parent
HOST_TESTS = TESTS / "host"
# The folders whose files take long come first, so that no worker is left with one of them when the others are done.
FIRST = ("host", "campaign", "mini_world", "backends", "cli")


def host_path() -> Path | None:
    """The ComfyUI folder that tasks.py found, or None."""
    text = os.environ.get("COMFYUI_PATH", "none")
    return None if text.lower() == "none" else Path(text)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full-size", action="store_true", help="also run the tests with a full-size model")


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # xdist's own order of files, by their number of tests


def place_in_line(item: pytest.Item) -> int:
    folder = item.path.relative_to(TESTS).parts[0]
    return FIRST.index(folder) if folder in FIRST else len(FIRST)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    no_host = pytest.mark.skip(reason="NO COMFYUI: COMFYUI_PATH names none, so this host test did not run")
    no_size = pytest.mark.skip(reason="opt-in: runs with --full-size")
    items.sort(key=place_in_line)
    for item in items:
        if HOST_TESTS in item.path.parents:
            item.add_marker("host")
        if item.get_closest_marker("host"):
            item.user_properties.append(("host", "yes"))  # tasks.py counts these in the JUnit file
            if host_path() is None:
                item.add_marker(no_host)
        if item.get_closest_marker("full_size") and not config.getoption("--full-size"):
            item.add_marker(no_size)


@pytest.fixture(scope="session")
def comfyui() -> Path:
    """The folder of the ComfyUI under test; only for tests marked `host`."""
    folder = host_path()
    assert folder and (folder / "main.py").is_file(), f"COMFYUI_PATH={folder} has no main.py; run tasks.py test"
    return folder


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """An empty store of trainings."""
    return ResultStore(tmp_path / "stableidentity" / "trained")

"""Face detector and face parser: found in the models folders, cached, under the host's memory management."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import comfy.utils
import folder_paths
import torch

from ...stableidentity_core.console.time_left import TimeLeft
from ...stableidentity_core.face import load_parser, load_retinaface
from ...stableidentity_core.weights import download, find, get_weight, locate
from ...stableidentity_core.weights.face_nets import DETECTORS, PARSERS
from ...stableidentity_core.weights.lookup import missing_message
from .cancel import check_cancelled, stoppable
from .paths import FOLDER, file_state
from .progress_text import Teller, tell, told_if_stopped
from .resident import DETECTION, Resident, ResidentDetector, ResidentParser

Kept = TypeVar("Kept", bound=Resident)


def model_roots() -> list[Path]:
    """Folders that are searched for weights; downloads go to the first."""
    own = [Path(folder) for folder in folder_paths.get_folder_paths(FOLDER)]
    return list(dict.fromkeys([Path(folder_paths.models_dir), *own]))


def detector(choice: str, fetch: bool) -> ResidentDetector | None:
    """The chosen detector; `auto` is the first installed one, or None; `off` is None."""
    return _net(choice, DETECTORS, fetch, _load_detector)


def parser(choice: str, fetch: bool) -> ResidentParser | None:
    """The chosen parser; `auto` is the first installed one, or None; `off` is None."""
    return _net(choice, PARSERS, fetch, _load_parser)


def nets_state() -> str:
    """Changes when a network's file is added, removed or replaced."""
    paths = [locate(name, model_roots()) for name in (*DETECTORS, *PARSERS)]
    return " ".join(file_state(path) if path else "-" for path in paths)


def missing(name: str) -> str:
    """What to fetch and where to put it, for messages."""
    return missing_message(get_weight(name), model_roots()).rstrip(".") + "."


def _net(choice: str, known: tuple[str, ...], fetch: bool, load: Callable[[Path], Kept]) -> Kept | None:
    if choice == "off":
        return None
    roots = model_roots()
    if choice == "auto":
        installed = [name for name in known if locate(name, roots)]
        if not installed and not fetch:
            return None
        choice = installed[0] if installed else known[0]
    if fetch and locate(choice, roots) is None:
        fetch_weight(choice, roots[0])
    path = find(choice, roots)
    with torch.inference_mode(False):  # cached for later nodes, which may run outside inference mode
        return _cached(load, path, file_state(path))


@lru_cache(maxsize=2)
def _cached(load: Callable[[Path], Any], path: Path, _state: str) -> Any:
    return load(path)


def _load_detector(path: Path) -> ResidentDetector:
    found = stoppable(lambda: load_retinaface(path))
    return ResidentDetector(found, found.net, DETECTION)


def _load_parser(path: Path) -> ResidentParser:
    found = stoppable(lambda: load_parser(path))
    return ResidentParser(found, found.network)


def fetch_weight(name: str, models: Path) -> None:
    """Download a file of the table, with the node's progress bar."""
    bar = comfy.utils.ProgressBar(get_weight(name).bytes or 1)

    teller = Teller(TimeLeft({}, {}))

    def on_progress(done: int, total: int | None) -> None:
        check_cancelled()
        teller.count(f"downloading {name}, {done / 1e6:.0f} MB" + (f" of {total / 1e6:.0f} MB" if total else ""))
        bar.update_absolute(done, total or max(done, 1))

    with told_if_stopped():
        download(get_weight(name), models, on_progress)
    tell(f"downloaded {name}")

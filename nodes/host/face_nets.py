"""Face detector and face parser: found in the models folders, cached, on the host's device."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import comfy.utils
import folder_paths
import torch
from comfy import model_management

from ...stableidentity_core.face import FaceDetector, FaceParser, load_parser, load_retinaface
from ...stableidentity_core.weights import download, find, get_weight, locate
from ...stableidentity_core.weights.face_nets import DETECTORS, PARSERS
from ...stableidentity_core.weights.lookup import missing_message
from .cancel import check_cancelled, stoppable
from .paths import FOLDER, file_state


def model_roots() -> list[Path]:
    """Folders that are searched for weights; downloads go to the first."""
    own = [Path(folder) for folder in folder_paths.get_folder_paths(FOLDER)]
    return list(dict.fromkeys([Path(folder_paths.models_dir), *own]))


def detector(choice: str, fetch: bool) -> FaceDetector | None:
    """The chosen detector; `auto` is the first installed one, or None; `off` is None."""
    return _net(choice, DETECTORS, fetch, load_retinaface)


def parser(choice: str, fetch: bool) -> FaceParser | None:
    """The chosen parser; `auto` is the first installed one, or None; `off` is None."""
    return _net(choice, PARSERS, fetch, load_parser)


def nets_state() -> str:
    """Changes when a network's file is added, removed or replaced."""
    paths = [locate(name, model_roots()) for name in (*DETECTORS, *PARSERS)]
    return " ".join(file_state(path) if path else "-" for path in paths)


def missing(name: str) -> str:
    """What to fetch and where to put it, for messages."""
    return missing_message(get_weight(name), model_roots()).rstrip(".") + "."


def _net(choice: str, known: tuple[str, ...], fetch: bool, load: Callable[..., Any]) -> Any:
    if choice == "off":
        return None
    roots = model_roots()
    if choice == "auto":
        installed = [name for name in known if locate(name, roots)]
        if not installed and not fetch:
            return None
        choice = installed[0] if installed else known[0]
    if fetch and locate(choice, roots) is None:
        _download(choice, roots[0])
    path = find(choice, roots)
    with torch.inference_mode(False):  # cached for later nodes, which may run outside inference mode
        device, state = model_management.get_torch_device(), file_state(path)
        return stoppable(lambda: _cached(load, path, state, device))


@lru_cache(maxsize=2)
def _cached(load: Callable[..., Any], path: Path, _state: str, device: torch.device) -> Any:
    return load(path, device=device)


def _download(name: str, models: Path) -> None:
    bar = comfy.utils.ProgressBar(get_weight(name).bytes or 1)

    def on_progress(done: int, total: int | None) -> None:
        check_cancelled()
        bar.update_absolute(done, total or max(done, 1))

    download(get_weight(name), models, on_progress)

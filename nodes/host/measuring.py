"""Networks that measure pictures: found in the models folders, or downloaded if asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from comfy import model_management
from torch import Tensor

from ...stableidentity_core.errors import MissingFileError
from ...stableidentity_core.evaluate.metrics.instruments import (
    FindFaces,
    FoundFaces,
    Instruments,
    PictureDistance,
    PicturesAndTexts,
)
from ...stableidentity_core.evaluate.networks import face_finder, load_clip, load_lpips
from ...stableidentity_core.evaluate.networks.instruments import CLIPS, LPIPS, TOKENIZER
from ...stableidentity_core.weights import find_all, locate
from ...stableidentity_core.weights.face_nets import DETECTORS
from .cancel import stoppable
from .face_nets import detector, fetch_weight, missing, model_roots
from .paths import file_state
from .progress import counting

AUTO, OFF = "auto", "off"
DISTANCE = "LPIPS"
NO_DETECTOR = "There is no detector installed to find the faces in the pictures."
ROOM = 1_000_000_000  # bytes of activations


def measuring_state() -> str:
    """Changes when a network's file is added, removed or replaced."""
    found = [locate(name, model_roots()) for name in (*CLIPS, *TOKENIZER, *LPIPS)]
    return " ".join(file_state(path) if path else "-" for path in found)


def photo_finder(choice: str, download: bool, side: int, told: bool = True) -> FindFaces:
    """Finds the largest face in each picture, and shows how far it is where that is to be `told`.

    Raises:
        MissingFileError: no detector is installed.
    """
    network = detector(choice, download)
    if network is None:
        raise MissingFileError(
            f"{NO_DETECTOR} {missing(DETECTORS[0])} Or turn on `download`; or set find_face to off, if every picture "
            "is an aligned portrait."
        )
    find = face_finder(network, side)
    if not told:
        return find

    def counted(pictures: Tensor) -> FoundFaces:
        on_done, found = counting(len(pictures), "picture"), []
        for number, picture in enumerate(pictures, start=1):
            found.append(find(picture[None]))
            on_done(number)
        return FoundFaces(crops=torch.cat([one.crops for one in found]), boxes=torch.cat([one.boxes for one in found]))

    return counted


def photo_instruments(clip: str, distance: str, download: bool) -> tuple[Instruments, list[str]]:
    """CLIP and LPIPS as chosen, and what is to be said about those that `auto` leaves out.

    They are loaded anew for each node and released with it, unlike models that a graph uses again and again.

    Raises:
        MissingFileError: a chosen file is not installed.
    """
    name = next(iter(CLIPS)) if clip == AUTO else clip
    clip_files = _files((name, *TOKENIZER), clip, download)
    lpips_files = _files(LPIPS, distance, download)
    notes = [
        f"{what} was not measured: its files are not installed. Turn on `download`, or set {widget} to off."
        for what, widget, choice, files in (
            ("How well the pictures follow the prompts", "clip", clip, clip_files),
            ("How much the faces differ", "distance", distance, lpips_files),
        )
        if choice == AUTO and files is None
    ]
    clips = (_clip(name, clip_files),) if clip_files else ()
    return Instruments(clips=clips, distance=_lpips(lpips_files) if lpips_files else None), notes


def _files(names: Sequence[str], choice: str, download: bool) -> dict[str, Path] | None:
    if choice == OFF:
        return None
    roots = model_roots()
    absent = [name for name in names if locate(name, roots) is None]
    if choice == AUTO and absent and not download:
        return None
    if download:
        for name in absent:
            fetch_weight(name, roots[0])
    return find_all(names, roots)


def _clip(name: str, files: dict[str, Path]) -> PicturesAndTexts:
    device = _room_for(files)
    tokenizer = files[TOKENIZER[0]].parent
    return stoppable(lambda: load_clip(files[name], tokenizer, label=CLIPS[name], device=device))


def _lpips(files: dict[str, Path]) -> PictureDistance:
    device = _room_for(files)
    return stoppable(lambda: load_lpips(*(files[name] for name in LPIPS), device=device))


def _room_for(files: dict[str, Path]) -> torch.device:
    device = model_management.get_torch_device()
    model_management.free_memory(sum(path.stat().st_size for path in files.values()) + ROOM, device)
    return device

"""`prepare`, and preparing the photos for other commands: picture files in, faces out."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..console.streams import get_logger
from ..errors import StableIdentityError
from ..face import Face, FaceDetector, FaceParser, load_parser, load_retinaface, read_mask, read_photo
from ..face.prepare import Choice, Prepared, prepare_face
from ..files.atomic import write_atomically
from ..weights import find, locate
from ..weights.face_nets import DETECTORS, PARSERS
from .outputs import add_replace, check_out_folder
from .say import say

log = get_logger(__name__)

PICTURES = ("portrait", "face_mask", "hair_mask", "overlay", "candidates")
RULES = ("largest", "most-central", "leftmost")


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The networks and options that photos are prepared with."""

    detector: FaceDetector | None = None
    parser: FaceParser | None = None
    choice: Choice = field(default_factory=Choice)


def add_prepare(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=run)
    command.add_argument("photo", type=Path, help="picture file")
    add_options(command)
    command.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the pictures and the report"
    )
    add_replace(command)


def add_options(command: Any) -> None:
    """Options for preparing photos."""
    command.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="ComfyUI's models folder, with the networks for face detection and parsing "
        "(default: photos are assumed to be aligned portraits)",
    )
    command.add_argument(
        "--face",
        default="largest",
        metavar="RULE",
        help=f"which face: {', '.join(RULES)}, or its number from left to right (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> None:
    """Write portrait.png, face_mask.png, hair_mask.png, overlay.png, candidates.png and report.txt."""
    check_out_folder(options.out, [*(f"{name}.png" for name in PICTURES), "report.txt"], options.replace)
    prepared = prepare_face(read_photo(options.photo), **vars(tools_of(options)))
    face = prepared.face
    pictures = (face.image, face.face_mask, face.hair_mask, prepared.overlay, prepared.candidates)
    for name, picture in zip(PICTURES, pictures, strict=True):
        save_picture(picture, options.out / f"{name}.png", options.replace)
    report = f"{prepared.report.text()}\n"
    write_atomically(options.out / "report.txt", report.encode(), replace=options.replace)
    say(f"{prepared.report.text()}\nWritten to {options.out}")


def tools_of(options: argparse.Namespace, parse: bool = True) -> Tools:
    """The networks in the models folder, and the rule for choosing a face.

    Args:
        parse: False omits the parser, for commands that need no masks.

    Raises:
        StableIdentityError: an unknown rule, or a missing network; the message gives the download command.
    """
    choice = _choice(options.face)
    if options.models is None:
        return Tools(choice=choice)
    return Tools(
        detector=load_retinaface(_first(DETECTORS, options.models)),
        parser=load_parser(_first(PARSERS, options.models)) if parse else None,
        choice=choice,
    )


def read_faces(
    photos: Sequence[Path], face_masks: Sequence[Path] = (), hair_masks: Sequence[Path] = (), tools: Tools | None = None
) -> list[Face]:
    """A Face for each photo, with the masks at the same position in their lists; a list of masks may be empty.

    Raises:
        StableIdentityError: the numbers of masks and photos differ, or a photo cannot be prepared.
    """
    for option, masks in (("--face-mask", face_masks), ("--hair-mask", hair_masks)):
        if len(masks) not in (0, len(photos)):
            raise StableIdentityError(
                f"{option} has {len(masks)} files, but --photo has {len(photos)}. Give one mask per photo, in the same "
                "order, or none."
            )
    none = [None] * len(photos)
    files = zip(photos, face_masks or none, hair_masks or none, strict=True)
    faces = []
    for photo, face, hair in files:
        prepared = _read(photo, face, hair, tools or Tools())
        for sentence in prepared.report.contradictions:
            log.warning("%s: %s", photo, sentence)
        faces.append(prepared.face)
    return faces


def _read(photo: Path, face_mask: Path | None, hair_mask: Path | None, tools: Tools) -> Prepared:
    face, hair = (read_mask(path) if path else None for path in (face_mask, hair_mask))
    try:
        return prepare_face(read_photo(photo), **vars(tools), face_mask=face, hair_mask=hair)
    except StableIdentityError as error:
        raise type(error)(f"{photo}: {error}") from error


def _choice(text: str) -> Choice:
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return Choice(rule="number", number=int(text))
    if text not in RULES:
        raise StableIdentityError(f"--face is {text!r}, needed {', '.join(RULES)} or a number of at least 1.")
    return Choice(rule=text.replace("-", " "))  # type: ignore[arg-type]


def _first(names: Sequence[str], models: Path) -> Path:
    return find(next((name for name in names if locate(name, [models])), names[0]), [models])


def save_picture(picture: Tensor, path: Path, replace: bool) -> None:
    """Write a picture [3, H, W] or [H, W] in 0..1 as PNG; raises FileTakenError if it exists, unless `replace`."""
    pixels = (picture.clamp(0, 1) * 255).round().byte().numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels if picture.ndim == 2 else np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(
        buffer, "PNG"
    )
    write_atomically(path, buffer.getvalue(), replace=replace)

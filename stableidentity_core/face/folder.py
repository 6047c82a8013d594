"""A folder of photos, each of another person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..errors import MissingFileError, StableIdentityError
from .detect import FaceDetector
from .parsers import FaceParser
from .photo import read_photo
from .portrait import Face
from .prepare import Choice, prepare_face

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder and below it, in the order of their names.

    Raises:
        MissingFileError: no such folder, or no picture there.
    """
    if not folder.is_dir():
        raise MissingFileError(f"No folder at {folder}; needed one with a photo of each person.")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise MissingFileError(f"No picture in {folder} or below it; known are {', '.join(SUFFIXES)}.")
    return found


def faces_of(
    pictures: Iterable[Path],
    on_refusal: Callable[[Path, StableIdentityError], None],
    *,
    detector: FaceDetector | None = None,
    parser: FaceParser | None = None,
    choice: Choice | None = None,
) -> Iterator[tuple[Path, Face]]:
    """Each picture's face, as it comes; of a picture that cannot be used `on_refusal` is told."""
    for path in pictures:
        try:
            prepared = prepare_face(read_photo(path), detector=detector, parser=parser, choice=choice or Choice())
        except StableIdentityError as error:
            on_refusal(path, error)
        else:
            yield path, prepared.face

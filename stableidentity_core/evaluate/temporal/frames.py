"""Frames of a clip on disk: a video file, or a folder of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from ...errors import MissingFileError, StableIdentityError
from ...face import read_photo
from ...files.readable import files_in, path_kind
from ...optional import optional_import

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


def read_clip(path: Path) -> Iterator[Tensor]:  # [3, H, W] each
    """Frames in 0..1, one at a time: of a video file, or the pictures of a folder by their names (2 before 10).

    A mark in a video that turns it is not applied.

    Raises:
        MissingFileError: nothing there, or no picture in the folder.
        MissingPackageError: a video, and no working PyAV.
        StableIdentityError: no video, or a picture that cannot be read.
    """
    standing = path_kind(path)
    if standing == "folder":
        yield from map(read_photo, pictures_of(path))
    elif standing == "file":
        yield from _read_video(path)
    else:
        raise MissingFileError(f"No clip at {path}; needed a video file, or a folder with its frames as pictures.")


def pictures_of(folder: Path) -> list[Path]:
    """Picture files in the order of the numbers in their names.

    Raises:
        MissingFileError: none.
    """
    found = [path for path in files_in(folder) if path.suffix.lower() in PICTURES]
    if not found:
        raise MissingFileError(
            f"No pictures in {folder}; needed the clip's frames, as {', '.join(sorted(PICTURES))} whose names give "
            "their order."
        )
    return sorted(found, key=_by_number)


def _by_number(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path.name


def _read_video(path: Path) -> Iterator[Tensor]:
    av = optional_import("av", feature="reading a video", install="pip install av")
    try:
        with av.open(str(path), metadata_errors="replace") as file:
            if not file.streams.video:
                raise StableIdentityError(f"{path} has sound and no pictures; needed a video.")
            for frame in file.decode(file.streams.video[0]):
                pixels = torch.from_numpy(frame.to_ndarray(format="rgb24"))
                yield pixels.permute(2, 0, 1).float() / 255
    except (av.FFmpegError, UnicodeError) as error:
        raise StableIdentityError(
            f"{path} ({path.stat().st_size:,} bytes) cannot be read as a video: {error}. Give a video file such as an "
            "mp4, or a folder with the frames as pictures."
        ) from error

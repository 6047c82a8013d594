"""A saved person's portrait: `NAME.preview.png` beside the file, where ComfyUI's model browser shows it too."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..errors import DamagedFileError, MissingFileError, StableIdentityError
from ..files.atomic import write_atomically
from ..shapes import check_shape

ENDINGS = (".preview.png", ".preview.jpg", ".preview.jpeg", ".preview.webp")  # as other programs write them
LARGEST_SIDE = 512  # pixels
MAX_BYTES = 16 << 20
_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


def portrait_png(image: Tensor) -> bytes:
    """A picture [H, W, 3 or 4] in 0..1 as a PNG of at most 512 pixels a side, with no metadata.

    Raises:
        StableIdentityError: another shape, or values that are not finite.
    """
    check_shape(image, "h w c", "portrait")
    if image.shape[-1] not in (3, 4) or not image.numel() or not image.isfinite().all():
        raise StableIdentityError(
            f"The portrait is a picture {list(image.shape)}, needed [height, width, 3] with finite values. "
            "Connect the output 'aligned' of Prepare Face."
        )
    values = (image[..., :3].detach().float().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
    picture = Image.fromarray(values.numpy())
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.save(written, "PNG", optimize=True)
    return written.getvalue()


def keep_portrait(identity_file: Path, png: bytes) -> Path:
    """Write the person's portrait, in place of any other.

    Raises:
        StableIdentityError: the disk is full, the folder is not writable, or an old portrait cannot be removed.
    """
    path = portrait_paths(identity_file)[0]
    write_atomically(path, png)
    for other in portraits_of(identity_file):
        if other != path:
            _delete(other)
    return path


def portrait_paths(identity_file: Path) -> list[Path]:
    """Where the previews of an identity's file may be; the first is where this pack writes them."""
    folder, stem = identity_file.parent, identity_file.stem
    return [folder / f"{stem}{ending}" for ending in ENDINGS]


def portraits_of(identity_file: Path) -> Iterator[Path]:
    """The preview files that belong to an identity's file."""
    for path in portrait_paths(identity_file):
        if os.path.lexists(path) and not path.is_dir():
            yield path


def remove_portraits(identity_file: Path) -> None:
    """Remove all previews of an identity's file.

    Raises:
        StableIdentityError: the folder is not writable, or a file is in use.
    """
    for path in portraits_of(identity_file):
        _delete(path)


def read_portrait(path: Path) -> tuple[bytes, str]:
    """A portrait's bytes and media type, after checking that it is a picture and no link to another place.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: not a PNG, JPEG or WebP picture, a link, or far too large.
    """
    try:
        state = os.lstat(path)
        if not stat.S_ISREG(state.st_mode) or state.st_size > MAX_BYTES:
            raise DamagedFileError(f"{path.name} is not shown: it is a link, or larger than {MAX_BYTES:,} bytes.")
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as picture:
            kind = picture.format or ""
    except FileNotFoundError as error:
        raise MissingFileError(f"{path.name} does not exist.") from error
    except DamagedFileError:
        raise
    except Exception as error:  # PIL raises many types
        raise DamagedFileError(f"{path.name} is not a picture that can be read.") from error
    if kind not in _TYPES:
        raise DamagedFileError(f"{path.name} is a picture of type {kind!a}, needed {', '.join(_TYPES)}.")
    return content, _TYPES[kind]


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StableIdentityError(f"{path} could not be deleted: {error.strerror}. Delete it by hand.") from error

"""Photos: picture files of every format, and the host's images, as one kind of tensor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps, ImageSequence
from torch import Tensor

from ..console.streams import get_logger
from ..errors import MissingFileError, StableIdentityError
from ..shapes import check_shape
from .unreadable import why_unreadable

Layout = Literal["hwc", "chw"]

log = get_logger(__name__)

NOT_DECODED = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
"""Formats that Pillow hands to other programs; one of them is Ghostscript, which would execute a file's content."""


def readable_formats() -> list[str]:
    """Names of the formats that the installed Pillow decodes, plugins included."""
    Image.init()
    return [name for name in Image.OPEN if name not in NOT_DECODED]


def readable_endings() -> frozenset[str]:
    """Lower-case file extensions of these formats, such as ".jpg"."""
    formats = set(readable_formats())
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in formats)


def read_photo(path: Path) -> Tensor:  # [3, H, W]
    """Read a picture file as RGB, float32 in 0..1, rotated according to its EXIF orientation.

    Transparency is composited over black, as in `portrait`. Of a file with several pictures, such as
    an animation, the first is used and a warning is logged. Grey with 16 bits per channel keeps its
    range; in colour Pillow keeps the upper 8 bits. Colour profiles are not applied, as in ComfyUI.

    Raises:
        MissingFileError: no such file.
        StableIdentityError: not a picture, or one that is truncated or too large.
    """
    return torch.from_numpy(_read(path, "RGB")).permute(2, 0, 1)


def read_mask(path: Path) -> Tensor:  # [H, W]
    """Read a picture file as a mask, float32 in 0..1, white being 1; see `read_photo` for the rest."""
    return torch.from_numpy(_read(path, "L"))


def photo_of_image(image: Tensor, layout: Layout = "hwc") -> Tensor:  # [3, H, W]
    """One image of the host, such as an item of ComfyUI's IMAGE batch, as a photo in 0..1.

    Float32 RGB on the CPU is not copied: the photo is a view of it, so do not write to it. Grey is a
    view as well; alpha (composited over black) and other types are copied.

    Args:
        image: [H, W, C] or [C, H, W] with 1 (grey), 3 (RGB) or 4 (RGBA) channels, in 0..1.
        layout: which of the two.

    Raises:
        StableIdentityError: another shape, no pixels, or values not finite or outside 0..1.
    """
    check_shape(image, "h w c" if layout == "hwc" else "c h w", "The photo")
    image = image.detach().cpu()
    image = image.float() if image.is_floating_point() else image  # integers are rejected below
    channels_first = image.permute(2, 0, 1) if layout == "hwc" else image
    if channels_first.shape[0] not in (1, 3, 4) or not image.numel():
        raise StableIdentityError(
            f"The photo has shape {list(image.shape)}, needed 1 (grey), 3 (RGB) or 4 (RGBA) channels and some pixels."
        )
    _check_values(image)
    match channels_first.shape[0]:
        case 1:
            return channels_first.expand(3, -1, -1)
        case 4:
            return channels_first[:3] * channels_first[3:]
        case _:
            return channels_first


def downscale(photo: Tensor, height: int, width: int, averaged: float = 2.0) -> tuple[Tensor, tuple[float, float]]:
    """Resize a photo for a detector or a preview, in time that hardly depends on the photo's size.

    A much larger photo is first subsampled to every third (fifth, ...) pixel. The step is odd, so
    that each sample is the centre of the block that it represents.

    Args:
        photo: [3, H, W].
        height, width: of the result; it may be larger than the photo.
        averaged: minimum ratio of the subsampled photo's size to the result's; a lower ratio can
            alias fine patterns.

    Returns:
        The resized photo [3, height, width], and how many photo pixels one of its pixels spans in x and y.
    """
    step = int(min(photo.shape[1] / height, photo.shape[2] / width) / averaged)
    step = max(1, step - (step + 1) % 2)
    thin = photo[:, step // 2 :: step, step // 2 :: step]
    spanned = (thin.shape[2] * step / width, thin.shape[1] * step / height)
    if thin.shape[1:] == (height, width):
        return thin, spanned
    shrinks = height < thin.shape[1] or width < thin.shape[2]
    picture = F.interpolate(thin[None], (height, width), mode="bilinear", antialias=shrinks, align_corners=False)
    return picture[0], spanned


def _read(path: Path, mode: Literal["RGB", "L"]) -> np.ndarray:
    if not os.path.isfile(path):  # unlike Path.is_file, never raises for a name that is too long
        raise MissingFileError(f"No picture at {path}.")
    frames, image = _decode(path)
    if frames > 1:
        log.warning("%s contains %d pictures; the first one is used.", path, frames)
    return _pixels(image, mode)


def _decode(path: Path) -> tuple[int, Image.Image]:
    """The number of pictures in a file, and the first one, rotated according to its EXIF orientation."""
    try:
        with Image.open(path, formats=readable_formats()) as file:
            frames = getattr(file, "n_frames", 1)
            return frames, ImageOps.exif_transpose(next(iter(ImageSequence.Iterator(file))))
    except Exception as error:  # Pillow raises many types for damaged pictures: SyntaxError, EOFError, struct.error
        raise StableIdentityError(why_unreadable(path, error)) from error


def _pixels(image: Image.Image, mode: Literal["RGB", "L"]) -> np.ndarray:
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float32) / 65535  # Pillow's convert would clip at 255
        if values.max() > 1 or values.min() < 0:
            raise StableIdentityError(
                f"The picture has integer values from {values.min() * 65535:.0f} to {values.max() * 65535:.0f}, needed "
                "0 to 65535. Save it with 8 or 16 bits per channel."
            )
        return values if mode == "L" else np.repeat(values[..., None], 3, axis=2)
    if image.mode == "F":
        raise StableIdentityError(
            "The picture has floating-point values of unknown range. Save it with 8 or 16 bits per channel."
        )
    try:
        if image.has_transparency_data:
            rgba = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), rgba)
        return np.divide(np.asarray(image.convert(mode)), 255, dtype=np.float32)
    except ValueError as error:  # LAB, which Pillow reads but does not convert
        raise StableIdentityError(
            f"The picture has the colour mode {image.mode}, needed RGB or grey. Save it as RGB."
        ) from error


def _check_values(image: Tensor) -> None:
    if image.is_complex():
        raise StableIdentityError(
            f"The photo has dtype {image.dtype}, needed floating-point values from 0 to 1. Check the node that it "
            "comes from."
        )
    flat = image.view(-1) if image.is_contiguous() else image  # 4 times as fast
    low, high = (limit.item() for limit in flat.aminmax())
    if not -0.01 <= low <= high <= 1.01 or not image.is_floating_point():
        if image.is_floating_point() and (bad := int((~image.isfinite()).sum())):
            raise StableIdentityError(
                f"The photo has {bad} values that are not finite (NaN or infinite). Load it again."
            )
        raise StableIdentityError(
            f"The photo has {image.dtype} values from {low:.2f} to {high:.2f}, needed floating-point values from 0 to "
            "1, as Load Image outputs them. Check the node that it comes from."
        )

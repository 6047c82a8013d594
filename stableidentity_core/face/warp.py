"""Image warping by a similarity transform, with antialiasing, on the smallest sufficient part of the photo."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as TF
from torch import Tensor

MARGIN = 4  # portrait pixels around the square that interpolation may sample
HALVED_ROWS = 16
# FFHQ, as fractions of the square's side: the minimum width of the mirrored rim, and the sigma of its blur.
RIM, BLUR = 0.3, 0.02


@dataclass(frozen=True)
class _Axis:
    """One axis of the part of the photo that the portrait needs, downscaled and then padded."""

    photo: int  # pixels of the whole photo
    start: int  # first photo pixel of the part
    stop: int
    length: int  # after downscaling
    before: int  # padding in downscaled pixels
    after: int
    scale: float  # downscaled pixels per photo pixel

    @classmethod
    def of(cls, low: float, high: float, photo: int, shrink: float) -> _Axis:
        margin = MARGIN * max(1.0, shrink)
        start = min(max(int(low - margin), 0), photo - 1)
        stop = max(min(int(high + margin) + 1, photo), start + 1)
        block = 2 ** max(0, int(math.log2(shrink)) - 1)  # whole blocks can be halved
        stop = start + max(1, (stop - start) // block * block)
        length = max(1, round((stop - start) / shrink)) if shrink > 1 else stop - start
        scale = length / (stop - start)
        before = max(0, round((start - low + margin) * scale))
        after = max(0, round((high + margin - stop) * scale))
        return cls(photo, start, stop, length, before, after, scale)

    @property
    def padded(self) -> int:
        return self.before + self.length + self.after


def warp_to_square(photo: Tensor, matrix: Tensor, size: int, *, soften: bool) -> Tensor:  # [C, size, size]
    """Warp an image [C, H, W] to a square by a similarity transform [2, 3] of its pixel coordinates.

    Downscales with antialiasing and rotates with bicubic interpolation. Outside its border the image
    is mirrored and softened as in FFHQ, or 0 without `soften`.
    """
    back = torch.linalg.inv(_square(matrix))
    corners = torch.tensor([[0, 0, 1], [size, 0, 1], [size, size, 1], [0, size, 1]], dtype=torch.float64) @ back.T
    (left, top), (right, bottom) = corners[:, :2].amin(0).tolist(), corners[:, :2].amax(0).tolist()
    shrink = back[:2, :2].det().abs().sqrt().item()
    height, width = photo.shape[1:]
    x, y = _Axis.of(left, right, width, shrink), _Axis.of(top, bottom, height, shrink)
    part = shrink_to(photo[:, y.start : y.stop, x.start : x.stop].float(), y.length, x.length)
    if soften:
        part = part[:, _mirrored(y)[:, None], _mirrored(x)]
        overhang = max(-left, -top, right - width, bottom - height)
        if overhang > shrink:  # a pixel of the portrait
            part = _soften(part, x, y, side=size * shrink)
    else:
        part = F.pad(part, (x.before, x.after, y.before, y.after))
    to_part = torch.diag(torch.tensor([x.scale, y.scale, 1], dtype=torch.float64))
    to_part[0, 2], to_part[1, 2] = x.before - x.start * x.scale, y.before - y.start * y.scale
    return _sample(part, to_part @ back, size, size, mode="bicubic")


def shrink_to(picture: Tensor, height: int, width: int) -> Tensor:  # [C, height, width]
    """Downscale an image [C, H, W] with antialiasing; a large one is halved first, which is exact and fast."""
    while _is_even(picture) and picture.shape[1] >= 4 * height and picture.shape[2] >= 4 * width:
        picture = _halved(picture)
    if picture.shape[1:] == (height, width):
        return picture
    return F.interpolate(picture[None], (height, width), mode="bicubic", antialias=True, align_corners=False)[0]


def _is_even(picture: Tensor) -> bool:
    return picture.shape[1] % 2 == 0 and picture.shape[2] % 2 == 0


def _halved(picture: Tensor) -> Tensor:
    """Means of 2x2 pixels, a few rows at a time to stay in the CPU cache."""
    result = torch.empty_like(picture[:, ::2, ::2])
    for row in range(0, result.shape[1], HALVED_ROWS):
        rows = picture[:, 2 * row : 2 * (row + HALVED_ROWS)]
        pairs = rows[:, ::2] + rows[:, 1::2]
        torch.add(pairs[:, :, ::2], pairs[:, :, 1::2], out=result[:, row : row + HALVED_ROWS])
    return result.mul_(0.25)


def _square(matrix: Tensor) -> Tensor:  # [3, 3]
    return torch.cat([matrix.double().cpu(), torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)])


def _mirrored(axis: _Axis) -> Tensor:
    """Indices into the downscaled axis that mirror it at both ends, as often as the padding requires."""
    if axis.length == 1:
        return torch.zeros(axis.padded, dtype=torch.long)
    period = 2 * (axis.length - 1)
    index = (torch.arange(axis.padded) - axis.before) % period
    return torch.minimum(index, period - index)


def _soften(part: Tensor, x: _Axis, y: _Axis, side: float) -> Tensor:
    """Fade the mirrored rim into a blur, fully blurred at the photo's border, and then into the median colour."""
    outside = torch.maximum(_outside(x, side)[None, :], _outside(y, side)[:, None])
    blurred = _blur(part, sigma=BLUR * side * (x.scale + y.scale) / 2)
    part = torch.lerp(part, blurred, (outside * 3 + 1).clamp(0, 1))
    median = part[:, ::4, ::4].flatten(1).median(dim=1).values
    return torch.lerp(part, median[:, None, None].expand_as(part), outside.clamp(0, 1))


def _outside(axis: _Axis, side: float) -> Tensor:
    """Distance outside the photo's nearer border in units of the rim; negative inside."""
    middles = torch.arange(axis.padded) + 0.5
    first = axis.before - axis.start * axis.scale  # where the photo begins and ends
    last = first + axis.photo * axis.scale
    rim = RIM * side * axis.scale
    return torch.maximum((first - middles) / max(axis.before, rim), (middles - last) / max(axis.after, rim))


def _blur(picture: Tensor, sigma: float) -> Tensor:
    """Gaussian blur; a wide one is computed at a lower resolution."""
    height, width = picture.shape[1:]
    step = max(1, int(sigma / 2))
    small = (max(1, height // step), max(1, width // step))
    if step > 1:
        picture = F.interpolate(picture[None], small, mode="bilinear", antialias=True)[0]
    sigma = max(0.1, sigma / step)
    reach = min(int(3 * sigma), *(length - 1 for length in picture.shape[1:]))  # it also pads by mirroring
    picture = TF.gaussian_blur(picture, [2 * reach + 1] * 2, [sigma] * 2)
    return F.interpolate(picture[None], (height, width), mode="bilinear", align_corners=False)[0]


def _sample(picture: Tensor, matrix: Tensor, height: int, width: int, *, mode: str) -> Tensor:
    """Sample an image at `matrix` [3, 3] times the pixel centres -> [C, height, width]."""
    x = torch.arange(width, dtype=torch.float64) + 0.5
    y = torch.arange(height, dtype=torch.float64) + 0.5
    limits = picture.shape[2], picture.shape[1]
    # Broadcast from a row and a column in float64, without a [height, width, 3] tensor of points.
    at = [(matrix[i, 0] * x)[None, :] + (matrix[i, 1] * y + matrix[i, 2])[:, None] for i in (0, 1)]
    grid = torch.stack([2 * value / limit - 1 for value, limit in zip(at, limits, strict=True)], dim=-1).float()
    found = F.grid_sample(
        picture[None], grid[None].to(picture.device), mode=mode, padding_mode="border", align_corners=False
    )[0]
    return found

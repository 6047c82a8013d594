"""An aligned portrait with its masks: what training needs from a photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torchvision.transforms.v2.functional as TF
from torch import Tensor
from torchvision.transforms import InterpolationMode

from ..errors import StableIdentityError
from ..fingerprint import WHOLE, fingerprint_tensors
from ..shapes import check_shape

SIZE = 512
MIN_SIDE = 64
OVAL_CENTRE, OVAL_RADII = (0.5, 0.58), (0.25, 0.34)  # of a face in FFHQ alignment, x and y in portrait sides


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceFeature:
    """A face encoder's features of a photo and of its mirror image (training flips half of the time)."""

    encoder: str
    licence: str  # of the encoder's weights
    plain: Tensor  # [F]
    mirrored: Tensor  # [F]

    def __post_init__(self):
        check_shape(self.mirrored, "f", "mirrored feature", **check_shape(self.plain, "f", "feature"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Face:
    """A square FFHQ-aligned portrait with its face and hair masks."""

    image: Tensor  # [3, S, S] float32 in 0..1
    face_mask: Tensor  # [S, S] float32 in 0..1
    hair_mask: Tensor  # [S, S] float32 in 0..1
    feature: FaceFeature | None = None
    quality: Mapping[str, Any] | None = None  # the photo's quality measures, for the identity file

    def __post_init__(self):
        sizes = check_shape(self.image, "3 s s", "face image")
        check_shape(self.face_mask, "s s", "face mask", s=sizes["s"])
        check_shape(self.hair_mask, "s s", "hair mask", s=sizes["s"])

    @property
    def size(self) -> int:
        return self.image.shape[-1]

    @property
    def fingerprint(self) -> str:
        """Hash of every value of the image, the masks and the feature."""
        parts = {"image": self.image, "face": self.face_mask, "hair": self.hair_mask}
        if self.feature is not None:
            parts |= {f"feature {self.feature.encoder}": torch.stack([self.feature.plain, self.feature.mirrored])}
        return fingerprint_tensors(parts.items(), samples=WHOLE)

    def with_feature(self, feature: FaceFeature) -> Face:
        return replace(self, feature=feature)


def portrait(
    image: Tensor,  # [C, H, W] in 0..1, C = 1 (grey), 3 or 4 (alpha, composited over black)
    face_mask: Tensor | None = None,  # [H', W'] in 0..1
    hair_mask: Tensor | None = None,  # [H', W'] in 0..1
    size: int = SIZE,
) -> Face:
    """Make a Face from an already aligned, square portrait.

    Without a face mask, the oval of a face in FFHQ alignment is used; without a hair mask, the hair
    mask is empty. Masks may differ from the image in size but must have its aspect ratio.

    Raises:
        StableIdentityError: values not finite or outside 0..1, not square, too small, or a mask
            that marks nothing or has another aspect ratio.
    """
    rgb = _to_rgb(image)
    _check_values(rgb, "The portrait")
    height, width = rgb.shape[-2:]
    if min(height, width) < MIN_SIDE:
        raise StableIdentityError(
            f"The portrait is {width}x{height} pixels, needed at least {MIN_SIDE}x{MIN_SIDE}. Use a larger photo."
        )
    if abs(height - width) > 0.02 * max(height, width):
        raise StableIdentityError(
            f"The portrait is {width}x{height} pixels, needed a square, FFHQ-aligned one. Crop it to the head first."
        )
    rgb = TF.resize(rgb, [size, size], interpolation=InterpolationMode.BICUBIC, antialias=True).clamp(0, 1)
    face = ffhq_oval(size) if face_mask is None else _mask(face_mask, "face mask", (height, width), size)
    hair = torch.zeros(size, size) if hair_mask is None else _mask(hair_mask, "hair mask", (height, width), size)
    if face.max() < 0.5:
        raise StableIdentityError(
            "The face mask marks nothing (its largest value is "
            f"{face.max().item():.2f}, needed at least 0.5 somewhere). Paint the face white, or disconnect the mask: "
            "for a picture without a painted mask, Load Image outputs an empty one."
        )
    return Face(image=rgb, face_mask=face, hair_mask=hair)


def ffhq_oval(size: int = SIZE) -> Tensor:  # [S, S]
    """The oval of a face in an FFHQ-aligned portrait, from forehead to chin."""
    axis = (torch.arange(size) + 0.5) / size
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    across, down = (x - OVAL_CENTRE[0]) / OVAL_RADII[0], (y - OVAL_CENTRE[1]) / OVAL_RADII[1]
    return (across**2 + down**2 <= 1).float()


def _to_rgb(image: Tensor) -> Tensor:
    if image.ndim != 3 or image.shape[0] not in (1, 3, 4) or image.numel() == 0:
        raise StableIdentityError(
            f"The portrait has shape {list(image.shape)}, needed one picture [channels, height, width] "
            "with 1 (grey), 3 (RGB) or 4 (RGBA) channels."
        )
    image = image.detach().float().cpu()
    match image.shape[0]:
        case 1:
            return image.expand(3, -1, -1).clone()
        case 4:
            return image[:3] * image[3:]
        case _:
            return image.clone()


def _check_values(image: Tensor, what: str) -> None:
    if not image.isfinite().all():
        bad = (~image.isfinite()).sum().item()
        raise StableIdentityError(f"{what} has {bad} values that are not finite (NaN or infinite). Load it again.")
    low, high = image.min().item(), image.max().item()
    if low < -0.01 or high > 1.01:
        raise StableIdentityError(
            f"{what} has values from {low:.2f} to {high:.2f}, needed 0 to 1, as Load Image outputs them. "
            "Check the node that it comes from."
        )


def fit_mask(mask: Tensor, what: str, picture_size: tuple[int, int]) -> Tensor:
    """Resize a mask [H', W'] to its picture's size (height, width).

    Raises:
        StableIdentityError: empty, values not finite or outside 0..1, or another aspect ratio than the picture.
            An all-zero mask may have any shape: hosts output one for a picture without a mask.
    """
    check_shape(mask, "h w", what)
    if mask.numel() == 0:
        raise StableIdentityError(
            f"The {what} is empty ({mask.shape[1]}x{mask.shape[0]} pixels). Disconnect or repaint it."
        )
    if mask.is_complex():
        raise StableIdentityError(f"The {what} has dtype {mask.dtype}, needed floating-point values from 0 to 1.")
    mask = mask.detach().float().cpu()
    _check_values(mask, f"The {what}")
    height, width = picture_size
    if not mask.any():
        return torch.zeros(picture_size)
    if abs(mask.shape[0] / mask.shape[1] * width / height - 1) > 0.02:
        raise StableIdentityError(
            f"The {what} is {mask.shape[1]}x{mask.shape[0]} pixels, its picture {width}x{height}: "
            "their aspect ratios differ. Make the mask from the same picture."
        )
    if mask.shape == picture_size:
        return mask.clamp(0, 1)
    return TF.resize(mask[None], list(picture_size), antialias=True)[0].clamp(0, 1)


def _mask(mask: Tensor, what: str, picture_size: tuple[int, int], size: int) -> Tensor:
    fitted = fit_mask(mask, what, picture_size)
    return TF.resize(fitted[None], [size, size], antialias=True)[0].clamp(0, 1)

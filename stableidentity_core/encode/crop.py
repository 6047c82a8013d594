"""Crops of an FFHQ-aligned portrait for face encoders, as fractions of its side: left, top, right, bottom."""

from __future__ import annotations

from collections.abc import Sequence

import torchvision.transforms.v2.functional as TF
from torch import Tensor
from torchvision.transforms import InterpolationMode

from ..shapes import check_shape

Box = tuple[float, float, float, float]

# The published training code's crop of a 512-pixel portrait.
FACE_BOX: Box = (64 / 512, 70 / 512, 440 / 512, 446 / 512)

# Eyes (the one on the viewer's left first), nose, mouth corners. FFHQ: mean of RetinaFace's landmarks over the dataset
# at 512 pixels, from facexlib's template for face restoration. ArcFace: InsightFace's template.
FFHQ_POINTS = (
    (192.98138, 239.94708),
    (318.90277, 240.1936),
    (256.63416, 314.01935),
    (201.26117, 371.41043),
    (313.08905, 371.15118),
)
ARCFACE_POINTS = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)
ARCFACE_SIZE = 112


def template_box(
    points: Sequence[tuple[float, float]], template: Sequence[tuple[float, float]], side: int, size: int
) -> Box:
    """The square crop of a picture of `side` pixels that best maps its points to a template of `size` pixels.

    Scale s and translation t minimise the least-squares error s p + t - q over all points p and q. There
    is no rotation: the best one between FFHQ and ArcFace is 0.009 degrees. Both templates are made for
    OpenCV's warpAffine, where integer coordinates are pixel centres.
    """
    count = len(points)
    centre = [sum(point[axis] for point in points) / count for axis in (0, 1)]
    goal = [sum(point[axis] for point in template) / count for axis in (0, 1)]
    covered, spread = 0.0, 0.0
    for p, q in zip(points, template, strict=True):
        for axis in (0, 1):
            covered += (p[axis] - centre[axis]) * (q[axis] - goal[axis])
            spread += (p[axis] - centre[axis]) ** 2
    scale = covered / spread
    left, top = (c + 0.5 - (g + 0.5) / scale for c, g in zip(centre, goal, strict=True))
    return left / side, top / side, (left + size / scale) / side, (top + size / scale) / side


# (0.1241, 0.1171, 0.8730, 0.8660): eyes and mouth of the mean FFHQ face lie within 2.5 of 112 pixels of the template.
ARCFACE_BOX = template_box(FFHQ_POINTS, ARCFACE_POINTS, side=512, size=ARCFACE_SIZE)


def crop_face(portraits: Tensor, box: Box) -> Tensor:
    """Portraits [B, 3, S, S] -> their faces [B, 3, h, w] float32, cropped at whole pixels.

    Raises:
        ShapeError: not square RGB images.
    """
    side = check_shape(portraits, "b 3 s s", "portraits")["s"]
    left, top, right, bottom = (round(edge * side) for edge in box)
    return portraits.float()[..., top:bottom, left:right]


def resize(
    pictures: Tensor, height: int, width: int, interpolation: InterpolationMode = InterpolationMode.BILINEAR
) -> Tensor:
    """Pictures [B, 3, h, w] in 0..1 -> [B, 3, height, width] in 0..1."""
    resized = TF.resize(pictures, [height, width], interpolation=interpolation, antialias=True)
    return resized.clamp(0, 1) if interpolation == InterpolationMode.BICUBIC else resized

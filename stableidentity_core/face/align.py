"""FFHQ alignment: where the portrait lies in the photo, and the way there and back for points, pictures and masks.

FFHQ (Karras et al., CVPR 2019, arXiv 1812.04948, appendix A) cuts a square. With e the vector from
eye to eye, m from the middle of the eyes to the middle of the mouth, and m' being m turned to point
as e does, its upper edge runs along e + m', its side is max(4 |e|, 3.6 |m|) and its middle lies 0.1 m
below the eyes. So there is no template of five points; of an upright face the eyes land at
x = S/2 -+ S |e| / (2 side) and y = S/2 - 0.1 S |m| / side, for the usual |m| = |e| at 0.375 S and
0.625 S, 0.475 S.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import StableIdentityError
from ..shapes import check_shape
from .landmarks import face_vectors, landmark_problem
from .portrait import MIN_SIDE, SIZE
from .warp import carry_back, carry_over

ALREADY_ALIGNED = 0.03
"""Part of the portrait's size. Landmarks placed by hand on two portraits of FFHQ put its corners 0.018 off."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Alignment:
    """The way from a photo to a portrait and back; in both, the middle of the first pixel is at 0.5."""

    matrix: Tensor  # [2, 3] float64, affine, from photo pixels (x, y, 1) to portrait pixels
    size: int  # S of the portrait

    def __post_init__(self):
        check_shape(self.matrix, "2 3", "matrix of an alignment")

    def map_points(self, points: Tensor) -> Tensor:
        """Points [n, 2] of the photo -> of the portrait."""
        check_shape(points, "n 2", "points")
        return (points.double() @ self.matrix[:, :2].T + self.matrix[:, 2]).to(points.dtype)

    def unmap_points(self, points: Tensor) -> Tensor:
        """Points [n, 2] of the portrait -> of the photo."""
        check_shape(points, "n 2", "points")
        return ((points.double() - self.matrix[:, 2]) @ torch.linalg.inv(self.matrix[:, :2]).T).to(points.dtype)

    @property
    def corners(self) -> Tensor:  # [4, 2]
        """The portrait's corners in the photo: upper left, upper right, lower right, lower left."""
        return self.unmap_points(_corners(self.size, self.size))

    @property
    def enlargement(self) -> float:
        """How many pixels of the portrait one of the photo becomes; above 1 the portrait is blurred."""
        return self.matrix[:, :2].det().abs().sqrt().item()

    def warp(self, photo: Tensor) -> Tensor:  # [C, S, S]
        """Cut the portrait out of a photo [C, H, W] in 0..1.

        Where it reaches beyond the photo, the photo is mirrored and blends into blur and its median
        colour, as in FFHQ. A photo that is the portrait already is returned itself.

        Raises:
            StableIdentityError: nothing of the portrait lies in the photo.
        """
        sizes = check_shape(photo, "c h w", "The photo")
        if self._keeps(sizes["h"], sizes["w"]):
            return photo
        self._check_overlap(sizes["h"], sizes["w"])
        return carry_over(photo, self.matrix, self.size, soften=True).clamp(0, 1)

    def warp_mask(self, mask: Tensor) -> Tensor:  # [S, S]
        """Cut the portrait's part out of a mask [H, W] of the photo in 0..1; beyond the photo it is 0."""
        sizes = check_shape(mask, "h w", "The mask")
        if self._keeps(sizes["h"], sizes["w"]):
            return mask
        self._check_overlap(sizes["h"], sizes["w"])
        return carry_over(mask[None].float(), self.matrix, self.size, soften=False)[0].clamp(0, 1)

    def unwarp_mask(self, mask: Tensor, photo_size: tuple[int, int]) -> Tensor:  # [H, W]
        """Lay a mask [S, S] of the portrait on a photo of (height, width); elsewhere it is 0."""
        check_shape(mask, "s s", "The mask", s=self.size)
        if self._keeps(*photo_size):
            return mask
        self._check_overlap(*photo_size)
        return carry_back(mask.float(), self.matrix, photo_size).clamp(0, 1)

    def _keeps(self, height: int, width: int) -> bool:
        """The photo is the portrait, pixel by pixel."""
        moved = self.corners - _corners(height, width)
        return (height, width) == (self.size, self.size) and moved.norm(dim=1).max().item() < 1

    def _check_overlap(self, height: int, width: int) -> None:
        low, high = self.corners.amin(0).tolist(), self.corners.amax(0).tolist()
        if high[0] < 1 or high[1] < 1 or low[0] > width - 1 or low[1] > height - 1:
            raise StableIdentityError(
                f"The portrait reaches from ({low[0]:.0f}, {low[1]:.0f}) to ({high[0]:.0f}, {high[1]:.0f}), outside "
                f"the {width}x{height} pixels of the picture. Use the landmarks of this very picture."
            )


def align_face(
    landmarks: Tensor, photo_size: tuple[int, int], size: int = SIZE, already_aligned: float = ALREADY_ALIGNED
) -> Alignment:
    """Find FFHQ's square for a face; its formulas are at the top of this file.

    A photo that is a portrait already is kept as it is, only resized when its size is another:
    when the corners of the square are nearer to the photo's own than any five points are exact.

    Args:
        landmarks: [5, 2] x, y of the eye at the viewer's left, the eye at the right, nose and
            corners of the mouth, in pixels of the photo.
        photo_size: height and width in pixels.
        size: S of the portrait, at least 64.
        already_aligned: the largest distance of the corners for that, as a part of the square's
            side; 0 always cuts.

    Raises:
        StableIdentityError: landmarks not finite, in one place or in an order no face has; a size
            too small.
    """
    if size < MIN_SIDE:
        raise StableIdentityError(f"The portrait's size is {size} pixels, needed at least {MIN_SIDE}.")
    if problem := landmark_problem(landmarks):
        raise StableIdentityError(
            f"The five points of the face cannot be used: {problem}. Choose another face or photo."
        )
    middle, edge = _ffhq_square(landmarks)
    turned = torch.stack([-edge[1], edge[0]])  # down along the left edge
    side = edge.norm()
    # Rows are the portrait's axes in the photo; a portrait pixel is `side / size` of the photo's.
    linear = torch.stack([edge, turned]) / side * (size / side)
    shift = size / 2 - linear @ middle
    alignment = Alignment(matrix=torch.cat([linear, shift[:, None]], dim=1), size=size)
    height, width = photo_size
    moved = (alignment.corners - _corners(height, width)).norm(dim=1).max()
    if moved <= already_aligned * side:
        whole = torch.tensor([[size / width, 0, 0], [0, size / height, 0]], dtype=torch.float64)
        return Alignment(matrix=whole, size=size)
    return alignment


def _ffhq_square(landmarks: Tensor) -> tuple[Tensor, Tensor]:
    """Middle [2] and upper edge [2] (from left to right) of the square, float64."""
    face = face_vectors(landmarks)
    along = face.eye_to_eye + face.upright
    side = torch.maximum(4 * face.eye_to_eye.norm(), 3.6 * face.eyes_to_mouth.norm())
    return face.eyes + 0.1 * face.eyes_to_mouth, along / along.norm() * side


def _corners(height: int, width: int) -> Tensor:
    return torch.tensor([[0, 0], [width, 0], [width, height], [0, height]], dtype=torch.float64)

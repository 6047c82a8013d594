"""FFHQ alignment: the portrait's square in the photo, and the mapping of points, images and masks in both directions.

FFHQ (Karras et al., CVPR 2019, arXiv 1812.04948, appendix A) crops a square. Let e be the vector from
eye to eye, m the vector from the midpoint of the eyes to the midpoint of the mouth, and m' the vector
m rotated to point in the direction of e. The square's upper edge is parallel to e + m', its side is
max(4 |e|, 3.6 |m|), and its centre is 0.1 m below the eyes. There is no template of five points; in
an upright face the eyes end up at x = S/2 -+ S |e| / (2 side) and y = S/2 - 0.1 S |m| / side. For the
usual |m| = |e| that is x = 0.375 S and 0.625 S, y = 0.475 S.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import StableIdentityError
from ..shapes import check_shape
from .landmarks import face_vectors, landmark_problem
from .portrait import MIN_SIDE, SIZE
from .warp import warp_to_square

ALREADY_ALIGNED = 0.03
"""As a fraction of the portrait's side. Landmarks placed by hand on two FFHQ portraits moved its corners by 0.018."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Alignment:
    """The mapping between a photo and its portrait; in both, the centre of the first pixel is at 0.5."""

    matrix: Tensor  # [2, 3] float64, affine, from photo pixels (x, y, 1) to portrait pixels
    size: int  # S, the portrait's side in pixels

    def __post_init__(self):
        check_shape(self.matrix, "2 3", "matrix of an alignment")

    def map_points(self, points: Tensor) -> Tensor:
        """Photo coordinates [n, 2] -> portrait coordinates."""
        check_shape(points, "n 2", "points")
        return (points.double() @ self.matrix[:, :2].T + self.matrix[:, 2]).to(points.dtype)

    def unmap_points(self, points: Tensor) -> Tensor:
        """Portrait coordinates [n, 2] -> photo coordinates."""
        check_shape(points, "n 2", "points")
        return ((points.double() - self.matrix[:, 2]) @ torch.linalg.inv(self.matrix[:, :2]).T).to(points.dtype)

    @property
    def corners(self) -> Tensor:  # [4, 2]
        """The portrait's corners in the photo: upper left, upper right, lower right, lower left."""
        return self.unmap_points(_corners(self.size, self.size))

    @property
    def enlargement(self) -> float:
        """Portrait pixels per photo pixel, along a side; above 1 the portrait is upscaled and therefore blurred."""
        return self.matrix[:, :2].det().abs().sqrt().item()

    def warp(self, photo: Tensor) -> Tensor:  # [C, S, S]
        """Crop the portrait from a photo [C, H, W] in 0..1.

        Where the portrait extends beyond the photo, the photo is mirrored and fades into a blur and
        its median colour, as in FFHQ. A photo that already is the portrait is returned unchanged.

        Raises:
            StableIdentityError: the portrait lies entirely outside the photo.
        """
        sizes = check_shape(photo, "c h w", "The photo")
        if self._is_identity(sizes["h"], sizes["w"]):
            return photo
        self._check_overlap(sizes["h"], sizes["w"])
        return warp_to_square(photo, self.matrix, self.size, soften=True).clamp(0, 1)

    def warp_mask(self, mask: Tensor) -> Tensor:  # [S, S]
        """Crop the portrait from a mask [H, W] of the photo in 0..1; outside the photo the result is 0."""
        sizes = check_shape(mask, "h w", "The mask")
        if self._is_identity(sizes["h"], sizes["w"]):
            return mask
        self._check_overlap(sizes["h"], sizes["w"])
        return warp_to_square(mask[None].float(), self.matrix, self.size, soften=False)[0].clamp(0, 1)

    def _is_identity(self, height: int, width: int) -> bool:
        """Whether the photo is the portrait, pixel by pixel."""
        moved = self.corners - _corners(height, width)
        return (height, width) == (self.size, self.size) and moved.norm(dim=1).max().item() < 1

    def _check_overlap(self, height: int, width: int) -> None:
        low, high = self.corners.amin(0).tolist(), self.corners.amax(0).tolist()
        if high[0] < 1 or high[1] < 1 or low[0] > width - 1 or low[1] > height - 1:
            raise StableIdentityError(
                f"The portrait spans ({low[0]:.0f}, {low[1]:.0f}) to ({high[0]:.0f}, {high[1]:.0f}), outside the "
                f"{width}x{height} pixels of the image. Use landmarks that were detected in this image."
            )


def align_face(
    landmarks: Tensor, photo_size: tuple[int, int], size: int = SIZE, already_aligned: float = ALREADY_ALIGNED
) -> Alignment:
    """Find the FFHQ square of a face; the formulas are in the module docstring.

    A photo that is already an aligned portrait is only resized. It counts as aligned when the corners
    of the square are closer to the photo's corners than landmarks are accurate.

    Args:
        landmarks: [5, 2] x, y of the eye on the viewer's left, the eye on the right, nose and mouth
            corners, in photo pixels.
        photo_size: height and width in pixels.
        size: S, the portrait's side, at least 64.
        already_aligned: the largest corner distance at which the photo counts as aligned, as a
            fraction of the square's side; 0 always crops.

    Raises:
        StableIdentityError: landmarks that are not finite, that coincide or that no face can have; a
            size that is too small.
    """
    if size < MIN_SIDE:
        raise StableIdentityError(f"The portrait's size is {size} pixels, needed at least {MIN_SIDE}.")
    if problem := landmark_problem(landmarks):
        raise StableIdentityError(
            f"The five points of the face cannot be used: {problem}. Choose another face or photo."
        )
    middle, edge = _ffhq_square(landmarks)
    down = torch.stack([-edge[1], edge[0]])  # along the left edge
    side = edge.norm()
    # Rows are the portrait's axes in the photo; one portrait pixel spans `side / size` photo pixels.
    linear = torch.stack([edge, down]) / side * (size / side)
    shift = size / 2 - linear @ middle
    alignment = Alignment(matrix=torch.cat([linear, shift[:, None]], dim=1), size=size)
    height, width = photo_size
    moved = (alignment.corners - _corners(height, width)).norm(dim=1).max()
    if moved <= already_aligned * side:
        whole = torch.tensor([[size / width, 0, 0], [0, size / height, 0]], dtype=torch.float64)
        return Alignment(matrix=whole, size=size)
    return alignment


def _ffhq_square(landmarks: Tensor) -> tuple[Tensor, Tensor]:
    """Center [2] and upper edge [2] (from left to right) of the square, float64."""
    face = face_vectors(landmarks)
    along = face.eye_to_eye + face.upright
    side = torch.maximum(4 * face.eye_to_eye.norm(), 3.6 * face.eyes_to_mouth.norm())
    return face.eyes + 0.1 * face.eyes_to_mouth, along / along.norm() * side


def _corners(height: int, width: int) -> Tensor:
    return torch.tensor([[0, 0], [width, 0], [width, height], [0, height]], dtype=torch.float64)

"""The five points of a face, in the order that RetinaFace gives them, and whether they can be those of a face."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..shapes import check_shape

MIN_DISTANCE = 1.0  # pixels


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceVectors:
    """What the geometry of a face hangs on, in pixels, each [2] float64."""

    eyes: Tensor  # middle between the eyes
    eye_to_eye: Tensor  # from the eye at the viewer's left to the other
    eyes_to_mouth: Tensor  # from there to the middle between the corners of the mouth

    @property
    def upright(self) -> Tensor:
        """`eyes_to_mouth` turned to point as `eye_to_eye` does in an upright face."""
        x, y = self.eyes_to_mouth
        return torch.stack([y, -x])


def face_vectors(landmarks: Tensor) -> FaceVectors:
    """Five points [5, 2] (x, y of the eye at the viewer's left, eye at the right, nose, mouth corners) -> vectors."""
    check_shape(landmarks, "5 2", "The landmarks")
    left_eye, right_eye, _, left_mouth, right_mouth = landmarks.detach().cpu().double()
    eyes = (left_eye + right_eye) / 2
    return FaceVectors(eyes=eyes, eye_to_eye=right_eye - left_eye, eyes_to_mouth=(left_mouth + right_mouth) / 2 - eyes)


def landmark_problem(landmarks: Tensor) -> str | None:
    """What makes five points [5, 2] useless for alignment, or None.

    The eyes of a face in profile nearly coincide and its mouth is still below them, so only all
    that leaves no direction is refused.
    """
    if not landmarks.isfinite().all():
        return "they are not finite"
    vectors = face_vectors(landmarks)
    eyes, mouth = vectors.eye_to_eye.norm().item(), vectors.eyes_to_mouth.norm().item()
    if max(eyes, mouth) < MIN_DISTANCE:
        return f"they coincide (eyes {eyes:.2f} pixels apart, mouth {mouth:.2f} pixels from the eyes)"
    if mouth < 0.1 * eyes:
        return f"the mouth is between the eyes ({mouth:.1f} pixels from their middle, they are {eyes:.1f} apart)"
    if (vectors.eye_to_eye + vectors.upright).norm().item() < 0.3 * (eyes + mouth):
        return "the eyes are in the wrong order or the mouth is above them"
    return None

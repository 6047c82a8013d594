"""The five landmarks of a face, in RetinaFace's order, and a plausibility check."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..shapes import check_shape

MIN_DISTANCE = 1.0  # pixels


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceVectors:
    """The vectors that define a face's geometry, in pixels, each [2] float64."""

    eyes: Tensor  # midpoint of the eyes
    eye_to_eye: Tensor  # from the eye on the viewer's left to the other
    eyes_to_mouth: Tensor  # from the midpoint of the eyes to the midpoint of the mouth corners

    @property
    def upright(self) -> Tensor:
        """`eyes_to_mouth` rotated by 90 degrees, into the direction that `eye_to_eye` has in a frontal face."""
        x, y = self.eyes_to_mouth
        return torch.stack([y, -x])


def face_vectors(landmarks: Tensor) -> FaceVectors:
    """Landmarks [5, 2] (x, y of the eye on the viewer's left, eye on the right, nose, mouth corners) -> vectors."""
    check_shape(landmarks, "5 2", "The landmarks")
    left_eye, right_eye, _, left_mouth, right_mouth = landmarks.detach().cpu().double()
    eyes = (left_eye + right_eye) / 2
    return FaceVectors(eyes=eyes, eye_to_eye=right_eye - left_eye, eyes_to_mouth=(left_mouth + right_mouth) / 2 - eyes)


def landmark_problem(landmarks: Tensor) -> str | None:
    """Why landmarks [5, 2] cannot be used for alignment, or None.

    In profile the eyes nearly coincide but the mouth is still below them, so landmarks are rejected
    only when they define no direction.
    """
    if not landmarks.isfinite().all():
        return "they are not finite"
    vectors = face_vectors(landmarks)
    eyes, mouth = vectors.eye_to_eye.norm().item(), vectors.eyes_to_mouth.norm().item()
    if max(eyes, mouth) < MIN_DISTANCE:
        return f"they coincide (eyes {eyes:.2f} pixels apart, mouth {mouth:.2f} pixels from the eyes)"
    if mouth < 0.1 * eyes:
        return f"the mouth is between the eyes ({mouth:.1f} pixels from their midpoint; they are {eyes:.1f} apart)"
    if (vectors.eye_to_eye + vectors.upright).norm().item() < 0.3 * (eyes + mouth):
        return "the eyes are in the wrong order or the mouth is above them"
    return None

"""The five points of a face that lies on its side or upside down.

Detectors learn from faces that are nearly upright. Of others they give a box, but points that are
tens of degrees askew, or those of an upright face that is not there: RetinaFace mobile0.25 finds
FFHQ's portraits upside down with a score of 0.98 and puts the eyes where the mouth is. Their scores
are best where the face is upright, and looked at in that position their points are good.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from .detect import GREY, Candidate, FaceDetector
from .landmarks import face_vectors, landmark_problem
from .warp import carry_over

UPRIGHT = 15.0  # degrees; there, points are as near to those of the upright face as those of its mirror image are
SURE = 0.999  # upright, three portraits scored 0.9995 and more; turned, with points as of an upright face, 0.998
# The face in 128 and in 85 pixels, where it is seen with what is around it: larger ones misled the score.
LOOKS = ((2.0, 256), (3.0, 256))  # side in sides of the box, pixels
LAST_LOOK = (2.0, 384)
NOT_SEEN = -5.0  # as the logit of a score


def upright(photo: Tensor, candidate: Candidate, detector: FaceDetector) -> Candidate:
    """The candidate, with points that were found with the face upright.

    One that is surely upright stays as it is. Otherwise the detector sees it in four quarter turns,
    and then once more turned by what is left; where it sees nothing better the candidate stays.

    Args:
        photo: [3, H, W] in 0..1.
        candidate: as `detect_faces` gives it for this photo.
    """
    roll = _roll(candidate.landmarks)
    if candidate.score >= SURE and abs(roll) <= UPRIGHT:
        return candidate
    near = _Surroundings(photo, candidate)
    quarters = [near.score(detector, angle) for angle in (0.0, 90.0, 180.0, -90.0)]
    best = max(range(4), key=quarters.__getitem__)  # of equals the first: as it lies
    if not best and abs(roll) <= UPRIGHT:
        return candidate
    angle, points = 90.0 * best, None
    for _ in range(3):
        seen = near.points(detector, angle)
        if seen is None:
            break
        points = seen
        left = (_roll(seen) - angle + 180) % 360 - 180
        if abs(left) <= UPRIGHT / 3:
            break
        angle += left
    return candidate if points is None else replace(candidate, landmarks=points)


class _Surroundings:
    """What lies around a face, to be looked at from every side."""

    def __init__(self, photo: Tensor, candidate: Candidate):
        corners = candidate.box.double().view(2, 2)
        self.side = (corners[1] - corners[0]).max().item()
        middle = corners.mean(0)
        reach = max(factor for factor, _ in (*LOOKS, LAST_LOOK)) * self.side / math.sqrt(2) + 2
        limits = torch.tensor([photo.shape[2], photo.shape[1]])
        low = (middle - reach).floor().clamp(min=0).minimum(limits - 1).int().tolist()
        high = (middle + reach).ceil().minimum(limits).clamp(min=1).int().tolist()
        self.corner = torch.tensor(low, dtype=torch.float64)
        self.middle = middle - self.corner
        self.part = photo[:, low[1] : high[1], low[0] : high[0]].float() - GREY  # so that 0 beyond the border is grey

    def score(self, detector: FaceDetector, angle: float) -> float:
        """How much it looks like a face whose top is at `angle` degrees clockwise: the mean logit of the scores."""
        scores = []
        for factor, size in LOOKS:
            seen = self._look(detector, angle, factor, size)
            score = 0.0 if seen is None else min(max(seen[0], 1e-7), 1 - 1e-7)
            scores.append(math.log(score / (1 - score)) if score else NOT_SEEN)
        return sum(scores) / len(scores)

    def points(self, detector: FaceDetector, angle: float) -> Tensor | None:
        """The five points [5, 2] in pixels of the photo, or None where none can be those of a face."""
        seen = self._look(detector, angle, *LAST_LOOK)
        return None if seen is None or landmark_problem(seen[1]) else seen[1]

    def _look(self, detector: FaceDetector, angle: float, factor: float, size: int) -> tuple[float, Tensor] | None:
        """Score and points of the best face whose middle is near that of the box."""
        matrix = self._matrix(angle, factor, size)
        found = detector(carry_over(self.part, matrix, size, soften=False) + GREY)
        boxes = found.boxes.cpu().float().view(-1, 2, 2)
        near = (boxes.mean(1) - size / 2).norm(dim=1) < size / 4
        if not near.any():
            return None
        at = int(near.nonzero()[0])
        points = found.landmarks[at].cpu().double()
        back = (points - matrix[:, 2]) @ torch.linalg.inv(matrix[:, :2]).T + self.corner
        return found.scores[at].item(), back.float()

    def _matrix(self, angle: float, factor: float, size: int) -> Tensor:  # [2, 3]
        """From the part's pixels to those of a square that is turned by `angle` degrees about the face."""
        turn = math.radians(angle)
        rows = [[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]]
        linear = torch.tensor(rows, dtype=torch.float64) * (size / (factor * self.side))
        return torch.cat([linear, (size / 2 - linear @ self.middle)[:, None]], dim=1)


def _roll(landmarks: Tensor) -> float:
    """Degrees clockwise by which a face lies off upright, as alignment sees it."""
    face = face_vectors(landmarks)
    x, y = (face.eye_to_eye + face.upright).tolist()
    return math.degrees(math.atan2(y, x))

"""The five landmarks of a face that is rotated sideways or upside down.

Detectors are trained on nearly upright faces. For rotated ones they return a good box, but landmarks
that are off by tens of degrees or that fit an upright face: RetinaFace mobile0.25 detects upside-down
FFHQ portraits with a score of 0.98 and places the eyes at the mouth. Scores are highest when the face
is upright, and in that position the landmarks are good.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from .detect import GREY, Candidate, FaceDetector
from .landmarks import face_vectors, landmark_problem
from .warp import warp_to_square

UPRIGHT = 15.0  # degrees; up to here, landmarks are as accurate as those of the upright face and its mirror image
SURE = 0.999  # three portraits scored at least 0.9995 upright, and 0.998 rotated with landmarks of an upright face
# The face at 128 and at 85 pixels, with its surroundings: larger faces gave misleading scores.
CROPS = ((2.0, 256), (3.0, 256))  # side in units of the box's side, pixels
FINAL_CROP = (2.0, 384)
NOT_FOUND_LOGIT = -5.0


def upright(photo: Tensor, candidate: Candidate, detector: FaceDetector) -> Candidate:
    """The candidate with landmarks that were detected with the face upright.

    A candidate that is clearly upright is returned unchanged. Otherwise the detector runs on four
    quarter turns, then on the best one with the remaining angle corrected. If that finds nothing
    better, the candidate is returned unchanged.

    Args:
        photo: [3, H, W] in 0..1.
        candidate: from `detect_faces` for this photo.
    """
    roll = _roll(candidate.landmarks)
    if candidate.score >= SURE and abs(roll) <= UPRIGHT:
        return candidate
    near = _Surroundings(photo, candidate)
    quarters = [near.score(detector, angle) for angle in (0.0, 90.0, 180.0, -90.0)]
    best = max(range(4), key=quarters.__getitem__)  # on a tie the first: unrotated
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
    """A face with its surroundings, for detection at any rotation."""

    def __init__(self, photo: Tensor, candidate: Candidate):
        corners = candidate.box.double().view(2, 2)
        self.side = (corners[1] - corners[0]).max().item()
        middle = corners.mean(0)
        reach = max(factor for factor, _ in (*CROPS, FINAL_CROP)) * self.side / math.sqrt(2) + 2
        limits = torch.tensor([photo.shape[2], photo.shape[1]])
        low = (middle - reach).floor().clamp(min=0).minimum(limits - 1).int().tolist()
        high = (middle + reach).ceil().minimum(limits).clamp(min=1).int().tolist()
        self.corner = torch.tensor(low, dtype=torch.float64)
        self.middle = middle - self.corner
        self.part = photo[:, low[1] : high[1], low[0] : high[0]].float() - GREY  # 0 outside is then grey

    def score(self, detector: FaceDetector, angle: float) -> float:
        """Evidence for a face whose top is at `angle` degrees clockwise: the mean logit of the scores."""
        scores = []
        for factor, size in CROPS:
            seen = self._detect(detector, angle, factor, size)
            score = 0.0 if seen is None else min(max(seen[0], 1e-7), 1 - 1e-7)
            scores.append(math.log(score / (1 - score)) if score else NOT_FOUND_LOGIT)
        return sum(scores) / len(scores)

    def points(self, detector: FaceDetector, angle: float) -> Tensor | None:
        """The five landmarks [5, 2] in photo pixels, or None if no plausible ones are found."""
        seen = self._detect(detector, angle, *FINAL_CROP)
        return None if seen is None or landmark_problem(seen[1]) else seen[1]

    def _detect(self, detector: FaceDetector, angle: float, factor: float, size: int) -> tuple[float, Tensor] | None:
        """Score and landmarks of the best face whose centre is near the box's."""
        matrix = self._matrix(angle, factor, size)
        found = detector(warp_to_square(self.part, matrix, size, soften=False) + GREY)
        boxes = found.boxes.cpu().float().view(-1, 2, 2)
        near = (boxes.mean(1) - size / 2).norm(dim=1) < size / 4
        if not near.any():
            return None
        at = int(near.nonzero()[0])
        points = found.landmarks[at].cpu().double()
        back = (points - matrix[:, 2]) @ torch.linalg.inv(matrix[:, :2]).T + self.corner
        return found.scores[at].item(), back.float()

    def _matrix(self, angle: float, factor: float, size: int) -> Tensor:  # [2, 3]
        """From pixels of the part to pixels of a square rotated by `angle` degrees around the face."""
        turn = math.radians(angle)
        rows = [[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]]
        linear = torch.tensor(rows, dtype=torch.float64) * (size / (factor * self.side))
        return torch.cat([linear, (size / 2 - linear @ self.middle)[:, None]], dim=1)


def _roll(landmarks: Tensor) -> float:
    """A face's rotation in degrees clockwise, as alignment computes it."""
    face = face_vectors(landmarks)
    x, y = (face.eye_to_eye + face.upright).tolist()
    return math.degrees(math.atan2(y, x))

"""Face detection in a photo: the detector runs at several sizes, and its results are mapped to photo pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ..errors import NoFaceError, StableIdentityError
from ..shapes import check_shape
from .landmarks import landmark_problem
from .photo import downscale

THRESHOLD = 0.8
MIN_SIDE = 16
QUARTER_TURNS = (1, 3, 2)  # counterclockwise; sideways photos are more common than upside-down ones
GREY = 0.45  # close to the mean colour that detectors subtract, so padding of it is neutral


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """One face detected in a photo, in photo pixels (the centre of the first pixel is at 0.5)."""

    box: Tensor  # [4] left, top, right, bottom; may extend beyond the photo
    score: float  # 0..1
    landmarks: Tensor  # [5, 2] x, y: eye on the viewer's left, eye on the right, nose, left and right mouth corner


@dataclass(frozen=True, kw_only=True, eq=False)
class Detections:
    """A detector's results for one image, in its pixels: best first, one per face, low scores included."""

    boxes: Tensor  # [n, 4] left, top, right, bottom
    scores: Tensor  # [n] in 0..1
    landmarks: Tensor  # [n, 5, 2]

    def __post_init__(self):
        sizes = check_shape(self.boxes, "n 4", "boxes of faces")
        check_shape(self.scores, "n", "scores of faces", **sizes)
        check_shape(self.landmarks, "n 5 2", "landmarks of faces", **sizes)


class FaceDetector(Protocol):
    """Finds faces in an image at the size it is given."""

    @property
    def name(self) -> str: ...

    def __call__(self, picture: Tensor) -> Detections:  # [3, h, w] in 0..1
        ...


@dataclass(frozen=True)
class View:
    """A size at which the detector sees the photo."""

    long_side: int
    canvas: int = 0  # side of a larger grey square around the photo; 0 for none

    def __str__(self) -> str:
        return f"{self.long_side}" + (f" (within {self.canvas})" if self.canvas else "")


@dataclass
class _Rejected:
    """Detections that were not good enough, for the error message."""

    best: Candidate | None = None
    landmarks: list[str] = field(default_factory=list)


def plan_views(height: int, width: int) -> list[View]:
    """Sizes to try, the cheapest promising one first.

    The detectors were trained at 640; 1280 shows smaller faces; 320 within 640 helps where a face
    fills the frame or is cropped by the border; 2150 is the published detector's limit.
    """
    side = max(height, width)
    views = [View(640), View(1280)] if side > 640 else [View(640)]
    return [*views, View(320, canvas=640)] + ([View(min(side, 2150))] if side > 1280 else [])


def detect_faces(photo: Tensor, detector: FaceDetector, threshold: float = THRESHOLD) -> list[Candidate]:
    """Find the faces of a photo at the first size that shows any; if none does, rotate the photo by quarter turns.

    The landmarks of faces that are not upright are imprecise; `upright` refines them.

    Args:
        photo: [3, H, W] in 0..1.
        detector: for example from `load_retinaface`.
        threshold: the minimum score of a face, between 0 and 1.

    Returns:
        The faces in photo pixels, from left to right (by the centre of their boxes; of two at the
        same x the upper one first). Number 1 is the leftmost.

    Raises:
        NoFaceError: no face; the message lists what was tried and the best rejected candidate.
        StableIdentityError: a photo with a side of less than 16 pixels.
    """
    height, width = _check(photo, threshold)
    views = plan_views(height, width)
    rejected = _Rejected()
    for turns, view in [*((0, view) for view in views), *((turns, views[0]) for turns in QUARTER_TURNS)]:
        seen = _detect_at(torch.rot90(photo, turns, (1, 2)), detector, view)
        found = [_rotate_back(candidate, turns, height, width) for candidate in seen]
        if candidates := [candidate for candidate in found if _is_face(candidate, threshold, rejected)]:
            return sorted(candidates, key=_reading_order)
    raise NoFaceError(_no_face_message(height, width, views, threshold, rejected))


def _check(photo: Tensor, threshold: float) -> tuple[int, int]:
    sizes = check_shape(photo, "3 h w", "The photo")
    if min(sizes["h"], sizes["w"]) < MIN_SIDE:
        raise StableIdentityError(
            f"The photo is {sizes['w']}x{sizes['h']} pixels, needed at least {MIN_SIDE}x{MIN_SIDE}. Use a larger photo."
        )
    if not 0 < threshold < 1:
        raise StableIdentityError(f"The face detection threshold is {threshold}, needed a value between 0 and 1.")
    return sizes["h"], sizes["w"]


def _detect_at(photo: Tensor, detector: FaceDetector, view: View) -> list[Candidate]:
    height, width = photo.shape[1:]
    scale = view.long_side / max(height, width)
    shown = (max(1, round(height * scale)), max(1, round(width * scale)))
    picture, spanned = downscale(photo, *shown)
    left = top = 0
    if view.canvas:
        left, top = (view.canvas - shown[1]) // 2, (view.canvas - shown[0]) // 2
        canvas = torch.full((3, view.canvas, view.canvas), GREY)
        canvas[:, top : top + shown[0], left : left + shown[1]] = picture
        picture = canvas
    found = detector(picture)
    factor, corner = torch.tensor(spanned), torch.tensor([left, top])
    boxes = (found.boxes.cpu().float().view(-1, 2, 2) - corner) * factor
    landmarks = (found.landmarks.cpu().float() - corner) * factor
    inside = (boxes[:, 1] > 0).all(1) & (boxes[:, 0] < torch.tensor([width, height])).all(1)
    return [
        Candidate(box=box.flatten(), score=score.item(), landmarks=points)
        for box, score, points in zip(boxes[inside], found.scores.cpu()[inside], landmarks[inside], strict=True)
    ]


def _rotate_back(candidate: Candidate, turns: int, height: int, width: int) -> Candidate:
    """Map a candidate from the photo rotated by `turns` quarters counterclockwise to the photo of (height, width)."""
    points = torch.cat([candidate.box.view(2, 2), candidate.landmarks])
    for done in range(turns, 0, -1):  # the width of the photo before its last quarter turn
        before = width if done % 2 else height
        points = torch.stack([before - points[:, 1], points[:, 0]], dim=1)
    box = torch.cat([points[:2].amin(0), points[:2].amax(0)])
    return Candidate(box=box, score=candidate.score, landmarks=points[2:])


def _is_face(candidate: Candidate, threshold: float, rejected: _Rejected) -> bool:
    if not candidate.score >= threshold:
        if rejected.best is None or candidate.score > rejected.best.score:
            rejected.best = candidate
        return False
    if problem := landmark_problem(candidate.landmarks):
        rejected.landmarks.append(problem)
    return problem is None


def _reading_order(candidate: Candidate) -> tuple[float, float, float]:
    left, top, right, bottom = candidate.box.tolist()
    return (left + right, top + bottom, -candidate.score)


def _no_face_message(height: int, width: int, views: list[View], threshold: float, rejected: _Rejected) -> str:
    tried = ", ".join(map(str, views[:-1])) + f" and {views[-1]}"
    text = (
        f"No face found in the photo of {width}x{height} pixels. The detector tried it with a long side of {tried} "
        "pixels, and rotated by 90, 180 and 270 degrees. "
    )
    if rejected.landmarks:
        text += f"One candidate has impossible landmarks: {rejected.landmarks[0]}. "
    elif rejected.best is None:
        text += "Nothing in it looks like a face. "
    if rejected.best is not None:
        left, top, right, bottom = rejected.best.box.tolist()
        text += (
            f"The best candidate scored {rejected.best.score:.2f} (needed {threshold:.2f}) and measures "
            f"{right - left:.0f}x{bottom - top:.0f} pixels. "
        )
    return text + "Use a photo that shows the whole face, or crop it closer to the head."

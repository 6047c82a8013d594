"""Faces in a photo: a detector looks at it in several sizes and gives what it finds in pixels of the photo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ..errors import NoFaceError, StableIdentityError
from ..shapes import check_shape
from .landmarks import landmark_problem
from .photo import shrink_for_looking

THRESHOLD = 0.8
MIN_SIDE = 16
QUARTERS = (1, 3, 2)  # counterclockwise: photos that lie on a side are more frequent than those upside down
GREY = 0.45  # about the mean colour that networks subtract, so that they see nothing there


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """One face found in a photo, in pixels of that photo (the middle of its first pixel is at 0.5)."""

    box: Tensor  # [4] left, top, right, bottom; may reach out of the photo
    score: float  # 0..1
    landmarks: Tensor  # [5, 2] x, y: eye at the viewer's left, eye at the right, nose, mouth corner left, right


@dataclass(frozen=True, kw_only=True, eq=False)
class Detections:
    """What a detector finds in one picture, in its pixels, best first, one per face, doubtful ones included."""

    boxes: Tensor  # [n, 4] left, top, right, bottom
    scores: Tensor  # [n] in 0..1
    landmarks: Tensor  # [n, 5, 2]

    def __post_init__(self):
        sizes = check_shape(self.boxes, "n 4", "boxes of faces")
        check_shape(self.scores, "n", "scores of faces", **sizes)
        check_shape(self.landmarks, "n 5 2", "landmarks of faces", **sizes)


class FaceDetector(Protocol):
    """Finds faces in a picture of the size that it is given."""

    @property
    def name(self) -> str: ...

    def __call__(self, picture: Tensor) -> Detections:  # [3, h, w] in 0..1
        ...


@dataclass(frozen=True)
class View:
    """A size in which the detector sees the photo."""

    long_side: int
    canvas: int = 0  # a larger grey square around it

    def __str__(self) -> str:
        return f"{self.long_side}" + (f" (within {self.canvas})" if self.canvas else "")


@dataclass
class _Refused:
    """What was found and is not good enough, for the message."""

    best: Candidate | None = None
    landmarks: list[str] = field(default_factory=list)


def plan_views(height: int, width: int) -> list[View]:
    """Sizes to try, the cheapest promising one first.

    640 is what the detectors were trained at; 1280 shows smaller faces; 320 within 640 helps where
    a face fills the frame or is cut by the border; up to 2150 is the published detector's limit.
    """
    side = max(height, width)
    views = [View(640), View(1280)] if side > 640 else [View(640)]
    return [*views, View(320, canvas=640)] + ([View(min(side, 2150))] if side > 1280 else [])


def detect_faces(photo: Tensor, detector: FaceDetector, threshold: float = THRESHOLD) -> list[Candidate]:
    """Find the faces of a photo in the first size that shows any, and if none does, of the photo turned.

    The points of faces that do not stand upright are rough; `upright` finds better ones.

    Args:
        photo: [3, H, W] in 0..1.
        detector: such as `load_retinaface` gives.
        threshold: the score from which on something is a face, between 0 and 1.

    Returns:
        the faces from left to right (by the middle of their boxes; of two in line the upper one
        first), in pixels of the photo. Number 1 is the leftmost.

    Raises:
        NoFaceError: no face; the message says what was tried and what came nearest.
        StableIdentityError: a photo of less than 16 pixels a side.
    """
    height, width = _check(photo, threshold)
    views = plan_views(height, width)
    refused = _Refused()
    for turns, view in [*((0, view) for view in views), *((turns, views[0]) for turns in QUARTERS)]:
        seen = _look(torch.rot90(photo, turns, (1, 2)), detector, view)
        found = [_turned_back(candidate, turns, height, width) for candidate in seen]
        if candidates := [candidate for candidate in found if _is_face(candidate, threshold, refused)]:
            return sorted(candidates, key=_reading_order)
    raise NoFaceError(_nothing_found(height, width, views, threshold, refused))


def _check(photo: Tensor, threshold: float) -> tuple[int, int]:
    sizes = check_shape(photo, "3 h w", "The photo")
    if min(sizes["h"], sizes["w"]) < MIN_SIDE:
        raise StableIdentityError(
            f"The photo is {sizes['w']}x{sizes['h']} pixels, needed at least {MIN_SIDE}x{MIN_SIDE}. Use a larger photo."
        )
    if not 0 < threshold < 1:
        raise StableIdentityError(f"The threshold of face detection is {threshold}, needed a value between 0 and 1.")
    return sizes["h"], sizes["w"]


def _look(photo: Tensor, detector: FaceDetector, view: View) -> list[Candidate]:
    height, width = photo.shape[1:]
    scale = view.long_side / max(height, width)
    shown = (max(1, round(height * scale)), max(1, round(width * scale)))
    picture, spanned = shrink_for_looking(photo, *shown)
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


def _turned_back(candidate: Candidate, turns: int, height: int, width: int) -> Candidate:
    """From a photo of (height, width) that was turned by `turns` quarters counterclockwise to the photo itself."""
    points = torch.cat([candidate.box.view(2, 2), candidate.landmarks])
    for done in range(turns, 0, -1):  # the width of the photo before its last quarter turn
        before = width if done % 2 else height
        points = torch.stack([before - points[:, 1], points[:, 0]], dim=1)
    box = torch.cat([points[:2].amin(0), points[:2].amax(0)])
    return Candidate(box=box, score=candidate.score, landmarks=points[2:])


def _is_face(candidate: Candidate, threshold: float, refused: _Refused) -> bool:
    if not candidate.score >= threshold:
        if refused.best is None or candidate.score > refused.best.score:
            refused.best = candidate
        return False
    if problem := landmark_problem(candidate.landmarks):
        refused.landmarks.append(problem)
    return problem is None


def _reading_order(candidate: Candidate) -> tuple[float, float, float]:
    left, top, right, bottom = candidate.box.tolist()
    return (left + right, top + bottom, -candidate.score)


def _nothing_found(height: int, width: int, views: list[View], threshold: float, refused: _Refused) -> str:
    tried = ", ".join(map(str, views[:-1])) + f" and {views[-1]}"
    text = (
        f"No face found in the photo of {width}x{height} pixels, shown to the detector with a long side of {tried}, "
        "and lying on each side and upside down. "
    )
    if refused.landmarks:
        text += f"What looked like one has five points that cannot be a face's: {refused.landmarks[0]}. "
    elif refused.best is None:
        text += "Nothing in it looks like a face. "
    if refused.best is not None:
        left, top, right, bottom = refused.best.box.tolist()
        text += (
            f"The likeliest place scored {refused.best.score:.2f} (needed {threshold:.2f}) and is {right - left:.0f}x"
            f"{bottom - top:.0f} pixels large. "
        )
    return text + "Use a photo that shows the whole face, or crop it closer to the head."

"""Which of several faces is meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor

from ..errors import NoFaceError, StableIdentityError
from .detect import Candidate

FaceRule = Literal["largest", "most central", "leftmost", "number"]


def choose_face(
    candidates: Sequence[Candidate], rule: FaceRule, photo_size: tuple[int, int], number: int = 1
) -> Candidate:
    """Choose one face by a rule that gives the same one each time.

    `largest` compares what of the boxes lies within the photo, `most central` the distance of its
    middle from the photo's. `leftmost` is number 1: faces are numbered from left to right from 1
    on, as in the preview. Of equal faces the one with the lower number is taken.

    Args:
        candidates: from left to right, as `detect_faces` gives them.
        rule: one of the above, or `number`.
        photo_size: height and width in pixels.
        number: which face, for the rule `number`.

    Raises:
        NoFaceError: no face of this number.
        StableIdentityError: no faces, or no such rule.
    """
    if not candidates:
        raise StableIdentityError("There are 0 faces to choose from, needed at least 1. Use another photo.")
    match rule:
        case "largest":
            return max(candidates, key=lambda candidate: _area(_within(candidate.box, photo_size)))
        case "most central":
            return min(candidates, key=lambda candidate: _off_center(_within(candidate.box, photo_size), photo_size))
        case "leftmost":
            return candidates[0]
        case "number":
            if not 1 <= number <= len(candidates):
                count = "is 1 face" if len(candidates) == 1 else f"are {len(candidates)} faces"
                raise NoFaceError(
                    f"Face number {number} was asked for, and there {count} in the photo, numbered from left to right "
                    f"from 1 on. Choose 1{'' if len(candidates) == 1 else f' to {len(candidates)}'}."
                )
            return candidates[number - 1]
        case _:
            raise StableIdentityError(
                f"There is no rule {rule!r} for choosing a face: {', '.join(get_args(FaceRule))}."
            )


def _within(box: Tensor, photo_size: tuple[int, int]) -> list[float]:
    height, width = photo_size
    left, top, right, bottom = box.tolist()
    return [max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom)]


def _area(box: list[float]) -> float:
    left, top, right, bottom = box
    return max(0.0, right - left) * max(0.0, bottom - top)


def _off_center(box: list[float], photo_size: tuple[int, int]) -> float:
    left, top, right, bottom = box
    return (left + right - photo_size[1]) ** 2 + (top + bottom - photo_size[0]) ** 2

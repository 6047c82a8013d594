"""Choosing one of several faces."""

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
    """Choose one face by a deterministic rule.

    `largest` compares the area of the boxes within the photo, `most central` the distance between the
    centres of that part and of the photo. `leftmost` is number 1: faces are numbered from left to
    right starting at 1, as in the preview. On a tie the lower number is chosen.

    Args:
        candidates: from left to right, as returned by `detect_faces`.
        rule: one of the above, or `number`.
        photo_size: height and width in pixels.
        number: which face, for the rule `number`.

    Raises:
        NoFaceError: no face has this number.
        StableIdentityError: no faces, or an unknown rule.
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
                    f"Face number {number} was requested, but there {count} in the photo, numbered from left to right "
                    f"starting at 1. Choose 1{'' if len(candidates) == 1 else f' to {len(candidates)}'}."
                )
            return candidates[number - 1]
        case _:
            raise StableIdentityError(
                f"Unknown rule {rule!r} for choosing a face, needed one of: {', '.join(get_args(FaceRule))}."
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

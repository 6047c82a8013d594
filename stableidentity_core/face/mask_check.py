"""Checks whether the user's masks agree with the face.

The face is what the parser marks as face. Without a parser it is only known roughly: in an aligned
portrait, brows to mouth lie in one region and the whole face in an oval. Users paint masks because
the parser is wrong or because they want only part of the face. So a mask contradicts the face if it
misses more than half of the required region, or if more than half of it lies outside the allowed
region. That catches masks of the background, of the hair, of the whole image, of another photo and
of another person.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .parsing import masks_of_parts, shows_face
from .portrait import ffhq_oval
from .quality.occlusion import features_region

HALF = 0.5
MIN_HAIR = 0.02  # of the portrait; less does not show where the hair is
ALL = 0.95  # of the portrait
CORNER = 1 / 32  # of the portrait's side
FACE_ADVICE = "Disconnect it, or use a mask of this photo with the face painted white."
HAIR_ADVICE = "Disconnect it, or use a mask of this photo with the hair painted white."


@dataclass(frozen=True, kw_only=True, eq=False)
class GivenMasks:
    """The user's masks in a portrait, each [S, S] in 0..1 or None."""

    face: Tensor | None = None
    hair: Tensor | None = None
    hair_elsewhere: bool = False  # the hair mask marks something in the photo, possibly outside the portrait


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """The regions known in the portrait, each [S, S] float32 of 0 and 1, with their names for messages."""

    features: Tensor  # required in a face mask, not allowed in a hair mask
    face: Tensor  # allowed in a face mask
    hair: Tensor | None
    features_name: str
    face_name: str
    parsed: bool


def contradictions(given: GivenMasks, parts: Tensor | None, size: int) -> tuple[str, ...]:
    """Contradictions between the masks of a portrait of `size` pixels and its parsed parts [S, S] or an aligned face.

    Returns:
        One sentence per contradiction.
    """
    seen = _seen(parts, size)
    if given.face is not None and given.hair is not None and _swapped(given.face, given.hair, seen):
        return ("The face mask marks the hair and the hair mask marks the face. Swap face_mask and hair_mask.",)
    found = [] if given.face is None else [_of_face_mask(given.face, seen)]
    found += [] if given.hair is None else [_of_hair_mask(given.hair, given.hair_elsewhere, seen)]
    if not any(found) and given.face is not None and given.hair is not None:
        found = [_overlap(given.face, given.hair)]
    return tuple(sentence for sentence in found if sentence)


def _seen(parts: Tensor | None, size: int) -> _Seen:
    hair = None if parts is None else masks_of_parts(parts)[1].cpu()
    hair = None if hair is None or hair.mean() < MIN_HAIR else hair
    if parts is not None and shows_face(parts):  # a parser that finds no face is no evidence against a mask
        face, name = masks_of_parts(parts)[0].cpu(), "the face found by the parser"
        return _Seen(features=face, face=face, hair=hair, features_name=name, face_name=name, parsed=True)
    return _Seen(
        features=features_region(size).float(),
        face=ffhq_oval(size),
        hair=hair,
        features_name="the region of brows, eyes, nose and mouth in an aligned portrait",
        face_name="the oval of the face in an aligned portrait",
        parsed=False,
    )


def _within(part: Tensor, whole: Tensor) -> float:
    """Share of `part` [S, S] within `whole` [S, S], weighted by both, with `whole` scaled to a maximum of 1."""
    total = part.sum().item()
    return (part * (whole / whole.max().clamp(min=1e-6))).sum().item() / total if total else 0.0


def _marks_face(mask: Tensor, seen: _Seen) -> bool:
    return _within(seen.features, mask) >= HALF and _within(mask, seen.face) >= HALF


def _swapped(face_mask: Tensor, hair_mask: Tensor, seen: _Seen) -> bool:
    if _marks_face(face_mask, seen) or not _marks_face(hair_mask, seen):
        return False
    return _within(face_mask, seen.features) < HALF if seen.hair is None else _within(face_mask, seen.hair) >= HALF


def _of_face_mask(mask: Tensor, seen: _Seen) -> str:
    left_out, beyond = 1 - _within(seen.features, mask), 1 - _within(mask, seen.face)
    if max(left_out, beyond) <= HALF:
        return ""
    faults = [f"it misses {left_out:.0%} of {seen.features_name}"] if left_out > HALF else []
    faults += [f"{beyond:.0%} of the marked area lies outside {seen.face_name}"] if beyond > HALF else []
    return f"The face mask does not fit the face: {', and '.join(faults)}. {_cause(mask, seen)}"


def _cause(mask: Tensor, seen: _Seen) -> str:
    if mask.mean() > ALL:
        return f"It marks the whole portrait, so the background would be learned as face. {FACE_ADVICE}"
    side = max(1, round(CORNER * len(mask)))
    corners = min(corner.mean().item() for corner in (mask[:side, :side], mask[:side, -side:]))
    if corners > HALF and _within(mask, seen.face) < seen.face.mean():  # it avoids the face and marks the background
        return (
            "It seems to be inverted: for a picture with a transparent background, the MASK output of Load Image is "
            f"the background. {FACE_ADVICE}"
        )
    unaligned = "" if seen.parsed else ", or the portrait is not aligned"
    return f"It marks something other than the face, or belongs to another picture{unaligned}. {FACE_ADVICE}"


def _of_hair_mask(mask: Tensor, elsewhere: bool, seen: _Seen) -> str:
    if mask.max() < HALF:
        if elsewhere:
            return f"The hair mask marks nothing within the portrait, only other parts of the photo. {HAIR_ADVICE}"
        if seen.hair is None:
            return ""
        share = seen.hair.mean().item()
        return f"The hair mask marks nothing, but the parser finds hair on {share:.0%} of the portrait. {HAIR_ADVICE}"
    on_face, covered = _within(mask, seen.features), _within(seen.features, mask)
    if max(on_face, covered) > HALF:
        fault = f"{on_face:.0%} of the marked area lies on" if on_face >= covered else f"it covers {covered:.0%} of"
        return f"The hair mask does not fit the face: {fault} {seen.features_name}. {HAIR_ADVICE}"
    if seen.hair is None:
        return ""
    left_out, beyond = 1 - _within(seen.hair, mask), 1 - _within(mask, seen.hair)
    if max(left_out, beyond) <= HALF:
        return ""
    fault = f"it misses {left_out:.0%} of" if left_out >= beyond else f"{beyond:.0%} of the marked area lies outside"
    return f"The hair mask does not fit the hair: {fault} the hair found by the parser. {HAIR_ADVICE}"


def _overlap(face_mask: Tensor, hair_mask: Tensor) -> str:
    both = max(_within(hair_mask, face_mask), _within(face_mask, hair_mask))
    if hair_mask.max() < HALF or both <= HALF:
        return ""
    return (
        f"The face mask and the hair mask overlap: {both:.0%} of one lies within the other, so that area would be "
        "learned both as face and as hair. Exclude the hair from the face mask."
    )

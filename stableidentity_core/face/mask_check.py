"""Do the masks that a user gives agree with the face?

The face is what the parser marks as such, or without a parser the oval of FFHQ alignment. Both are
rough, and people paint masks since a parser is wrong or since they want a part of the face only. So
a mask contradicts the face where less than half of one lies within the other: a mask of the rest of
the picture, of the hair, of all, of another photo or of another person does.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..shapes import check_shape
from .parsing import masks_of_parts, shows_face
from .portrait import ffhq_oval

HALF = 0.5
MIN_HAIR = 0.02  # of a portrait: less is no evidence of where the hair is
ALL = 0.95  # of a portrait
CORNER = 16  # pixels
OVAL = "the oval in which an aligned portrait has its face"
PARSED = "the {part} that the parser sees"


@dataclass(frozen=True, kw_only=True, eq=False)
class GivenMasks:
    """The user's masks in a portrait, each [S, S] in 0..1 or None."""

    face: Tensor | None = None
    hair: Tensor | None = None
    hair_elsewhere: bool = False  # the hair mask marks something in the photo, outside of the portrait


def contradictions(given: GivenMasks, parts: Tensor | None, size: int) -> tuple[str, ...]:
    """What in the masks of a portrait of `size` pixels contradicts its parts [S, S] or the oval, in sentences."""
    face, hair = (None, None) if parts is None else masks_of_parts(parts)
    seen = PARSED.format(part="face")
    if face is None or parts is None or not shows_face(parts):  # who sees no face says nothing against a mask
        face, seen = ffhq_oval(size), OVAL
    if hair is not None and hair.mean() < MIN_HAIR:
        hair = None
    if given.face is not None and given.hair is not None and _swapped(given.face, given.hair, face, hair):
        return ("The face mask marks the hair and the hair mask the face. Swap face_mask and hair_mask.",)
    found = [_of_face_mask(given.face, face.to(given.face), seen)] if given.face is not None else []
    if given.hair is not None:
        found.append(_of_hair_mask(given, given.hair, face.to(given.hair), hair, seen))
    found = [sentence for sentence in found if sentence]
    if not found and given.face is not None and given.hair is not None:
        found = [sentence for sentence in [_overlap(given.face, given.hair)] if sentence]
    return tuple(found)


def _within(part: Tensor, whole: Tensor) -> float:
    """How much of `part` [S, S] lies within `whole` [S, S]; masks count by their values, the largest as 1."""
    check_shape(part, "s s", "The mask")
    total = part.sum().item()
    return (part * (whole / whole.max().clamp(min=1e-6))).sum().item() / total if total else 0.0


def _agree(mask: Tensor, seen: Tensor) -> bool:
    return _within(seen, mask) >= HALF and _within(mask, seen) >= HALF


def _swapped(face_mask: Tensor, hair_mask: Tensor, face: Tensor, hair: Tensor | None) -> bool:
    if not _agree(hair_mask, face) or _agree(face_mask, face):
        return False
    return _within(face_mask, face) < HALF if hair is None else _within(face_mask, hair) >= HALF


def _of_face_mask(mask: Tensor, face: Tensor, seen: str) -> str:
    left_out, beyond = 1 - _within(face, mask), 1 - _within(mask, face)
    if max(left_out, beyond) <= HALF:
        return ""
    faults = [f"it leaves out {left_out:.0%} of {seen}"] if left_out > HALF else []
    if beyond > HALF:
        faults.append(f"{beyond:.0%} of what it marks lies outside of {'it' if faults else seen}")
    return f"The face mask contradicts the face: {', and '.join(faults)}. {_advice(mask, face, seen)}"


def _advice(mask: Tensor, face: Tensor, seen: str) -> str:
    if mask.mean() > ALL:
        return "It marks the whole portrait, so that the background is learned as face. Disconnect it, or paint one."
    corners = min(corner.mean().item() for corner in (mask[:CORNER, :CORNER], mask[:CORNER, -CORNER:]))
    if corners > HALF and _within(mask, face) < face.mean():  # it avoids the face and marks the background
        return (
            "It seems inverted: of a picture with a transparent background, Load Image gives the background as MASK. "
            "Disconnect it, or paint the face white."
        )
    unaligned = ", or the photo is no aligned portrait" if seen is OVAL else ""
    return (
        f"It marks more or other things than the face, or belongs to another picture{unaligned}. Disconnect it, or "
        "paint the face white in a mask of this very photo."
    )


def _of_hair_mask(given: GivenMasks, mask: Tensor, face: Tensor, hair: Tensor | None, seen: str) -> str:
    advice = "Disconnect it, or paint the hair white in a mask of this very photo."
    if mask.max() < HALF:
        if given.hair_elsewhere:
            return f"The hair mask marks nothing within the portrait, only other places of the photo. {advice}"
        if hair is not None:
            return f"The hair mask marks nothing, and the parser sees hair on {hair.mean():.0%} of it. {advice}"
        return ""
    on_face = _within(mask, face)
    if on_face > HALF:
        return f"The hair mask contradicts the face: {on_face:.0%} of what it marks lies on {seen}. {advice}"
    if hair is None:
        return ""
    hair = hair.to(mask)
    left_out, beyond = 1 - _within(hair, mask), 1 - _within(mask, hair)
    if max(left_out, beyond) <= HALF:
        return ""
    seen = PARSED.format(part="hair")
    fault = f"it leaves out {left_out:.0%} of {seen}" if left_out >= beyond else f"{beyond:.0%} of it lies off {seen}"
    return f"The hair mask contradicts the photo: {fault}. {advice}"


def _overlap(face_mask: Tensor, hair_mask: Tensor) -> str:
    if hair_mask.max() < HALF:
        return ""
    both = max(_within(hair_mask, face_mask), _within(face_mask, hair_mask))
    if both <= HALF:
        return ""
    return (
        f"The face mask and the hair mask overlap by {both:.0%} of the smaller: the hair would be learned as face. "
        "Leave the hair out of the face mask."
    )

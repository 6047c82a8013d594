"""Do the masks that a user gives agree with the face?

The face is what the parser marks as such. Without a parser it is known roughly: brows to mouth lie in
one region of an aligned portrait, all of the face in an oval. People paint masks since a parser is
wrong or since they want a part of the face only. So a mask contradicts the face where it leaves out
more than half of what it must hold, or more than half of it lies outside of where a face may be: a
mask of the rest of the picture, of the hair, of all, of another photo or of another person does.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .parsing import masks_of_parts, shows_face
from .portrait import ffhq_oval
from .quality.occlusion import features_region

HALF = 0.5
MIN_HAIR = 0.02  # of a portrait: less is no evidence of where the hair is
ALL = 0.95  # of a portrait
CORNER = 1 / 32  # of its side
FACE_ADVICE = "Disconnect it, or paint the face white in a mask of this very photo."
HAIR_ADVICE = "Disconnect it, or paint the hair white in a mask of this very photo."


@dataclass(frozen=True, kw_only=True, eq=False)
class GivenMasks:
    """The user's masks in a portrait, each [S, S] in 0..1 or None."""

    face: Tensor | None = None
    hair: Tensor | None = None
    hair_elsewhere: bool = False  # the hair mask marks something in the photo, outside of the portrait


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """What is known of the portrait, each mask [S, S] float32 of 0 and 1, and how it is called."""

    features: Tensor  # what a face mask must hold and a hair mask must not
    face: Tensor  # where a face mask may be
    hair: Tensor | None
    features_name: str
    face_name: str
    parsed: bool


def contradictions(given: GivenMasks, parts: Tensor | None, size: int) -> tuple[str, ...]:
    """What in the masks of a portrait of `size` pixels contradicts its parts [S, S] or an aligned face: sentences."""
    seen = _seen(parts, size)
    if given.face is not None and given.hair is not None and _swapped(given.face, given.hair, seen):
        return ("The face mask marks the hair and the hair mask the face. Swap face_mask and hair_mask.",)
    found = [] if given.face is None else [_of_face_mask(given.face, seen)]
    found += [] if given.hair is None else [_of_hair_mask(given.hair, given.hair_elsewhere, seen)]
    if not any(found) and given.face is not None and given.hair is not None:
        found = [_overlap(given.face, given.hair)]
    return tuple(sentence for sentence in found if sentence)


def _seen(parts: Tensor | None, size: int) -> _Seen:
    hair = None if parts is None else masks_of_parts(parts)[1].cpu()
    hair = None if hair is None or hair.mean() < MIN_HAIR else hair
    if parts is not None and shows_face(parts):  # a parser that sees no face says nothing against a mask
        face, name = masks_of_parts(parts)[0].cpu(), "the face that the parser sees"
        return _Seen(features=face, face=face, hair=hair, features_name=name, face_name=name, parsed=True)
    return _Seen(
        features=features_region(size).float(),
        face=ffhq_oval(size),
        hair=hair,
        features_name="the place that brows, eyes, nose and mouth have in an aligned portrait",
        face_name="the oval in which an aligned portrait has its face",
        parsed=False,
    )


def _within(part: Tensor, whole: Tensor) -> float:
    """How much of `part` [S, S] lies within `whole` [S, S], both by their values, the largest of `whole` as 1."""
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
    faults = [f"it leaves out {left_out:.0%} of {seen.features_name}"] if left_out > HALF else []
    faults += [f"{beyond:.0%} of what it marks lies outside of {seen.face_name}"] if beyond > HALF else []
    return f"The face mask contradicts the face: {', and '.join(faults)}. {_cause(mask, seen)}"


def _cause(mask: Tensor, seen: _Seen) -> str:
    if mask.mean() > ALL:
        return f"It marks the whole portrait, so that the background is learned as face. {FACE_ADVICE}"
    side = max(1, round(CORNER * len(mask)))
    corners = min(corner.mean().item() for corner in (mask[:side, :side], mask[:side, -side:]))
    if corners > HALF and _within(mask, seen.face) < seen.face.mean():  # it avoids the face and marks the background
        return (
            "It seems inverted: of a picture with a transparent background, Load Image gives the background as MASK. "
            f"{FACE_ADVICE}"
        )
    unaligned = "" if seen.parsed else ", or the portrait is not aligned"
    return f"It marks other things than the face, or belongs to another picture{unaligned}. {FACE_ADVICE}"


def _of_hair_mask(mask: Tensor, elsewhere: bool, seen: _Seen) -> str:
    if mask.max() < HALF:
        if elsewhere:
            return f"The hair mask marks nothing within the portrait, only other places of the photo. {HAIR_ADVICE}"
        if seen.hair is None:
            return ""
        share = seen.hair.mean().item()
        return f"The hair mask marks nothing, and the parser sees hair on {share:.0%} of the portrait. {HAIR_ADVICE}"
    on_face, covered = _within(mask, seen.features), _within(seen.features, mask)
    if max(on_face, covered) > HALF:
        fault = f"{on_face:.0%} of what it marks lies on" if on_face >= covered else f"it covers {covered:.0%} of"
        return f"The hair mask contradicts the face: {fault} {seen.features_name}. {HAIR_ADVICE}"
    if seen.hair is None:
        return ""
    left_out, beyond = 1 - _within(seen.hair, mask), 1 - _within(mask, seen.hair)
    if max(left_out, beyond) <= HALF:
        return ""
    fault = f"it leaves out {left_out:.0%}" if left_out >= beyond else f"{beyond:.0%} of what it marks lies outside"
    return f"The hair mask contradicts the hair: {fault} of the hair that the parser sees. {HAIR_ADVICE}"


def _overlap(face_mask: Tensor, hair_mask: Tensor) -> str:
    both = max(_within(hair_mask, face_mask), _within(face_mask, hair_mask))
    if hair_mask.max() < HALF or both <= HALF:
        return ""
    return (
        f"The face mask and the hair mask overlap: {both:.0%} of one lies within the other, and is learned as face and "
        "as hair. Leave the hair out of the face mask."
    )

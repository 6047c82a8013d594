"""From any photo to a portrait that can be learned: find the face, align it, mask it, say what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from .align import Alignment, align_face
from .candidates_preview import draw_candidates
from .choose import FaceRule, choose_face
from .detect import Candidate, FaceDetector, detect_faces
from .overlay import overlay
from .parsers import FaceParser
from .parsing import check_parts, masks_of_parts
from .portrait import SIZE, Face, fit_mask, portrait
from .quality import QualityReport, assess


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which face of a photo is meant; see `choose_face`."""

    rule: FaceRule = "largest"
    number: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A face, and what there is to see and to say about the photo it comes from."""

    face: Face
    candidates: Tensor  # [3, h, w] the photo with every face found in it
    overlay: Tensor  # [3, S, S] the portrait with its masks in colour
    report: QualityReport
    alignment: Alignment | None  # None for a photo that was taken as aligned


def prepare_face(
    photo: Tensor,  # [C, H, W] in 0..1
    *,
    detector: FaceDetector | None = None,
    parser: FaceParser | None = None,
    choice: Choice = Choice(),
    face_mask: Tensor | None = None,  # [H', W'] in 0..1, of the photo
    hair_mask: Tensor | None = None,  # [H', W'] in 0..1, of the photo
    size: int = SIZE,
) -> Prepared:
    """Make a Face of a photo.

    Args:
        detector: None takes the photo as an aligned, square portrait.
        parser: None takes the oval of FFHQ alignment as the face and no hair, where no mask is given.
        face_mask, hair_mask: the user's own, in the photo's proportions; each goes before the parser's.
        size: S of the portrait.

    Raises:
        StableIdentityError: no face, no such face, a mask that does not fit, or a photo that cannot be used.
    """
    photo_size = (photo.shape[-2], photo.shape[-1])
    found = _find(photo, detector, choice, size)
    face = portrait(*_at_portrait(photo, found, face_mask, hair_mask), size=size)
    parts = None if parser is None else parser(face.image)
    if parts is not None and not (face_mask is not None and hair_mask is not None):
        face = _with_parts(face, parts, face_mask, hair_mask)
    report = assess(
        photo_size=photo_size,
        landmarks=found.landmarks,
        alignment=found.alignment,
        portrait=face.image,
        parts=parts,
        face_mask=face.face_mask,
        hair_mask=face.hair_mask,
    )
    return Prepared(
        face=replace(face, quality=report.as_dict()),
        candidates=draw_candidates(photo, found.candidates, found.chosen),
        overlay=overlay(face.image, face.face_mask, face.hair_mask),
        report=report,
        alignment=found.alignment,
    )


def aligned_portrait(
    photo: Tensor,  # [C, H, W] in 0..1
    *,
    detector: FaceDetector | None = None,
    choice: Choice = Choice(),
    size: int = SIZE,
) -> Tensor:  # [3, S, S]
    """The portrait alone, pixel by pixel that of `prepare_face`.

    Raises:
        NoFaceError: the wanted face is not found.
        StableIdentityError: a photo that cannot be used.
    """
    found = _find(photo, detector, choice, size)
    return portrait(*_at_portrait(photo, found, None, None), size=size).image


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    candidates: tuple[Candidate, ...] = ()
    chosen: Candidate | None = None
    alignment: Alignment | None = None

    @property
    def landmarks(self) -> Tensor | None:
        return None if self.chosen is None else self.chosen.landmarks


def _find(photo: Tensor, detector: FaceDetector | None, choice: Choice, size: int) -> _Found:
    if detector is None:
        return _Found()
    photo_size = (photo.shape[-2], photo.shape[-1])
    candidates = detect_faces(photo, detector)
    chosen = choose_face(candidates, choice.rule, photo_size, choice.number)
    return _Found(candidates=tuple(candidates), chosen=chosen, alignment=align_face(chosen.landmarks, photo_size, size))


def _at_portrait(
    photo: Tensor, found: _Found, face_mask: Tensor | None, hair_mask: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Photo and masks as `portrait` takes them, cut out where a face was found."""
    if found.alignment is None:
        return photo, face_mask, hair_mask
    size = (photo.shape[-2], photo.shape[-1])
    face, hair = (
        None if mask is None else found.alignment.warp_mask(fit_mask(mask, name, size))
        for mask, name in ((face_mask, "face mask"), (hair_mask, "hair mask"))
    )
    return found.alignment.warp(photo), face, hair


def _with_parts(face: Face, parts: Tensor, face_mask: Tensor | None, hair_mask: Tensor | None) -> Face:
    """The parser's masks where the user gave none."""
    if face_mask is None:
        check_parts(parts)
    seen_face, seen_hair = masks_of_parts(parts)
    return replace(
        face,
        face_mask=face.face_mask if face_mask is not None else seen_face,
        hair_mask=face.hair_mask if hair_mask is not None else seen_hair,
    )

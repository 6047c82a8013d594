"""From any photo to a portrait for training: detect, align and mask the face, and report the photo's quality."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from ..errors import StableIdentityError
from .align import Alignment, align_face
from .candidates_preview import draw_candidates
from .choose import FaceRule, choose_face
from .detect import Candidate, FaceDetector, detect_faces
from .mask_check import GivenMasks, contradictions
from .overlay import overlay
from .parsers import FaceParser
from .parsing import check_parts, masks_of_parts
from .portrait import SIZE, Face, fit_mask, portrait
from .quality import QualityReport, assess
from .upright import upright


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which face of a photo to use; see `choose_face`."""

    rule: FaceRule = "largest"
    number: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A face with previews and a quality report of its photo."""

    face: Face
    candidates: Tensor  # [3, h, w] the photo with every detected face marked
    overlay: Tensor  # [3, S, S] the portrait with its masks in colour
    report: QualityReport
    alignment: Alignment | None  # None if the photo was taken as an aligned portrait
    detected: tuple[Candidate, ...]  # all faces, from left to right; none without a detector
    chosen: int | None  # number of the face that was used, from 1; None without a detector


def prepare_face(
    photo: Tensor,  # [C, H, W] in 0..1
    *,
    detector: FaceDetector | None = None,
    parser: FaceParser | None = None,
    choice: Choice = Choice(),
    face_mask: Tensor | None = None,  # [H', W'] in 0..1, of the photo
    hair_mask: Tensor | None = None,  # [H', W'] in 0..1, of the photo
    size: int = SIZE,
    on_detected: Callable[[Sequence[Candidate]], None] | None = None,
) -> Prepared:
    """Make a Face from a photo.

    Args:
        detector: None if the photo is an aligned, square portrait.
        parser: None uses the oval of FFHQ alignment as the face and no hair, unless masks are given.
        face_mask, hair_mask: the user's own, with the photo's aspect ratio; they take precedence over the parser's.
        size: S, the portrait's side.
        on_detected: called with all detected faces before one is chosen, so that they are known if that fails.

    Raises:
        StableIdentityError: no face, no such face, a mask that does not fit, or a photo that cannot be used.
    """
    photo_size = (photo.shape[-2], photo.shape[-1])
    found = _find(photo, detector, choice, size, on_detected)
    face = portrait(*_at_portrait(photo, found, face_mask, hair_mask), size=size)
    parts = None if parser is None else parser(face.image)
    given = GivenMasks(
        face=None if face_mask is None else face.face_mask,
        hair=None if hair_mask is None else face.hair_mask,
        hair_elsewhere=hair_mask is not None and hair_mask.max().item() >= 0.5,
    )
    if parts is not None:
        face = _with_parts(face, parts, given)
    report = assess(
        photo_size=photo_size,
        landmarks=found.landmarks,
        alignment=found.alignment,
        portrait=face.image,
        parts=parts,
        face_mask=face.face_mask,
        hair_mask=face.hair_mask,
    )
    report = _with_masks(report, given, parts, size)
    report = replace(report, remarks=(*report.remarks, *_of_several(found)))
    return Prepared(
        face=replace(face, quality=report.as_dict()),
        candidates=draw_candidates(photo, found.candidates, found.chosen),
        overlay=overlay(face.image, face.face_mask, face.hair_mask),
        report=report,
        alignment=found.alignment,
        detected=found.candidates,
        chosen=found.number,
    )


def aligned_portrait(
    photo: Tensor,  # [C, H, W] in 0..1
    *,
    detector: FaceDetector | None = None,
    choice: Choice = Choice(),
    size: int = SIZE,
) -> Tensor:  # [3, S, S]
    """The portrait alone, identical to that of `prepare_face`.

    Raises:
        NoFaceError: the requested face is not found.
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

    @property
    def number(self) -> int | None:
        return None if self.chosen is None else self.candidates.index(self.chosen) + 1


def _find(
    photo: Tensor,
    detector: FaceDetector | None,
    choice: Choice,
    size: int,
    on_detected: Callable[[Sequence[Candidate]], None] | None = None,
) -> _Found:
    if detector is None:
        return _Found()
    photo_size = (photo.shape[-2], photo.shape[-1])
    candidates = detect_faces(photo, detector)
    if on_detected is not None:
        on_detected(candidates)
    first = choose_face(candidates, choice.rule, photo_size, choice.number)
    chosen = upright(photo, first, detector)
    shown = tuple(chosen if candidate is first else candidate for candidate in candidates)
    return _Found(candidates=shown, chosen=chosen, alignment=align_face(chosen.landmarks, photo_size, size))


def _at_portrait(
    photo: Tensor, found: _Found, face_mask: Tensor | None, hair_mask: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Photo and masks as inputs of `portrait`, cropped if a face was detected."""
    if found.alignment is None:
        return photo, face_mask, hair_mask
    face, hair = (
        None if mask is None else _mask_at_portrait(mask, name, found.alignment, photo)
        for mask, name in ((face_mask, "face mask"), (hair_mask, "hair mask"))
    )
    if face_mask is not None and face is not None and face.max() < 0.5 <= face_mask.max():
        raise StableIdentityError(
            "The face mask marks nothing within the portrait of the chosen face, only other parts of the photo. "
            "Choose the face that it belongs to (which_face), or disconnect the mask."
        )
    return found.alignment.warp(photo), face, hair


def _mask_at_portrait(mask: Tensor, name: str, alignment: Alignment, photo: Tensor) -> Tensor:
    return alignment.warp_mask(fit_mask(mask, name, (photo.shape[-2], photo.shape[-1])))


def _with_parts(face: Face, parts: Tensor, given: GivenMasks) -> Face:
    """Use the parser's masks where the user gave none."""
    if given.face is None:
        check_parts(parts)
    seen_face, seen_hair = masks_of_parts(parts)
    return replace(
        face,
        face_mask=seen_face if given.face is None else given.face,
        hair_mask=seen_hair if given.hair is None else given.hair,
    )


def _with_masks(report: QualityReport, given: GivenMasks, parts: Tensor | None, size: int) -> QualityReport:
    """The report with what the user's masks and the parser tell of each other."""
    against = contradictions(given, parts, size)
    return replace(
        report,
        contradictions=against,
        evidence=replace(report.evidence, marked=given.face is not None and not against),
        remarks=(*report.remarks, *_without_parser(parts, given)),
    )


def _of_several(found: _Found) -> tuple[str, ...]:
    count = len(found.candidates)
    return (f"{count} faces were found, number {found.number} from the left was used.",) if count > 1 else ()


def _without_parser(parts: Tensor | None, given: GivenMasks) -> tuple[str, ...]:
    """What is approximated or missing without a parser."""
    missing = ["the face mask is the oval of an aligned portrait"] * (given.face is None)
    missing += ["the hair mask is empty"] * (given.hair is None)
    return (f"No parsing: {', and '.join(missing)}.",) if missing and parts is None else ()

"""Measures the quality of a photo and its portrait, with advice on what to change."""

from __future__ import annotations

import torchvision.transforms.v2.functional as TF
from torch import Tensor

from ...shapes import check_shape
from ..align import Alignment
from ..landmarks import landmark_problem
from ..parsing import shows_face
from ..portrait import SIZE
from .evidence import Evidence
from .occlusion import features_region, measure_occlusion, outside_photo
from .picture import blur_sigma, light
from .pose import head_pose
from .report import Finding, QualityReport

# The reason for each limit. "Measured" means on two FFHQ portraits and skimage's astronaut.
MIN_SOURCE = 256  # px; half of the portrait: face encoders use 376 of its 512 pixels, resized to 112 to 224
MAX_BLUR = 3.0  # px of 512; measured: 1.0 to 1.7, and 2.8 to 2.9 after a blur of 2, which hides lashes and irises
MAX_YAW = 30.0  # degrees; the nose then appears 3 times closer to the far eye than in a frontal view, at 41 on it
MAX_PITCH = 25.0  # degrees; a smile or a long nose alone can add an apparent 10
TURNED = 45.0  # degrees; from here on the report mentions that the portrait was turned upright
MIN_MEAN, MAX_MEAN = 0.12, 0.85  # dark skin reflects 5 to 8 % of the light, 0.25 to 0.31 in sRGB: 2 stops below
MAX_WHITE = 0.05  # highlights of the nose and forehead take up less
MAX_BLACK = 0.15  # pupils, nostrils, black beards and brows take up less
MAX_HAIR = 0.1  # of brows to mouth: a strand or a fringe above the brows is less
MAX_HAT = 0.2  # of the face's oval: above this, a brim reaches the brows
MAX_GLASSES = 0.25  # of the eyes: thin frames alone are less
MAX_OTHER = 0.15  # of brows to mouth: a turned face shows some background there
MAX_CUT = 0.02  # of the face's oval: a rim of 0.03 of the portrait at the chin
MAX_PADDING = 0.2  # of the portrait: the whole area above the forehead is 0.24
MIN_PIXELS = 500  # of a face mask at 512, for statistics

Results = list[Finding | str]  # a sentence for each measure that could not be taken


def assess(
    *,
    photo_size: tuple[int, int],  # height, width
    landmarks: Tensor | None,  # [5, 2] in pixels of the photo
    alignment: Alignment | None,  # None: the photo itself is the portrait
    portrait: Tensor,  # [3, S, S] in 0..1
    parts: Tensor | None,  # [S, S] FacePart numbers
    face_mask: Tensor,  # [S, S] in 0..1
    hair_mask: Tensor,  # [S, S] in 0..1
) -> QualityReport:
    """Measure resolution, sharpness, light, pose, occlusion and border of one face.

    Sharpness and light are measured where the face mask is above 0.5, on the portrait at 512 pixels;
    hair on the face from the parts, or without them from the hair mask. Measures that need missing
    landmarks, parts or a face mask are listed in `left_out` instead.

    Raises:
        ShapeError: inputs of other shapes than given above.
    """
    side = check_shape(portrait, "3 s s", "The portrait")["s"]
    check_shape(face_mask, "s s", "The face mask", s=side)
    check_shape(hair_mask, "s s", "The hair mask", s=side)
    results = [
        *_resolution(photo_size, alignment),
        *_picture(portrait, face_mask),
        *_pose(landmarks),
        *_occlusion(parts, hair_mask),
        *_border(alignment, photo_size),
    ]
    return QualityReport(
        findings=tuple(result for result in results if isinstance(result, Finding)),
        left_out=tuple(result for result in results if isinstance(result, str)),
        evidence=Evidence(detected=landmarks is not None, parsed=None if parts is None else shows_face(parts)),
        remarks=_turned(landmarks, alignment),
    )


def _at_most(measure: str, value: float, limit: float, unit: str, advice: str) -> Finding:
    good = value <= limit
    return Finding(
        measure=measure, value=value, unit=unit, limit=f"at most {limit:g}", good=good, advice="" if good else advice
    )


def _percent(measure: str, share: float, limit: float, advice: str) -> Finding:
    return _at_most(measure, 100 * share, 100 * limit, "%", advice)


def _resolution(photo_size: tuple[int, int], alignment: Alignment | None) -> Results:
    source = min(photo_size) if alignment is None else alignment.size / alignment.enlargement
    good = source >= MIN_SOURCE
    advice = f"Use a larger photo or one taken closer: the face's square is {source:.0f} pixels wide, {SIZE} are best."
    return [
        Finding(
            measure="resolution",
            value=source,
            unit="px",
            limit=f"at least {MIN_SOURCE}",
            good=good,
            advice="" if good else advice,
        )
    ]


def _picture(portrait: Tensor, face_mask: Tensor) -> Results:
    picture = TF.resize(portrait.detach().float().cpu(), [SIZE, SIZE], antialias=True).clamp(0, 1)
    face = TF.resize(face_mask.detach().float().cpu()[None], [SIZE, SIZE], antialias=True)[0] > 0.5
    pixels = int(face.sum())
    if pixels < MIN_PIXELS:
        return [f"Sharpness and light were not measured: the face mask marks {pixels} pixels, needed {MIN_PIXELS}."]
    seen = light(picture, face)
    white = f"Use less light or a shorter exposure: {seen.white:.0%} of the face is pure white."
    black = f"Light up the shadows: {seen.black:.0%} of the face is pure black."
    return [
        _blur(blur_sigma(picture, face)),
        _mean(seen.mean),
        _percent("overexposed", seen.white, MAX_WHITE, white),
        _percent("underexposed", seen.black, MAX_BLACK, black),
    ]


def _blur(sigma: float | None) -> Finding | str:
    if sigma is None:
        return "Sharpness was not measured: the face mask covers a single colour without edges."
    width = 2.355 * sigma  # of a Gaussian at half its height
    return _at_most(
        "blur",
        sigma,
        MAX_BLUR,
        "px",
        f"Use a sharper photo: edges in the face are about {width:.0f} pixels of {SIZE} wide.",
    )


def _mean(mean: float) -> Finding:
    advice = ""
    if mean < MIN_MEAN:
        advice = f"Use more light on the face or brighten the photo: its mean brightness is {mean:.0%}."
    elif mean > MAX_MEAN:
        advice = f"Use less light on the face or darken the photo: its mean brightness is {mean:.0%}."
    return Finding(
        measure="brightness",
        value=100 * mean,
        unit="%",
        limit=f"{100 * MIN_MEAN:g} to {100 * MAX_MEAN:g}",
        good=not advice,
        advice=advice,
    )


def _pose(landmarks: Tensor | None) -> Results:
    if landmarks is None:
        return ["The head's pose was not measured: there are no landmarks."]
    if problem := landmark_problem(landmarks):
        return [f"The head's pose was not measured from its landmarks: {problem}."]
    pose = head_pose(landmarks)
    yaw, pitch = abs(pose.yaw), abs(pose.pitch)
    turned = "right" if pose.yaw > 0 else "left"
    bend = "Lower the chin: the face looks up" if pose.pitch > 0 else "Raise the chin: the face looks down"
    return [
        _at_most(
            "yaw",
            yaw,
            MAX_YAW,
            "degrees",
            f"Turn the head towards the camera: it is turned by about {yaw:.0f} degrees to the viewer's {turned}.",
        ),
        _at_most("pitch", pitch, MAX_PITCH, "degrees", f"{bend} by about {pitch:.0f} degrees."),
    ]


def _turned(landmarks: Tensor | None, alignment: Alignment | None) -> tuple[str, ...]:
    """A remark if the portrait was rotated far; the photo's own rotation does not affect the portrait."""
    if landmarks is None or alignment is None or landmark_problem(landmarks):
        return ()
    roll = abs(head_pose(landmarks).roll)
    if roll < TURNED:
        return ()
    return (f"The face is tilted by {roll:.0f} degrees in the photo; the portrait was turned upright.",)


def _occlusion(parts: Tensor | None, hair_mask: Tensor) -> Results:
    if parts is None:
        unknown = "Hat, glasses and other things on the face were not measured: there is no map of face parts."
        if not hair_mask.any():
            return ["Hair on the face was not measured: there is no map of face parts, and no hair is marked.", unknown]
        return [_hair(hair_mask.detach().cpu()[features_region(hair_mask.shape[-1])].float().mean().item()), unknown]
    found = measure_occlusion(parts)
    hat = f"Take off the hat or push it back: it covers {found.hat:.0%} of the face."
    glasses = f"Take off the glasses, unless the person always wears them: they cover {found.glasses:.0%} of the eyes."
    other = f"Uncover the face: {found.other:.0%} between brows and mouth is neither skin nor hair."
    return [
        _hair(found.hair),
        _percent("hat on the face", found.hat, MAX_HAT, hat),
        _percent("glasses", found.glasses, MAX_GLASSES, glasses),
        _percent("other things on the face", found.other, MAX_OTHER, other),
    ]


def _hair(share: float) -> Finding:
    advice = f"Move the hair out of the face: it covers {share:.0%} of brows, eyes, nose and mouth."
    return _percent("hair on the face", share, MAX_HAIR, advice)


def _border(alignment: Alignment | None, photo_size: tuple[int, int]) -> Results:
    if alignment is None:
        return ["Cropping by the photo's border was not measured: the photo was taken as an aligned portrait."]
    outside = outside_photo(alignment, photo_size)
    cut = f"Use a photo that shows the whole face: {outside.face:.0%} of it lies outside the photo."
    narrow = f"Use a photo with more space around the head: {outside.portrait:.0%} of the portrait had to be filled in."
    return [
        _percent("face outside the photo", outside.face, MAX_CUT, cut),
        _percent("portrait outside the photo", outside.portrait, MAX_PADDING, narrow),
    ]

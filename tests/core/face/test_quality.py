"""What the quality report says of photos that were spoilt by known amounts."""

from __future__ import annotations

import functools
import json
import math

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as TF
from PIL import Image

from helpers.faces import real_portrait
from helpers.make import disc, rand, rng
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.face.align import Alignment, align_face
from stableidentity_core.face.parsing import FacePart
from stableidentity_core.face.portrait import ffhq_oval
from stableidentity_core.face.quality import Finding, QualityReport, assess, head_pose, require_good
from stableidentity_core.face.quality.occlusion import eyes_region, features_region, measure_occlusion, outside_photo
from stableidentity_core.face.quality.picture import blur_sigma, light
from stableidentity_core.face.quality.pose import FACE

SIDE = 512
OVAL = ffhq_oval(SIDE)
NO_HAIR = torch.zeros(SIDE, SIDE)

# Placed by hand in enlarged crops, in pixels of each photo.
LANDMARKS = {
    "astronaut": [[203.3, 101.2], [246.7, 103.0], [224.2, 127.5], [205.0, 141.3], [243.3, 142.0]],
    "00059": [[195.0, 240.0], [318.8, 238.8], [256.3, 320.0], [200.8, 383.0], [311.3, 382.5]],
    "00790": [[193.8, 238.0], [321.8, 237.5], [247.5, 320.0], [203.3, 382.0], [308.8, 382.5]],
}


def photo(name: str) -> torch.Tensor:  # [3, H, W]
    if name == "astronaut":
        data = pytest.importorskip("skimage.data", reason="scikit-image is not installed: no photo to measure")
        pixels = data.astronaut()
    else:
        pixels = np.array(Image.open(real_portrait(f"{name}.png")).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1) / 255


def landmarks(name: str) -> torch.Tensor:
    return torch.tensor(LANDMARKS[name])


@functools.cache
def portrait(name: str) -> torch.Tensor:
    picture = photo(name)
    return align_face(landmarks(name), tuple(picture.shape[1:])).warp(picture)


def report(picture: torch.Tensor, points: torch.Tensor, parts: torch.Tensor | None = None) -> QualityReport:
    size = tuple(picture.shape[1:])
    alignment = align_face(points, size)
    return assess(
        photo_size=size,
        landmarks=points,
        alignment=alignment,
        portrait=alignment.warp(picture),
        parts=parts,
        face_mask=OVAL,
        hair_mask=NO_HAIR,
    )


def of(result: QualityReport, measure: str) -> Finding:
    return next(finding for finding in result.findings if finding.measure == measure)


def assess_portrait(picture: torch.Tensor, **others) -> QualityReport:
    side = picture.shape[-1]
    given = {"photo_size": (SIDE, SIDE), "landmarks": None, "alignment": None, "parts": None}
    masks = {"face_mask": ffhq_oval(side), "hair_mask": torch.zeros(side, side)}
    return assess(portrait=picture, **given | masks | others)


photos = pytest.mark.parametrize("name", list(LANDMARKS))


# The photos as they are


@pytest.mark.parametrize("name", ["00059", "00790"])
def test_portraits_of_ffhq_are_good(name):
    result = report(photo(name), landmarks(name))
    assert result.good, result.text()
    assert of(result, "resolution").value == SIDE
    assert of(result, "blur").value < 1.5


def test_the_astronaut_is_good_but_small():
    result = report(photo("astronaut"), landmarks("astronaut"))
    # Her eyes are 43.4 pixels apart and FFHQ's square is 4 times as wide.
    assert of(result, "resolution").value == pytest.approx(4 * 43.44, rel=0.01)
    assert [finding.measure for finding in result.bad] == ["resolution"]
    assert "is 174 pixels wide, 512 are best" in result.bad[0].advice


# Resolution


def test_a_photo_shrunk_by_half_has_half_the_resolution():
    picture = photo("astronaut")
    whole = of(report(picture, landmarks("astronaut")), "resolution").value
    half = report(TF.resize(picture, [256, 256], antialias=True), landmarks("astronaut") / 2)
    assert of(half, "resolution").value == pytest.approx(whole / 2, rel=1e-6)  # exact but for float32


def test_a_portrait_without_alignment_has_its_own_size_as_resolution():
    result = assess_portrait(rand(3, SIDE, SIDE), photo_size=(200, 204))
    assert of(result, "resolution").value == 200 and not of(result, "resolution").good
    assert any("the photo was taken as an aligned portrait" in sentence for sentence in result.left_out)


# Blur


def blurred(picture: torch.Tensor, sigma: float) -> torch.Tensor:
    size = 2 * math.ceil(4 * sigma) + 1
    return TF.gaussian_blur(picture, [size, size], [sigma, sigma])


def test_the_blur_of_an_edge_is_that_of_the_gaussian_that_made_it():
    for sigma in (1.0, 2.0, 3.0, 5.0):
        # The error function is the exact blur of a step; the mask keeps the columns beside the step.
        ramp = torch.erf((torch.arange(200.0) - 100) / (sigma * math.sqrt(2)))
        beside = torch.zeros(200, 200, dtype=torch.bool)
        beside[:, 99:102] = True
        for contrast in (0.4, 0.04):
            picture = (0.5 + contrast * ramp).expand(3, 200, 200)
            # What is left is that the rounded edge is not quite a Gaussian after differences over two pixels.
            assert blur_sigma(picture, beside) == pytest.approx(sigma, rel=0.04)


@photos
def test_blur_is_told_in_pixels_and_rises_with_what_is_added(name):
    picture = portrait(name)
    face = OVAL > 0
    own = blur_sigma(picture, face)
    values = [blur_sigma(blurred(picture, sigma), face) for sigma in (1.0, 2.0, 3.0, 4.0, 6.0)]
    assert [own, *values] == sorted([own, *values])
    for sigma, value in zip((2.0, 3.0, 4.0, 6.0), values[1:], strict=True):
        # Blurs add by squares. A face's edges are not all steps: broad shading counts as blur, up to a third more.
        assert 0.95 < value / math.hypot(sigma, own) < 1.33, (sigma, value, own)


def test_all_faces_are_blurred_at_one_size(monkeypatch):
    """oneDNN keeps compiled code of each size: 95 MB after some hundred photos."""
    sizes, blur = set(), TF.gaussian_blur
    monkeypatch.setattr(TF, "gaussian_blur", lambda picture, *how: sizes.add(picture.shape) or blur(picture, *how))
    for radius in (0.1, 0.15, 0.21):
        assert blur_sigma(rand(3, SIDE, SIDE), disc(SIDE, radius) > 0) is not None
    assert len(sizes) == 1


@photos
def test_the_limit_of_blur_lies_between_2_and_3_pixels_of_added_blur(name):
    face = OVAL > 0
    assert blur_sigma(blurred(portrait(name), 1.9), face) < 3 < blur_sigma(blurred(portrait(name), 3.0), face)
    result = assess_portrait(blurred(portrait(name), 4.0))
    assert [finding.measure for finding in result.bad] == ["blur"]
    assert result.bad[0].advice.startswith("Use a sharper photo: edges in the face are about 1")  # 10 to 12 pixels


@photos
def test_blur_depends_little_on_contrast_light_and_noise(name):
    picture, face = portrait(name), OVAL > 0
    own = blur_sigma(picture, face)
    assert blur_sigma(picture * 0.5, face) == pytest.approx(own, rel=1e-4)  # the measure is a ratio
    assert blur_sigma(picture**1.6, face) == pytest.approx(own, rel=0.1)
    noisy = picture + 0.02 * torch.randn(picture.shape, generator=rng())
    assert blur_sigma(noisy, face) == pytest.approx(own, rel=0.15)


def test_blur_is_the_same_in_a_portrait_of_another_size():
    picture = portrait("astronaut")
    small = TF.resize(picture, [384, 384], antialias=True)
    values = [of(assess_portrait(each), "blur").value for each in (picture, small)]
    assert values[0] == pytest.approx(values[1], rel=0.2)  # shrinking and enlarging blurs on its own


# Light


@photos
def test_too_dark_and_too_bright_faces_are_told_from_good_ones(name):
    picture = portrait(name)
    gammas = [0.3, 0.6, 1.0, 1.6, 2.2, 4.0, 6.0, 9.0]
    means = [of(assess_portrait(picture**gamma), "brightness").value for gamma in gammas]
    assert means == sorted(means, reverse=True)
    for gamma in (0.6, 1.0, 1.6, 2.2):
        assert assess_portrait(picture**gamma).good, gamma
    dark = assess_portrait(picture**9)
    assert {"brightness", "underexposed"} <= {finding.measure for finding in dark.bad}
    assert of(dark, "brightness").advice.startswith("Use more light on the face")
    bright = assess_portrait((picture * 2.5).clamp(0, 1))
    assert {"overexposed", "brightness"} == {finding.measure for finding in bright.bad}
    assert of(bright, "brightness").advice.startswith("Use less light on the face")


def test_light_is_what_counting_pixel_by_pixel_gives():
    picture, face = rand(3, 20, 20) ** 0.3, rand(20, 20, seed=1) > 0.5
    picture[:, :2] = 0.01
    values = []
    for row in range(20):
        for column in range(20):
            if face[row, column]:
                red, green, blue = picture[:, row, column].tolist()
                values.append(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    seen = light(picture, face)
    assert seen.mean == pytest.approx(sum(values) / len(values), rel=1e-5)  # float32 sums
    assert seen.white == pytest.approx(sum(value >= 0.96 for value in values) / len(values), rel=1e-5)
    assert seen.black == pytest.approx(sum(value <= 0.02 for value in values) / len(values), rel=1e-5)
    assert seen.white > 0 and seen.black > 0


# Pose. The twin turns another published face (Multi-PIE's 68 points, in millimetres) before a pinhole camera.

MULTI_PIE = [
    [-32.1, -31.7, -36.7],
    [32.1, -31.7, -36.7],
    [0.0, 0.0, 0.0],
    [-28.5, 33.3, -36.7],
    [28.5, 33.3, -36.7],
]  # x to the viewer's right, y down, z towards the camera


def seen_by_a_camera(face, yaw: float, pitch: float, roll: float, distance: float = 700, zoom: float = 1.3):
    yaw, pitch, roll = map(math.radians, (yaw, pitch, roll))
    points = []
    for x, y, z in face:
        x, z = x * math.cos(yaw) + z * math.sin(yaw), z * math.cos(yaw) - x * math.sin(yaw)
        y, z = y * math.cos(pitch) - z * math.sin(pitch), z * math.cos(pitch) + y * math.sin(pitch)
        x, y = x * math.cos(roll) - y * math.sin(roll), y * math.cos(roll) + x * math.sin(roll)
        near = zoom * distance / (distance - z)
        points.append([1000 + near * x, 700 + near * y])
    return torch.tensor(points)


def seen_from_afar(yaw: float, pitch: float, roll: float) -> torch.Tensor:
    """The generic face itself, 80 pixels from eye to eye, without perspective."""
    return seen_by_a_camera(FACE, yaw, pitch, roll, distance=1e6, zoom=80)


@pytest.mark.parametrize("yaw", [-60, -30, 0, 15, 45])
@pytest.mark.parametrize("pitch", [-30, 0, 20])
@pytest.mark.parametrize("roll", [0, -40, 170])
def test_the_pose_of_the_generic_face_is_found_again(yaw, pitch, roll):
    pose = head_pose(seen_from_afar(yaw, pitch, roll))
    # The search ends on a grid of 0.1 degrees.
    assert (pose.yaw, pose.pitch) == (pytest.approx(yaw, abs=0.11), pytest.approx(pitch, abs=0.11))
    assert (pose.roll - roll + 180) % 360 - 180 == pytest.approx(0, abs=0.11)


@pytest.mark.parametrize("yaw", [-50, -30, -10, 0, 20, 40])
@pytest.mark.parametrize("pitch", [-20, 0, 20])
def test_the_pose_of_another_face_before_a_camera_is_found_within_some_degrees(yaw, pitch):
    pose = head_pose(seen_by_a_camera(MULTI_PIE, yaw, pitch, 10))
    # That model counts pitch from the plane of eyes and mouth, 8 degrees off how people look into a camera.
    assert pose.yaw == pytest.approx(yaw, abs=6)
    assert pose.pitch - 8 == pytest.approx(pitch, abs=8)


def test_turning_the_head_further_is_told_as_further():
    yaws = [head_pose(seen_by_a_camera(MULTI_PIE, yaw, 0, 0)).yaw for yaw in range(-60, 61, 5)]
    assert yaws == sorted(yaws) and len(set(yaws)) == len(yaws)


@photos
def test_a_mirrored_face_looks_the_other_way(name):
    points = landmarks(name)
    mirrored = (points * torch.tensor([-1.0, 1.0]))[[1, 0, 2, 4, 3]]
    plain, other = head_pose(points), head_pose(mirrored)
    # Two steps of the search's grid.
    assert (other.yaw, other.pitch) == (pytest.approx(-plain.yaw, abs=0.2), pytest.approx(plain.pitch, abs=0.2))
    assert other.roll == pytest.approx(-plain.roll, abs=0.2)


@photos
def test_a_rotated_photo_only_rolls(name):
    points = landmarks(name).double()
    turn = math.radians(50)
    turned = points @ torch.tensor([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]]).double()
    plain, other = head_pose(points), head_pose(turned)
    assert (other.yaw, other.pitch) == (plain.yaw, plain.pitch)
    assert other.roll - plain.roll == pytest.approx(50, abs=0.01)  # degrees; float32 landmarks


def test_the_man_of_00790_is_turned_to_the_viewers_left_and_the_woman_of_00059_is_not():
    # Of his ears the viewer's right one is seen whole, of the other a rim; hers are seen alike.
    assert -20 < head_pose(landmarks("00790")).yaw < -5
    assert abs(head_pose(landmarks("00059")).yaw) < 3


def test_a_turned_face_is_told_how_far_and_where_to():
    picture = portrait("astronaut")
    result = assess_portrait(picture, landmarks=seen_from_afar(40, 30, 50))
    assert "otate the photo" not in result.text()
    assert [finding.measure for finding in result.bad] == ["yaw", "pitch"]
    yaw, pitch = (finding.advice for finding in result.bad)
    assert yaw == ("Turn the head towards the camera: it is turned by about 40 degrees to the viewer's right.")
    assert pitch == "Lower the chin: the face looks up by about 30 degrees."
    other = assess_portrait(picture, landmarks=seen_from_afar(-40, -30, 0))
    assert "to the viewer's left" in other.bad[0].advice and "Raise the chin" in other.bad[1].advice


# Cover


def bare_face(side: int = SIDE) -> torch.Tensor:
    parts = torch.full((side, side), int(FacePart.BACKGROUND))
    parts[disc(side, 0.45) > 0] = FacePart.HAIR
    parts[ffhq_oval(side) > 0] = FacePart.SKIN
    return parts


def test_a_bare_face_is_not_covered():
    cover = measure_occlusion(bare_face())
    assert (cover.hair, cover.hat, cover.glasses, cover.other) == (0, 0, 0, 0)
    assert assess_portrait(portrait("astronaut"), parts=bare_face()).good


def test_shares_are_what_counting_pixel_by_pixel_gives():
    side = 48
    parts = torch.randint(0, 19, (side, side), generator=rng())
    cover = measure_occlusion(parts)
    counts = dict.fromkeys(("features", "hair", "other", "eyes", "glasses", "oval", "hat"), 0)
    for row in range(side):
        for column in range(side):
            x, y, part = (column + 0.5) / side, (row + 0.5) / side, FacePart(int(parts[row, column]))
            if ((x - 0.5) / 0.21) ** 2 + ((y - 0.6) / 0.2) ** 2 <= 1:
                counts["features"] += 1
                counts["hair"] += part is FacePart.HAIR
                counts["other"] += part.name in ("BACKGROUND", "EARRING", "NECK", "NECKLACE", "CLOTH")
            if any(((x - eye) / 0.075) ** 2 + ((y - 0.475) / 0.045) ** 2 <= 1 for eye in (0.375, 0.625)):
                counts["eyes"] += 1
                counts["glasses"] += part is FacePart.GLASSES
            if ffhq_oval(side)[row, column]:
                counts["oval"] += 1
                counts["hat"] += part is FacePart.HAT
    assert cover.hair == pytest.approx(counts["hair"] / counts["features"])
    assert cover.other == pytest.approx(counts["other"] / counts["features"])
    assert cover.glasses == pytest.approx(counts["glasses"] / counts["eyes"])
    assert cover.hat == pytest.approx(counts["hat"] / counts["oval"])


@photos
def test_the_regions_hold_the_eyes_the_nose_and_the_mouth_of_real_portraits(name):
    points = align_face(landmarks(name), tuple(photo(name).shape[1:])).map_points(landmarks(name))
    for index, (x, y) in enumerate(points.round().long().tolist()):
        assert features_region(SIDE)[y, x]
        assert eyes_region(SIDE)[y, x] == (index < 2)


@pytest.mark.parametrize(
    "part,measure,first_bad",
    [
        # How far down from the top of the face, in parts of the portrait, something is painted over it.
        (FacePart.HAT, "hat on the face", 0.44),  # the brows are at 0.41
        (FacePart.HAIR, "hair on the face", 0.48),  # the eyes are at 0.475
        (FacePart.CLOTH, "other things on the face", 0.52),
    ],
)
def test_what_is_pulled_over_the_face_is_told_from_the_brows_on(part, measure, first_bad):
    picture, values = portrait("astronaut"), []
    for down in (0.3, 0.36, first_bad, 0.6, 0.8):
        parts = bare_face()
        parts[: round(down * SIDE)] = part
        finding = of(assess_portrait(picture, parts=parts), measure)
        values.append(finding.value)
        assert finding.good == (down < first_bad), (down, finding)
    assert values == sorted(values)
    assert f"{values[-1]:.0f}%" in finding.advice


def test_glasses_count_and_thin_frames_do_not():
    picture = portrait("astronaut")
    frames, lenses = bare_face(), bare_face()
    for eye in (0.375, 0.625):
        axis = (torch.arange(SIDE) + 0.5) / SIDE
        radius = (((axis[None] - eye) / 0.07) ** 2 + ((axis[:, None] - 0.475) / 0.05) ** 2).sqrt()
        lenses[radius < 1] = FacePart.GLASSES
        frames[(radius < 1) & (radius > 0.92)] = FacePart.GLASSES
    assert of(assess_portrait(picture, parts=frames), "glasses").good
    finding = of(assess_portrait(picture, parts=lenses), "glasses")
    assert finding.value > 90 and finding.advice.startswith("Take off the glasses, unless the person always wears them")


def test_a_painted_hair_mask_stands_in_for_parts():
    hair = torch.zeros(SIDE, SIDE)
    hair[: SIDE // 2] = 1
    result = assess_portrait(portrait("astronaut"), hair_mask=hair)
    expected = 100 * features_region(SIDE)[: SIDE // 2].sum() / features_region(SIDE).sum()
    assert of(result, "hair on the face").value == pytest.approx(expected.item(), rel=1e-5)  # a float32 mean
    assert not of(result, "hair on the face").good
    assert any(sentence.startswith("Hat, glasses and other things") for sentence in result.left_out)


# Border


@pytest.mark.parametrize("cut", [0, 0.1, 0.25, 0.5])
def test_what_lies_beyond_the_border_is_counted(cut):
    # The portrait of 512 pixels is the photo, enlarged twice, moved up by a part of its height.
    matrix = torch.tensor([[2.0, 0.0, 0.0], [0.0, 2.0, cut * SIDE]], dtype=torch.float64)
    beyond = outside_photo(Alignment(matrix=matrix, size=SIDE), (SIDE // 2, SIDE // 2))
    # Counted on 128 rows, so a row may be missed.
    assert beyond.portrait == pytest.approx(cut, abs=1 / 128)
    rows = torch.arange(SIDE) + 0.5 < cut * SIDE
    assert beyond.face == pytest.approx((OVAL[rows].sum() / OVAL.sum()).item(), abs=0.015)


def test_a_face_cut_by_the_border_is_told():
    picture, points = photo("astronaut"), landmarks("astronaut")
    shares = []
    for left in (150, 185, 200, 215, 230):  # of the photo, cut off
        result = report(picture[:, :, left:], points - torch.tensor([left, 0.0]))
        shares.append((of(result, "face outside the photo").value, of(result, "portrait outside the photo").value))
        # Her face reaches from column 180 to 270.
        assert of(result, "face outside the photo").good == (left <= 185), result.text()
    assert shares == sorted(shares)
    assert "Use a photo that shows the whole face" in result.text()


# The report


def test_what_cannot_be_measured_is_said():
    result = assess_portrait(rand(3, SIDE, SIDE), face_mask=NO_HAIR)
    assert [finding.measure for finding in result.findings] == ["resolution"]
    assert result.left_out == (
        "Sharpness and light were not measured: the face mask marks 0 pixels, needed 500.",
        "The head's pose was not measured: there are no landmarks.",
        "Hair on the face was not measured: there is no map of face parts, and no hair is marked.",
        "Hat, glasses and other things on the face were not measured: there is no map of face parts.",
        "Cropping by the photo's border was not measured: the photo was taken as an aligned portrait.",
    )
    assert all(f"[not measured] {sentence}" in result.text() for sentence in result.left_out)


def test_a_face_of_one_colour_has_no_blur_and_useless_landmarks_no_pose():
    result = assess_portrait(torch.full((3, SIDE, SIDE), 0.5), landmarks=torch.full((5, 2), 7.0))
    assert "blur" not in {finding.measure for finding in result.findings}
    assert "Sharpness was not measured: the face mask covers a single colour without edges." in result.left_out
    assert any("pose was not measured from its landmarks: they coincide" in text for text in result.left_out)


FINDINGS = (
    Finding(measure="blur", value=4.5678, unit="px", limit="at most 3", good=False, advice="Use a sharper photo."),
    Finding(measure="roll", value=2.0, unit="degrees", limit="at most 45", good=True, advice=""),
    Finding(measure="yaw", value=40.0, unit="degrees", limit="at most 30", good=False, advice="Turn the head."),
)


def test_the_text_puts_what_to_change_first():
    assert QualityReport(findings=FINDINGS, left_out=("No hair.",)).text().splitlines() == [
        "[!] blur: 4.57 px (at most 3). Use a sharper photo.",
        "[!] yaw: 40 degrees (at most 30). Turn the head.",
        "Photo quality: 2 of 3 measures to improve, others could not be taken.",
        "[ok] roll: 2 degrees (at most 45)",
        "[not measured] No hair.",
    ]
    assert QualityReport(findings=FINDINGS[1:2]).text().startswith("Photo quality: good in 1 measure.")


def test_the_dict_goes_through_json_unchanged():
    result = QualityReport(findings=FINDINGS, left_out=("No hair.",))
    again = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert again == result.as_dict()
    assert again["good"] is False and again["left_out"] == ["No hair."]
    assert again["findings"][0] == {
        "measure": "blur",
        "value": 4.568,
        "unit": "px",
        "limit": "at most 3",
        "good": False,
        "advice": "Use a sharper photo.",
    }


def test_the_strict_switch_lists_every_fault():
    require_good(QualityReport(findings=FINDINGS[1:2]))
    with pytest.raises(StableIdentityError) as caught:
        require_good(QualityReport(findings=FINDINGS), what="Photo 2")
    assert str(caught.value) == (
        "Photo 2 has 2 problems: (1) blur: 4.57 px (at most 3). Use a sharper photo.; "
        "(2) yaw: 40 degrees (at most 30). Turn the head. Use a better photo, or turn the strict check off."
    )


def test_inputs_of_wrong_shapes_are_refused():
    picture = rand(3, 64, 64)
    for wrong, message in (
        ({"face_mask": torch.zeros(32, 32)}, "The face mask has shape"),
        ({"hair_mask": torch.zeros(1, 64, 64)}, "The hair mask has shape"),
        ({"landmarks": torch.zeros(4, 2)}, "The landmarks has shape"),
        ({"parts": torch.zeros(64, 32, dtype=torch.int64)}, "The map of face parts has shape"),
    ):
        with pytest.raises(StableIdentityError, match=message):
            assess_portrait(picture, **wrong)
    with pytest.raises(StableIdentityError, match="The portrait has shape"):
        assess_portrait(rand(3, 64, 32))

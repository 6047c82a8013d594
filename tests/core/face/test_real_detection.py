"""Detection, choice and alignment on photos of real people, by a trained detector, where both are at hand.

Everything is held against what the same detector finds in the untouched photo, in eye distances: its points of a face
and of that face's mirror image differ by up to 0.07 of them, and points of a turned face that is not looked at again by
0.3 and more.
"""

from __future__ import annotations

import functools
import math

import pytest
import torch
import torchvision.transforms.v2.functional as TF

from helpers.faces import real_photo, trained_detector
from stableidentity_core.errors import NoFaceError
from stableidentity_core.face import RetinaFaceDetector, choose_face, detect_faces, load_retinaface
from stableidentity_core.face.prepare import Choice, Prepared, aligned_portrait, prepare_face
from stableidentity_core.face.upright import upright

PEOPLE = ["astronaut", "grace_hopper", "00059", "00790"]
NEAR = 0.15  # eye distances
GREY = [0.45] * 3

people = pytest.mark.parametrize("name", PEOPLE)


@functools.cache
def detector() -> RetinaFaceDetector:
    return load_retinaface(trained_detector())


@functools.cache
def plain(name: str) -> torch.Tensor:
    """Landmarks [5, 2] in the untouched photo."""
    (face,) = detect_faces(real_photo(name), detector())
    return face.landmarks


def found(photo: torch.Tensor) -> torch.Tensor:
    (face,) = detect_faces(photo, detector())
    return upright(photo, face, detector()).landmarks


def off(points: torch.Tensor, expected: torch.Tensor) -> float:
    """Mean distance in eye distances."""
    return ((points - expected).norm(dim=1).mean() / (expected[1] - expected[0]).norm()).item()


def turned(photo: torch.Tensor, points: torch.Tensor, degrees: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Clockwise, on a canvas as large as it needs."""
    if degrees % 90 == 0:
        picture = torch.rot90(photo, -int(degrees) // 90, (1, 2))
    else:
        picture = TF.rotate(photo, -degrees, interpolation=TF.InterpolationMode.BILINEAR, fill=GREY, expand=True)
    turn = math.radians(degrees)
    rotation = torch.tensor([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    before, after = (torch.tensor([one.shape[2], one.shape[1]]) / 2 for one in (photo, picture))
    return picture, (points - before) @ rotation + after


def mirrored(photo: torch.Tensor, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    flipped = torch.stack([photo.shape[2] - points[:, 0], points[:, 1]], dim=1)
    return photo.flip(2), flipped[[1, 0, 2, 4, 3]]


@people
def test_each_photo_has_one_face_with_its_points_within_the_box(name):
    (face,) = detect_faces(real_photo(name), detector())
    left, top, right, bottom = face.box.tolist()
    assert face.score > 0.99
    assert all(left < x < right and top < y < bottom for x, y in face.landmarks.tolist())
    assert face.landmarks[0, 0] < face.landmarks[1, 0] and face.landmarks[:2, 1].max() < face.landmarks[3:, 1].min()
    assert upright(real_photo(name), face, detector()) is face  # as nothing is to be turned


@people
def test_a_mirrored_photo_has_the_mirrored_face(name):
    photo, points = mirrored(real_photo(name), plain(name))
    assert off(found(photo), points) < NEAR


@people
@pytest.mark.parametrize("scale", [0.5, 4])
def test_a_scaled_photo_has_the_scaled_face(name, scale):
    photo = real_photo(name)
    size = [round(side * scale) for side in photo.shape[1:]]
    factor = torch.tensor([size[1] / photo.shape[2], size[0] / photo.shape[1]])
    assert off(found(TF.resize(photo, size, antialias=True)), plain(name) * factor) < NEAR


@people
@pytest.mark.parametrize("degrees", [30, 90, 145, 215, 270])
def test_a_turned_photo_has_the_turned_face(name, degrees):
    photo, points = turned(real_photo(name), plain(name), degrees)
    assert off(found(photo), points) < NEAR


@people
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_mirrored_photo_on_its_side_has_the_turned_mirrored_face(name, degrees):
    photo, points = turned(*mirrored(real_photo(name), plain(name)), degrees)
    assert off(found(photo), points) < NEAR


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """Of two portraits, where the face is and in small, so that a pixel of shift does not count."""
    middle = slice(128, 448)
    small = [TF.resize(picture[:, middle, 96:416], [32, 32], antialias=True) for picture in (one, other)]
    return (small[0] - small[1]).abs().mean().item()


@people
@pytest.mark.parametrize("degrees", [90, 180, 200])
def test_the_portrait_of_a_turned_photo_is_that_of_the_photo(name, degrees):
    photo = real_photo(name)
    expected = aligned_portrait(photo, detector=detector())
    one = prepare_face(turned(photo, plain(name), degrees)[0], detector=detector())
    others = [torch.rot90(expected, turns, (1, 2)) for turns in (1, 2, 3)]
    assert difference(one.face.image, expected) < 0.5 * min(difference(other, expected) for other in others)
    text = one.report.text()
    assert "the portrait was turned upright" in text and "otate" not in text
    assert torch.equal(one.face.image, aligned_portrait(turned(photo, plain(name), degrees)[0], detector=detector()))


# Several in one picture: from left to right small, large, middle-sized; the small one is hers with the helmet.

GROUP = {"astronaut": (40, 500, 512), "00059": (480, 60, 720), "grace_hopper": (1240, 300, 420)}  # left, top, side
SIZE = (1040, 1700)


def group() -> torch.Tensor:
    canvas = torch.tensor(GREY)[:, None, None].repeat(1, *SIZE)
    for name, (left, top, side) in GROUP.items():
        photo = real_photo(name)
        height = round(side * photo.shape[1] / photo.shape[2])
        canvas[:, top : top + height, left : left + side] = TF.resize(photo, [height, side], antialias=True)
    return canvas


def who(one: Prepared) -> str:
    """Whose portrait it is most like."""
    known = {name: aligned_portrait(real_photo(name), detector=detector()) for name in GROUP}
    return min(known, key=lambda name: difference(known[name], one.face.image))


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(rule="largest"), "00059"),
        (Choice(rule="most central"), "00059"),
        (Choice(rule="leftmost"), "astronaut"),
        (Choice(rule="number", number=1), "astronaut"),
        (Choice(rule="number", number=2), "00059"),
        (Choice(rule="number", number=3), "grace_hopper"),
    ],
    ids=str,
)
def test_each_rule_chooses_its_person_out_of_a_group(choice, expected):
    assert who(prepare_face(group(), detector=detector(), choice=choice)) == expected


def test_a_group_has_its_three_faces_where_they_were_pasted():
    faces = detect_faces(group(), detector())
    assert len(faces) == 3
    for face, (name, (left, top, side)) in zip(faces, GROUP.items(), strict=True):
        points = plain(name) * (side / real_photo(name).shape[2]) + torch.tensor([left, top])
        assert off(face.landmarks, points) < NEAR
    for rule, at in (("largest", 1), ("most central", 1), ("leftmost", 0)):
        assert choose_face(faces, rule, SIZE) is faces[at]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_group_on_its_side_gives_an_upright_portrait_of_the_largest(turns):
    photo = torch.rot90(group(), turns, (1, 2))
    assert who(prepare_face(photo, detector=detector())) == "00059"


def test_where_there_is_no_face_none_is_found():
    photo = real_photo("grace_hopper")
    cloth = photo[:, 420:, :]
    for picture in (cloth, torch.rand(3, 480, 640, generator=torch.Generator().manual_seed(0))):
        with pytest.raises(NoFaceError, match="rotated by 90, 180 and 270 degrees"):
            detect_faces(picture, detector())

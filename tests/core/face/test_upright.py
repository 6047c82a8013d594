"""Faces that lie on a side or upside down, for a detector that is at a loss with them, as trained ones are."""

from __future__ import annotations

import math

import pytest
import torch
import torchvision.transforms.v2.functional as TF

from stableidentity_core.face.align import align_face
from stableidentity_core.face.detect import Detections, detect_faces
from stableidentity_core.face.prepare import prepare_face
from stableidentity_core.face.upright import upright

SIDE = 600
# Each of the five points of a drawn face is a disc of its own colour.
COLOURS = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]])
POINTS = torch.tensor([[-0.5, 0.0], [0.5, 0.0], [0.0, 0.55], [-0.42, 1.05], [0.42, 1.05]])
EYES = 90.0  # pixels apart


def drawn(middle: tuple[float, float] = (300, 260), side: int = SIDE) -> tuple[torch.Tensor, torch.Tensor]:
    """A photo [3, side, side] and its landmarks [5, 2]."""
    points = POINTS * EYES + torch.tensor(middle)
    y, x = torch.meshgrid(torch.arange(side) + 0.5, torch.arange(side) + 0.5, indexing="ij")
    photo = torch.full((3, side, side), 0.5)
    for (px, py), colour in zip(points.tolist(), COLOURS, strict=True):
        photo[:, (x - px) ** 2 + (y - py) ** 2 < 14**2] = colour[:, None]
    return photo, points


class Drawn:
    """Sees the discs. Its scores fall with the face's angle; beyond 50 degrees its points are of no face there is.

    `blind` is the angle from which on it sees nothing.
    """

    name = "drawn"

    def __init__(self, blind: float = 181.0):
        self.blind = blind
        self.looks = 0

    def __call__(self, picture: torch.Tensor) -> Detections:
        self.looks += 1
        marked = [((picture - colour[:, None, None]).abs().amax(0) < 0.4).nonzero().float() for colour in COLOURS]
        nothing = Detections(boxes=torch.zeros(0, 4), scores=torch.zeros(0), landmarks=torch.zeros(0, 5, 2))
        if not all(map(len, marked)):
            return nothing
        points = torch.stack([at.mean(0).flip(0) + 0.5 for at in marked])
        across = points[1] - points[0]
        angle = math.degrees(math.atan2(across[1].item(), across[0].item()))
        if abs(angle) >= self.blind:
            return nothing
        middle, reach = points.mean(0), 1.1 * across.norm()
        if abs(angle) > 50:
            points = middle + (POINTS - POINTS.mean(0)) * across.norm()  # as if it stood upright
        score = torch.sigmoid(torch.tensor([8 - abs(angle) / 30]))
        return Detections(boxes=torch.cat([middle - reach, middle + reach])[None], scores=score, landmarks=points[None])


def turned(photo: torch.Tensor, points: torch.Tensor, degrees: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Photo and points turned clockwise about the photo's middle."""
    picture = TF.rotate(photo, -degrees, interpolation=TF.InterpolationMode.BILINEAR, fill=[0.5] * 3)
    turn = math.radians(degrees)
    rotation = torch.tensor([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    return picture, (points - SIDE / 2) @ rotation + SIDE / 2


@pytest.mark.parametrize("degrees", [0, 10, 25, 45, 90, 135, 180, -20, -60, -90, -120, -170])
def test_points_of_a_turned_face_are_those_of_the_upright_one(degrees):
    photo, points = turned(*drawn(), degrees)
    (first,) = detect_faces(photo, Drawn())
    found = upright(photo, first, Drawn())
    # Centroids of discs that were resampled twice are a fraction of a pixel off; points askew by 50 degrees, 40 pixels.
    assert (found.landmarks - points).norm(dim=1).max() < 0.03 * EYES
    askew = (first.landmarks - points).norm(dim=1).max() > 0.3 * EYES
    assert askew == (abs(degrees) > 50)


@pytest.mark.parametrize("degrees", [90, 180, -90, 140])
def test_a_face_that_is_only_seen_upright_is_found(degrees):
    photo, points = turned(*drawn(), degrees)
    one = prepare_face(photo, detector=Drawn(blind=60))
    assert one.alignment is not None
    expected = align_face(points, (SIDE, SIDE))
    moved = (one.alignment.corners - expected.corners).norm(dim=1).max() * expected.enlargement
    assert moved < 0.02 * expected.size
    eyes = one.alignment.map_points(points)
    assert eyes[0, 0] < eyes[1, 0] and abs(eyes[0, 1] - eyes[1, 1]) < 5


@pytest.mark.parametrize("degrees", [0, 12, -12])
def test_a_face_that_is_surely_upright_is_left_as_it_is_without_a_further_look(degrees):
    photo, _points = turned(*drawn(), degrees)
    detector = Drawn()
    (first,) = detect_faces(photo, detector)
    looks = detector.looks
    assert upright(photo, first, detector) is first and detector.looks == looks


def test_where_the_further_looks_show_nothing_the_first_stays():
    photo, _points = turned(*drawn(), 90)
    (first,) = detect_faces(photo, Drawn())
    assert upright(photo, first, Drawn(blind=0.0)) is first


@pytest.mark.parametrize("middle", [(70, 30), (530, 480), (530, 30)])
def test_faces_at_the_border_are_looked_at_as_well(middle):
    """Half of the square around them is beyond the photo."""
    photo, points = drawn(middle)
    photo, points = photo.rot90(2, (1, 2)), SIDE - points
    (first,) = detect_faces(photo, Drawn())
    assert (first.landmarks - points).norm(dim=1).max() > 0.3 * EYES
    assert (upright(photo, first, Drawn()).landmarks - points).norm(dim=1).max() < 0.03 * EYES


def test_the_report_is_of_the_portrait_as_it_is_used():
    photo, _points = turned(*drawn(), 180)
    one = prepare_face(photo, detector=Drawn())
    text = one.report.text()
    assert "The face is tilted by 180 degrees in the photo; the portrait was turned upright." in text
    assert "otate" not in text and "roll" not in text
    assert "tilted" not in prepare_face(drawn()[0], detector=Drawn()).report.text()


def test_the_preview_shows_the_points_that_were_used():
    photo, points = turned(*drawn(), 90)
    shown = prepare_face(photo, detector=Drawn()).candidates
    for x, y in points.int().tolist():  # a dot of the preview covers the middle of each disc
        assert (shown[:, y, x] - photo[:, y, x]).abs().max() > 0.2

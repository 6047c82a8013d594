"""Sizes that are tried, mapping back to the photo, order and refusals, around a detector of known abilities."""

from __future__ import annotations

import pytest
import torch
from skimage.measure import label, regionprops

from stableidentity_core.errors import StableIdentityError
from stableidentity_core.face import Detections, align_face, choose_face, detect_faces, photo_of_image
from stableidentity_core.face.detect import plan_views

POINTS = torch.tensor([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
BACKGROUND = (0.2, 0.4, 0.6)


class SeesRed:
    """A FaceDetector to which red squares of a certain size are faces, as anchors make of RetinaFace."""

    name = "red squares"

    def __init__(self, smallest: float = 24, largest: float = 300, points: torch.Tensor = POINTS, doubt: float = 0.3):
        self.smallest, self.largest, self.points, self.doubt = smallest, largest, points, doubt
        self.saw: list[tuple[int, int]] = []

    def __call__(self, picture: torch.Tensor) -> Detections:
        self.saw.append((picture.shape[2], picture.shape[1]))
        red = ((picture[0] > 0.55) & (picture[1] < 0.45)).numpy()
        boxes = [region.bbox for region in regionprops(label(red))]
        boxes = torch.tensor([[left, top, right, bottom] for top, left, bottom, right in boxes]).float().view(-1, 4)
        sides = boxes[:, 2:] - boxes[:, :2]
        good = (sides.amax(1) >= self.smallest) & (sides.amax(1) <= self.largest)
        scores = torch.where(good, 0.95, self.doubt)
        return Detections(boxes=boxes, scores=scores, landmarks=boxes[:, None, :2] + self.points * sides[:, None])


def photo_with(height: int, width: int, *squares: tuple[int, int, int]) -> torch.Tensor:
    """Squares as (left, top, side); what lies outside of the photo is not drawn."""
    photo = torch.tensor(BACKGROUND)[:, None, None].repeat(1, height, width)
    for left, top, side in squares:
        place = photo[:, max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
        place.copy_(torch.tensor([0.9, 0.1, 0.1])[:, None, None].expand_as(place))
    return photo


def assert_is(candidate, left: float, top: float, side: float, view_scale: float) -> None:
    box = torch.tensor([left, top, left + side, top + side], dtype=torch.float32)
    # A pixel of the picture that the detector saw, where its square's edge lies between two.
    assert (candidate.box - box).abs().max() <= view_scale + 0.5
    assert (candidate.landmarks - (box[:2] + POINTS * side)).abs().max() <= view_scale + 0.5


@pytest.mark.parametrize(("height", "width"), [(480, 640), (1500, 2000), (3000, 4000), (4001, 2999), (301, 211)])
def test_a_face_is_found_at_its_place_in_the_photo(height, width):
    left, top, side = int(0.55 * width), int(0.2 * height), int(0.25 * width)
    detector = SeesRed()
    (found,) = detect_faces(photo_with(height, width, (left, top, side)), detector)
    assert_is(found, left, top, side, max(height, width) / 640)
    assert len(detector.saw) == 1 and max(detector.saw[0]) == 640


def test_a_small_face_is_found_in_a_larger_view():
    detector = SeesRed(smallest=32)
    (found,) = detect_faces(photo_with(1500, 2000, (1200, 300, 60)), detector)  # 19 pixels at 640, 38 at 1280
    assert detector.saw == [(640, 480), (1280, 960)]
    assert_is(found, 1200, 300, 60, 2000 / 1280)


def test_a_tiny_face_is_found_in_the_original():
    detector = SeesRed(smallest=30)
    (found,) = detect_faces(photo_with(1500, 2000, (1200, 300, 32)), detector)
    assert detector.saw == [(640, 480), (1280, 960), (640, 640), (2000, 1500)]
    assert_is(found, 1200, 300, 32, 1)


def test_a_face_that_fills_the_frame_is_found_in_the_padded_view():
    detector = SeesRed()
    (found,) = detect_faces(photo_with(1000, 800, (0, 100, 800)), detector)
    assert detector.saw == [(512, 640), (1024, 1280), (640, 640)]
    assert_is(found, 0, 100, 800, 1000 / 320)


def test_a_photo_of_40_by_40_is_enlarged():
    detector = SeesRed()
    (found,) = detect_faces(photo_with(40, 40, (10, 12, 14)), detector)
    assert detector.saw == [(640, 640)]
    assert_is(found, 10, 12, 14, 40 / 640)


def test_a_photo_of_48_megapixels_is_only_looked_at_in_small():
    image = torch.tensor(BACKGROUND).expand(6000, 8000, 3)  # of three numbers: this costs no memory
    detector = SeesRed()
    with pytest.raises(StableIdentityError, match="8000x6000 pixels"):
        detect_faces(photo_of_image(image), detector)
    assert detector.saw == [(640, 480), (1280, 960), (640, 640), (2150, 1612), (480, 640), (480, 640), (640, 480)]


def test_three_faces_come_from_left_to_right():
    squares = [(400, 50, 60), (40, 200, 80), (220, 300, 100)]
    found = detect_faces(photo_with(480, 640, *squares), SeesRed())
    for candidate, square in zip(found, sorted(squares), strict=True):
        assert_is(candidate, *square, 1)
    assert choose_face(found, "largest", (480, 640)) is found[1]
    assert choose_face(found, "number", (480, 640), 3) is found[2]


@pytest.mark.parametrize(("left", "top"), [(-60, 150), (560, 200), (300, -70), (200, 400)])
def test_a_face_cut_by_the_border_is_a_candidate_that_can_be_aligned(left, top):
    photo = photo_with(480, 640, (left, top, 150))
    (found,) = detect_faces(photo, SeesRed())
    portrait = align_face(found.landmarks, (480, 640), 128).warp(photo)
    assert portrait.shape == (3, 128, 128) and portrait.isfinite().all()


def test_no_face_is_a_sentence_with_all_that_was_tried():
    detector = SeesRed(doubt=0.41, smallest=1000)
    with pytest.raises(StableIdentityError) as caught:
        detect_faces(photo_with(3024, 4032, (2000, 1000, 400)), detector, threshold=0.7)
    text = str(caught.value)
    for words in ("4032x3024", "640, 1280, 320 (within 640) and 2150", "scored 0.41 (needed 0.70)", "crop it closer"):
        assert words in text
    size = text.partition(" and measures ")[2].partition(" pixels")[0]  # about 400x400
    assert all(abs(int(side) - 400) <= 12 for side in size.split("x")), text


def test_nothing_at_all_is_said_so():
    with pytest.raises(StableIdentityError, match=r"long side of 640 and 320.*Nothing in it looks like a face"):
        detect_faces(photo_with(300, 200), SeesRed())


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (POINTS * 0 + 0.5, "they coincide"),
        (POINTS * float("nan"), "not finite"),
        (POINTS[[1, 0, 2, 3, 4]], "wrong order"),
    ],
)
def test_faces_without_usable_landmarks_are_left_out_and_counted(points, said):
    with pytest.raises(StableIdentityError, match=f"impossible landmarks: .*{said}"):
        detect_faces(photo_with(480, 640, (100, 100, 140)), SeesRed(points=points))


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1, float("nan")])
def test_bad_settings_and_tiny_photos_are_sentences(threshold):
    with pytest.raises(StableIdentityError, match=f"is {threshold}, needed a value between 0 and 1"):
        detect_faces(photo_with(100, 100), SeesRed(), threshold=threshold)
    with pytest.raises(StableIdentityError, match="15x300 pixels, needed at least 16x16"):
        detect_faces(photo_with(300, 15), SeesRed())


def test_a_photo_is_never_shown_larger_than_it_need_be():
    assert [view.long_side for view in plan_views(300, 200)] == [640, 320]
    assert [view.long_side for view in plan_views(900, 700)] == [640, 1280, 320]
    assert [view.long_side for view in plan_views(1700, 700)] == [640, 1280, 320, 1700]
    assert [view.long_side for view in plan_views(900, 9000)] == [640, 1280, 320, 2150]

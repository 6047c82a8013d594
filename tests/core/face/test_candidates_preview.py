"""The preview shows every face where it is, with its number, and the chosen one differently."""

from __future__ import annotations

import pytest
import torch

from stableidentity_core.face import Candidate, draw_candidates
from stableidentity_core.face.candidates_preview import CHOSEN, OTHER


def face(left: float, top: float, side: float) -> Candidate:
    points = torch.tensor([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    corner = torch.tensor([left, top])
    return Candidate(box=torch.cat([corner, corner + side]), score=0.9, landmarks=corner + points * side)


def is_color(pixel: torch.Tensor, color: tuple[int, int, int]) -> bool:
    return torch.allclose(pixel * 255, torch.tensor(color).float(), atol=1)  # a level of 8 bits


@pytest.mark.parametrize("scale", [1, 4])
def test_boxes_and_points_are_where_the_faces_are(scale):
    photo = torch.full((3, 480 * scale, 640 * scale), 0.3)
    faces = [face(50 * scale, 100 * scale, 120 * scale), face(400 * scale, 200 * scale, 160 * scale)]
    preview = draw_candidates(photo, faces, chosen=faces[1])
    assert preview.shape == ((3, 480, 640) if scale == 1 else (3, 768, 1024))
    assert preview.dtype == torch.float32 and preview.min() >= 0 and preview.max() <= 1
    shrink = preview.shape[1] / photo.shape[1]
    for candidate, color in ((faces[0], OTHER), (faces[1], CHOSEN)):
        left, top, right, bottom = (candidate.box * shrink).tolist()
        assert is_color(preview[:, int(bottom), int(left + right) // 2], color)
        assert is_color(preview[:, int(top + bottom) // 2, int(right)], color)
        for x, y in (candidate.landmarks * shrink).int().tolist():
            assert is_color(preview[:, y, x], color)
    assert torch.allclose(preview[:, 5, 5], photo[:, 0, 0], atol=1 / 255)  # elsewhere it is the photo


def test_numbers_differ_and_the_chosen_box_is_thicker():
    photo = torch.zeros(3, 480, 640)
    one, two = face(60, 100, 150), face(400, 100, 150)
    neither, first = draw_candidates(photo, [one, two]), draw_candidates(photo, [one, two], chosen=one)
    labels = [neither[:, 100:130, x : x + 30] for x in (60, 400)]
    assert not torch.equal(*labels)
    assert torch.equal(neither[:, :, 350:], first[:, :, 350:])
    row = 200  # across both upright edges of the box
    drawn = [(picture[0, row, :300] > 0.5).sum().item() for picture in (neither, first)]
    assert drawn[1] > drawn[0] > 0


def test_a_face_cut_by_the_border_keeps_its_number_in_view():
    photo = torch.zeros(3, 300, 300)
    cut = face(-80, -90, 150)
    preview = draw_candidates(photo, [cut], chosen=cut)
    assert is_color(preview[:, 2, 3], CHOSEN)


def test_the_photo_is_not_drawn_upon():
    photo = torch.full((480, 640, 3), 0.5).permute(2, 0, 1)
    draw_candidates(photo, [face(50, 50, 100)])
    assert (photo == 0.5).all()

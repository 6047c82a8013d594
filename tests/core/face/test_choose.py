"""Which face is taken, and that it is the same one each time."""

from __future__ import annotations

import pytest
import torch

from stableidentity_core.errors import StableIdentityError
from stableidentity_core.face import Candidate, choose_face

SIZE = (100, 300)  # height, width


def face(left: float, top: float, right: float, bottom: float) -> Candidate:
    return Candidate(box=torch.tensor([left, top, right, bottom]), score=0.9, landmarks=torch.zeros(5, 2))


LEFT, MIDDLE, RIGHT = face(0, 10, 40, 60), face(130, 30, 160, 70), face(200, 10, 260, 80)
ALL = [LEFT, MIDDLE, RIGHT]


@pytest.mark.parametrize(
    ("rule", "number", "expected"),
    [
        ("largest", 1, RIGHT),
        ("most central", 1, MIDDLE),
        ("leftmost", 3, LEFT),
        ("number", 1, LEFT),
        ("number", 2, MIDDLE),
        ("number", 3, RIGHT),
    ],
)
def test_each_rule_takes_its_face(rule, number, expected):
    assert choose_face(ALL, rule, SIZE, number) is expected


def test_only_what_is_within_the_photo_counts():
    cut = face(-500, 0, 30, 100)  # 53000 square pixels, 3000 of them visible
    assert choose_face([cut, RIGHT], "largest", SIZE) is RIGHT


@pytest.mark.parametrize("rule", ["largest", "most central"])
def test_of_equal_faces_the_lower_number_is_taken(rule):
    twins = [face(100, 20, 140, 60), face(160, 20, 200, 60)]  # both 30 from the middle
    assert choose_face(twins, rule, SIZE) is twins[0]
    assert choose_face(twins[::-1], rule, SIZE) is twins[1]


@pytest.mark.parametrize(
    ("faces", "number", "said"),
    [
        (ALL, 4, "number 4 was requested, but there are 3 faces.*left to right.*Choose 1 to 3"),
        (ALL, 0, "number 0 .*are 3 faces"),
        (ALL, -1, "number -1"),
        ([LEFT], 2, "number 2 .*is 1 face in the photo.*Choose 1\\."),
    ],
)
def test_a_number_too_high_or_low_is_a_sentence_with_the_count(faces, number, said):
    with pytest.raises(StableIdentityError, match=said):
        choose_face(faces, "number", SIZE, number)


def test_no_faces_and_no_such_rule_are_sentences():
    with pytest.raises(StableIdentityError, match="0 faces"):
        choose_face([], "largest", SIZE)
    with pytest.raises(StableIdentityError, match=r"Unknown rule 'smallest'.*largest, most central, leftmost, number"):
        choose_face(ALL, "smallest", SIZE)  # type: ignore[arg-type]

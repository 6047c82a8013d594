"""Masks that a user connects: those that fit pass, those that contradict the face are the first thing said."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.make import rand, rng
from mini_world.look import draw_look
from mini_world.painter import paint
from mini_world.person import unseen_person
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.face.detect import Detections
from stableidentity_core.face.parsing import FacePart
from stableidentity_core.face.portrait import ffhq_oval
from stableidentity_core.face.prepare import Prepared, prepare_face
from stableidentity_core.face.quality import require_good

SIDE = 512
ROWS, COLUMNS = torch.meshgrid(torch.arange(SIDE) / SIDE, torch.arange(SIDE) / SIDE, indexing="ij")
FACE = ffhq_oval(SIDE)
HAIR = ((((COLUMNS - 0.5) / 0.34) ** 2 + ((ROWS - 0.5) / 0.42) ** 2 <= 1) & (ROWS < 0.45)).float() * (1 - FACE)
PERSON = ((FACE + HAIR > 0) | (ROWS > 0.75)).float()


class Parser:
    """Sees hair, face and clothes where this file has them."""

    name = "drawn"

    def __call__(self, portrait: torch.Tensor) -> torch.Tensor:
        parts = torch.zeros(SIDE, SIDE, dtype=torch.long)
        parts[PERSON > 0] = FacePart.CLOTH
        parts[HAIR > 0] = FacePart.HAIR
        parts[FACE > 0] = FacePart.SKIN
        return parts


class TwoFaces:
    """Two faces of 128 pixels side by side in a photo of 512 x 1024, which are shown to it at 640 x 320."""

    name = "two"

    def __call__(self, picture: torch.Tensor) -> Detections:
        scale = picture.shape[2] / 1024
        points = torch.tensor([[-16.0, -12], [16, -12], [0, 4], [-12, 20], [12, 20]])
        middles = torch.tensor([[256.0, 256.0], [768.0, 256.0]])
        boxes = torch.cat([middles - 40, middles + 40], dim=1)
        return Detections(
            boxes=boxes * scale, scores=torch.tensor([0.99, 0.98]), landmarks=(middles[:, None] + points) * scale
        )


def rectangle(top: float, bottom: float, left: float, right: float) -> torch.Tensor:
    return ((top <= ROWS) & (bottom > ROWS) & (left <= COLUMNS) & (right > COLUMNS)).float()


def gaussian(x: float, y: float, sigma: float) -> torch.Tensor:
    return torch.exp(-((COLUMNS - x) ** 2 + (ROWS - y) ** 2) / (2 * sigma**2))


def prepared(parser: Parser | None = None, **masks: torch.Tensor) -> Prepared:
    return prepare_face(rand(3, SIDE, SIDE), parser=parser, **masks)


def first_line(one: Prepared) -> str:
    return one.report.text().splitlines()[0]


parsers = pytest.mark.parametrize("parser", [None, Parser()], ids=["oval", "parsed"])

GOOD_FACES = {
    "the face": FACE,
    "half the size": FACE[::2, ::2],
    "without the mouth": FACE * (1 - rectangle(0.68, 0.8, 0.35, 0.65)),
    "without glasses": FACE * (1 - rectangle(0.42, 0.54, 0.2, 0.8)),
    "a tight rectangle": rectangle(0.25, 0.92, 0.25, 0.75),
    "soft": gaussian(0.5, 0.58, 0.2),
    "weak": FACE * 0.6,
}
BAD_FACES = {
    "inverted": (1 - FACE, "inverted"),
    "inverted alpha of a cut-out": (1 - PERSON, "inverted"),
    "softly inverted": (1 - gaussian(0.5, 0.58, 0.2), "inverted"),
    "all": (torch.ones(SIDE, SIDE), "whole portrait"),
    "the person": (PERSON, "lies outside"),
    "hair": (HAIR, "it misses"),
    "another place": (FACE.roll((-200, 180), (0, 1)), "it misses"),
    "a rectangle around the head": (rectangle(0.05, 0.98, 0.1, 0.9), "lies outside"),
    "a rectangle beside it": (rectangle(0.0, 0.3, 0.0, 0.3), "it misses"),
    "only the eyes": (rectangle(0.42, 0.54, 0.25, 0.75), "it misses"),
    "a dot": (rectangle(0.5, 0.51, 0.5, 0.51), "it misses 100%"),
}


@parsers
@pytest.mark.parametrize("kind", list(GOOD_FACES))
def test_face_masks_that_fit_pass_without_a_word(parser, kind):
    one = prepared(parser, face_mask=GOOD_FACES[kind])
    assert one.report.contradictions == () and "mask does not fit" not in one.report.text()


@parsers
@pytest.mark.parametrize("kind", list(BAD_FACES))
def test_face_masks_that_contradict_the_face_are_said_first_and_refused_by_strict(parser, kind):
    mask, said = BAD_FACES[kind]
    one = prepared(parser, face_mask=mask)
    assert first_line(one).startswith("[!] The face mask does not fit the face: ") and said in first_line(one)
    assert ("found by the parser" in first_line(one)) == (parser is not None)
    assert one.face.quality["good"] is False and len(one.face.quality["contradictions"]) == 1
    with pytest.raises(StableIdentityError, match=r"The face mask does not fit.*Correct the masks"):
        require_good(one.report)


def test_the_exact_masks_of_drawn_people_fit():
    """Whatever they wear on the head."""
    looks = np.random.default_rng(0)
    for number in range(40):
        drawn = paint(unseen_person(number), draw_look(looks)[0])
        face, hair = (torch.from_numpy(mask.copy()).float() for mask in (drawn.face_mask, drawn.hair_mask))
        portrait = torch.from_numpy(drawn.image.copy()).movedim(-1, 0) / 255
        one = prepare_face(portrait, face_mask=face, hair_mask=hair)
        assert one.report.contradictions == (), number
        assert prepare_face(portrait, face_mask=1 - face).report.contradictions, number


def test_any_mask_and_its_inverse_are_not_both_good():
    for seed in range(20):
        x, y, sigma = torch.rand(3, generator=rng(seed)).tolist()
        soft = gaussian(x, y, 0.05 + sigma / 3)
        pair = [prepared(face_mask=mask).report.contradictions for mask in (soft, 1 - soft)]
        assert any(pair), (x, y, sigma)


def test_a_parser_that_sees_no_face_says_nothing_against_a_mask():
    blind = Parser()
    blind.__class__ = type("Blind", (Parser,), {"__call__": lambda self, portrait: torch.zeros(SIDE, SIDE).long()})
    assert not prepared(blind, face_mask=FACE).report.contradictions
    assert "an aligned portrait" in first_line(prepared(blind, face_mask=1 - FACE))


GOOD_HAIR = {"the hair": HAIR, "a fringe too": (HAIR + FACE * rectangle(0, 0.4, 0, 1)).clamp(max=1), "weak": HAIR * 0.5}
BAD_HAIR = {"inverted": 1 - HAIR, "all": torch.ones(SIDE, SIDE), "empty": torch.zeros(64, 64), "face": FACE}


@parsers
@pytest.mark.parametrize("kind", list(GOOD_HAIR))
def test_hair_masks_that_fit_pass_without_a_word(parser, kind):
    assert not prepared(parser, hair_mask=GOOD_HAIR[kind]).report.contradictions


@pytest.mark.parametrize("kind", list(BAD_HAIR))
def test_hair_masks_that_contradict_what_the_parser_sees_are_said_first(kind):
    line = first_line(prepared(Parser(), hair_mask=BAD_HAIR[kind]))
    assert line.startswith("[!] The hair mask") and "Disconnect it" in line


def test_without_a_parser_hair_on_the_face_is_said_and_an_empty_mask_is_nothing_new():
    assert "in an aligned portrait" in first_line(prepared(hair_mask=FACE))
    assert not prepared(hair_mask=torch.zeros(64, 64)).report.contradictions


@parsers
def test_swapped_masks_are_called_so(parser):
    one = prepared(parser, face_mask=HAIR, hair_mask=FACE)
    assert one.report.contradictions == (
        "The face mask marks the hair and the hair mask marks the face. Swap face_mask and hair_mask.",
    )
    assert not prepared(parser, face_mask=FACE, hair_mask=HAIR).report.contradictions


@parsers
def test_one_mask_for_both_is_said(parser):
    assert "hair mask" in first_line(prepared(parser, face_mask=FACE, hair_mask=FACE))
    both = (FACE + HAIR).clamp(max=1)
    line = first_line(prepared(None, face_mask=both, hair_mask=HAIR))
    assert "overlap: 100% of one lies within the other" in line


def test_masks_of_the_other_person_in_the_photo():
    photo = rand(3, 512, 1024)
    mask = torch.zeros(512, 1024)
    mask[210:310, 216:296] = 1  # on the left face
    chosen = prepare_face(photo, detector=TwoFaces(), face_mask=mask)
    assert not chosen.report.contradictions
    right = mask.flip(1)
    with pytest.raises(StableIdentityError, match=r"nothing within the portrait of the chosen face.*which_face"):
        prepare_face(photo, detector=TwoFaces(), face_mask=right)
    said = prepare_face(photo, detector=TwoFaces(), hair_mask=right).report.contradictions
    assert len(said) == 1 and "nothing within the portrait, only other parts of the photo" in said[0]


def test_an_empty_mask_of_another_size_is_called_empty():
    """Load Image gives 64 x 64 zeros for every picture without a mask."""
    for photo in (rand(3, 512, 1024), rand(3, 400, 300)):
        with pytest.raises(StableIdentityError, match=r"face mask marks nothing.*Load Image outputs an empty one"):
            prepare_face(photo, detector=TwoFaces(), face_mask=torch.zeros(64, 64))


@pytest.mark.parametrize("which", ["face_mask", "hair_mask"])
@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (torch.full((SIDE, SIDE), float("nan")), "NaN"),
        (torch.full((SIDE, SIDE), float("inf")), "not finite"),
        (FACE * 255, "from 0.00 to 255.00"),
        (FACE - 0.5, "from -0.50"),
        (torch.zeros(0, SIDE), "is empty"),
        (FACE[:200], "aspect ratios differ"),
        (FACE[None], r"shape \[1, 512, 512\]"),
        (FACE.to(torch.complex64), "complex64"),
    ],
    ids=["nan", "inf", "0..255", "negative", "empty", "proportions", "batch", "complex"],
)
def test_masks_that_are_none_are_refused(which, mask, said):
    with pytest.raises(StableIdentityError, match=said):
        prepared(**{which: mask})


@pytest.mark.parametrize("dtype", [torch.bool, torch.float16, torch.bfloat16, torch.float64, torch.uint8])
def test_masks_of_other_types_are_taken(dtype):
    assert not prepared(face_mask=FACE.to(dtype)).report.contradictions


def test_of_a_square_at_which_nobody_looked_nothing_is_praised():
    one = prepare_face(torch.full((3, SIDE, SIDE), 0.5) + 0.2 * FACE)
    text = one.report.text().splitlines()
    assert text[0].startswith("[!] Nobody has looked for a face: no face detector was used, and the picture was taken")
    assert any(line.startswith("Photo quality: unknown. If there is a face where it was measured, ") for line in text)
    assert not any(line.startswith("[ok]") or "good" in line for line in text)
    assert one.face.quality["good"] is None and one.face.quality["face_detected"] is False


# What the report says of masks and networks is true for every combination of them.


@pytest.mark.parametrize("given_face", [False, True])
@pytest.mark.parametrize("given_hair", [False, True])
@pytest.mark.parametrize("detector", [None, TwoFaces()], ids=["square", "detected"])
@parsers
def test_only_true_sentences(parser, detector, given_hair, given_face):
    photo = rand(3, SIDE, 2 * SIDE if detector else SIDE)
    masks = {}
    shown = [torch.zeros(photo.shape[1:]) for _ in range(2)]
    if detector:
        shown[0][216:300, 226:286], shown[1][190:216, 216:296] = 1, 1
    else:
        shown = [FACE, HAIR]
    masks |= {"face_mask": shown[0]} if given_face else {}
    masks |= {"hair_mask": shown[1]} if given_hair else {}
    text = prepare_face(photo, detector=detector, parser=parser, **masks).report.text()
    assert ("the face mask is the oval" in text) == (parser is None and not given_face)
    assert ("the hair mask is empty" in text) == (parser is None and not given_hair)
    assert ("No parsing" in text) == (parser is None and not (given_face and given_hair))
    nobody_looked = not (detector or parser or given_face)
    assert text.startswith("[!] Nobody has looked for a face") == ("Nobody" in text) == nobody_looked
    assert ("no face detector was used" in text.lower()) == (detector is None)
    assert ("the parser finds a face" in text) == (parser is not None and detector is None)
    assert ("where the face mask marks it" in text) == (given_face and not (detector or parser))
    assert ("there are no landmarks" in text) == ("taken as an aligned portrait" in text) == (detector is None)
    assert ("no map of face parts" in text) == (parser is None)
    assert ("no hair is marked" in text) == (parser is None and not given_hair)
    assert ("[ok]" in text) == (parser is not None or detector is not None)
    assert "good in all" not in text or detector or parser

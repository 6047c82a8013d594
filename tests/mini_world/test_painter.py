"""Drawn portraits: the same bytes always, masks that lie where they say, looks that leave the person alone."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mini_world import person as people
from mini_world.look import CHOICES, PROMPTS, Look
from mini_world.painter import SIZE, Portrait, paint
from mini_world.person import Person, named_person, passer_by, unseen_person

ROOT = Path(__file__).resolve().parents[2]
HAIRY = replace(unseen_person(3).colouring, hair="long", hair_colour="ginger", woman=True, beard="none")
PLAIN = Look()
SOMEBODY = replace(unseen_person(3), colouring=HAIRY)


@cache
def drawn(person: Person, look: Look = PLAIN) -> Portrait:
    return paint(person, look)


def digest(portrait: Portrait) -> str:
    parts = (portrait.image, portrait.face_mask, portrait.hair_mask)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def changed(a: Portrait, b: Portrait) -> np.ndarray:  # [S, S] bool
    return (a.image.astype(int) != b.image.astype(int)).any(-1)


def with_hair(**colouring) -> Person:
    return replace(SOMEBODY, colouring=replace(HAIRY, **colouring))


def test_shapes_and_ranges():
    portrait = drawn(SOMEBODY)
    assert portrait.image.shape == (SIZE, SIZE, 3) and portrait.image.dtype == np.uint8
    for mask in (portrait.face_mask, portrait.hair_mask):
        assert mask.shape == (SIZE, SIZE) and mask.dtype == np.float32
        assert mask.min() == 0 and mask.max() == 1
    assert (portrait.face_mask + portrait.hair_mask <= 1).all(), "a part of a pixel is face or hair, not both"


@pytest.mark.parametrize("number", [0, 1, -1, -17, 2**31, 10**40, -(10**40)])
def test_any_integer_is_a_person(number):
    portrait = paint(unseen_person(number))
    assert digest(portrait) == digest(paint(unseen_person(number)))
    assert portrait.face_mask.mean() > 0.05


def test_another_process_draws_the_same_bytes():
    program = (
        "import hashlib\n"
        "from mini_world.look import PROMPTS\n"
        "from mini_world.painter import paint\n"
        "from mini_world.person import unseen_person\n"
        "p = paint(unseen_person(7), PROMPTS[1])\n"
        "parts = (p.image, p.face_mask, p.hair_mask)\n"
        "print(hashlib.sha256(b''.join(part.tobytes() for part in parts)).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == digest(drawn(unseen_person(7), PROMPTS[1])), done.stderr


def test_drawing_leaves_the_global_random_numbers_alone():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    paint(unseen_person(8), PROMPTS[1])
    assert (np.random.get_state()[1] == before).all()


def test_people_of_each_kind_differ_from_each_other_and_among_themselves():
    everyone = [unseen_person(n) for n in range(40)] + [passer_by(n) for n in range(40)]
    everyone += [named_person(name) for name in ("tom cruise", "Emma Watson", "emma stone")]
    assert len(set(everyone)) == len(everyone)


def test_first_names_give_the_colouring_and_last_names_the_shape():
    watson, stone, other = (named_person(name) for name in ("Emma Watson", "emma STONE", "tom watson"))
    assert watson.colouring == stone.colouring and watson.geometry != stone.geometry
    assert watson.geometry == other.geometry and watson.colouring != other.colouring


def test_factors_lie_in_their_ranges():
    for number in range(200):
        somebody = unseen_person(number)
        assert all(-1 <= getattr(somebody.geometry, field.name) <= 1 for field in fields(somebody.geometry))
        colouring = somebody.colouring
        assert colouring.hair in people.HAIR_STYLES and colouring.hair_colour in people.HAIR_COLOURS
        assert 0 <= colouring.skin <= 1 and (colouring.beard == "none" or not colouring.woman)


@pytest.mark.parametrize("hair", [style for style in people.HAIR_STYLES if style != "bald"])
def test_under_the_hair_mask_lies_hair(hair):
    """The hair is recoloured: every pixel that is all hair changes, and none without hair or brow does."""
    one, other = (with_hair(hair=hair, hair_colour=colour) for colour in ("black", "ginger"))
    black, ginger = drawn(one), drawn(other)
    assert (black.hair_mask == ginger.hair_mask).all() and black.hair_mask.sum() > 20
    differs = changed(black, ginger)
    assert differs[black.hair_mask == 1].mean() > 0.98
    outside = (black.hair_mask == 0) & (black.face_mask == 0)
    assert differs[outside].mean() < 0.002
    warm = ginger.image[ginger.hair_mask == 1].astype(int)
    assert (warm[:, 0] > warm[:, 2]).mean() > 0.9, "ginger hair is redder than blue"


def test_the_bald_have_no_hair_and_the_covered_less():
    assert drawn(with_hair(hair="bald")).hair_mask.sum() == 0
    assert drawn(SOMEBODY, Look(hat="red hat")).hair_mask.sum() < drawn(SOMEBODY).hair_mask.sum()


def test_under_the_face_mask_lies_skin():
    """Another skin changes nearly every pixel that is all face, and no background, hair or shirt."""
    light, dark = (drawn(with_hair(skin=skin)) for skin in (0.0, 1.0))
    differs = changed(light, dark)
    assert differs[light.face_mask == 1].mean() > 0.8  # eyes, lips and brows keep their colours
    assert differs[light.hair_mask == 1].mean() < 0.01
    corner = np.zeros((SIZE, SIZE), bool)
    corner[:16] = True
    assert not differs[corner & (light.face_mask == 0) & (light.hair_mask == 0)].any()


def test_a_scene_changes_nothing_of_the_person():
    plain, snow = drawn(SOMEBODY), drawn(SOMEBODY, Look(scene="pink wall"))
    differs = changed(plain, snow)
    assert not differs[plain.face_mask == 1].any() and not differs[plain.hair_mask == 1].any()
    assert differs[:12].mean() > 0.9
    assert (plain.face_mask == snow.face_mask).all() and (plain.hair_mask == snow.hair_mask).all()


@pytest.mark.parametrize(
    "look,box",
    [
        (Look(shirt="red shirt"), (0, 92, 128, 128)),
        (Look(expression="smiling"), (30, 44, 98, 108)),
        (Look(gaze="left"), (24, 44, 104, 108)),
        (Look(glasses="glasses"), (16, 44, 112, 92)),
        (Look(hat="red hat"), (8, 0, 120, 70)),
    ],
)
def test_a_look_changes_only_where_it_belongs(look, box):
    left, top, right, bottom = box
    differs = changed(drawn(SOMEBODY), drawn(SOMEBODY, look))
    assert differs.any()
    differs[top:bottom, left:right] = False
    assert not differs.any(), f"{np.argwhere(differs)[:5]} lie outside"


def test_every_option_shows():
    for part, options in CHOICES.items():
        pictures = {digest(drawn(SOMEBODY, replace(Look(), **{part: option}))) for option in options}
        assert len(pictures) == len(options), part


@pytest.mark.parametrize("style", ["sketch", "sepia"])
def test_styles_take_the_colours_but_keep_the_masks(style):
    portrait = drawn(SOMEBODY, Look(style=style))
    assert (portrait.face_mask == drawn(SOMEBODY).face_mask).all()
    spread = np.ptp(portrait.image.astype(int), axis=-1)  # between the channels of a pixel
    if style == "sketch":
        assert spread.max() == 0
    else:
        assert (spread > 20).all(), "sepia is brown throughout"

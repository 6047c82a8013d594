"""Augmented views: what moves, how far, and that image and masks move together."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.make import disc, rng, some_face
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.face import Face
from stableidentity_core.train.augment import augment, latent_masks, plain_view, random_crop, random_paste

SIDE, FACTOR = 128, 8


def white_on_black(mask: torch.Tensor) -> Face:
    """A face whose picture is its mask."""
    return Face(image=mask.expand(3, -1, -1).clone(), face_mask=mask, hair_mask=mask)


def centre(mask: torch.Tensor) -> torch.Tensor:
    """Mean place (y, x) of a mask [h, w], in 0..1."""
    places = mask.nonzero().double() + 0.5
    return places.mean(dim=0) / torch.tensor(mask.shape)


@pytest.mark.parametrize("seed", range(20))
def test_masks_lie_where_the_picture_is(seed):
    aside = disc(SIDE, 0.25).roll(SIDE // 10, dims=-1)  # not symmetric, so that mirroring one alone shows
    view = augment(white_on_black(aside), SIDE, FACTOR, rng(seed))
    # Jitter leaves black below a quarter of white: contrast 0.8 mixes in a fifth of the mean.
    picture = view.image[0] > 0.5 * view.image.max()
    pixel = FACTOR / SIDE
    for mask in (view.face_mask[0], view.hair_mask[0]):
        assert (centre(mask) - centre(picture)).abs().max() < 0.6 * pixel  # published sampling is half a pixel off
        # A disc of at least 0.25 * 0.5 * 4/3 of the side: a pixel's width more or less along its rim.
        share, expected = mask.mean().item(), picture.float().mean().item()
        assert abs(share - expected) < 2 * pixel * (torch.pi * expected) ** 0.5


def test_mirrored_says_whether_left_is_right():
    """Left bright, right dark; wherever the view is put, its bright side tells."""
    image = torch.full((3, 64, 64), 0.3)
    image[..., :32] = 1.0
    face = replace(white_on_black(disc(64, 0.5)), image=image)
    seen = set()
    for seed in range(40):
        view = augment(face, 64, FACTOR, rng(seed))
        columns = view.image.mean(dim=(0, 1))
        inside = columns[columns > 0.05]
        quarter = len(inside) // 4
        bright_left = inside[1:quarter].mean() > inside[-quarter:-1].mean()
        assert view.mirrored != bright_left, seed
        seen.add(view.mirrored)
    assert seen == {True, False}


def test_half_of_the_views_are_mirrored():
    flags = [augment(some_face(64), 64, FACTOR, rng(seed)).mirrored for seed in range(300)]
    assert abs(sum(flags) / 300 - 0.5) < 4 * (0.25 / 300) ** 0.5  # four standard errors


def test_crop_is_three_quarters_of_the_side_and_reaches_all_places():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    lefts, tops = set(), set()
    for seed in range(400):
        made_y, made_x = random_crop(torch.stack([y, x]), rng(seed))
        top, left = made_y[0, 0].item(), made_x[0, 0].item()
        # The corners of the crop are corners of the result, exactly but for the rounding of bicubic weights.
        assert made_y[-1, -1].item() == pytest.approx(top + 47, abs=1e-3)  # pixels of a few hundred, in float32
        assert made_x[-1, -1].item() == pytest.approx(left + 47, abs=1e-3)
        tops.add(round(top))
        lefts.add(round(left))
    # 17 places; a given one is missed 400 times with probability 3e-11.
    assert tops == lefts == set(range(17))


def pasted(seed: int) -> tuple[int, int, int, int]:
    """Top, left, height and width of what random_paste does to a white picture."""
    canvas = random_paste(torch.ones(1, 200, 200), rng(seed))[0]
    rows, columns = canvas.any(dim=1).nonzero()[:, 0], canvas.any(dim=0).nonzero()[:, 0]
    top, left, height, width = int(rows[0]), int(columns[0]), len(rows), len(columns)
    inside = canvas[top : top + height, left : left + width]
    assert torch.allclose(inside, torch.ones_like(inside))  # whole, and black around it
    assert int((canvas != 0).sum()) == height * width
    return top, left, height, width


def test_paste_shrinks_to_half_to_whole_and_stretches_by_a_tenth():
    boxes = [pasted(seed) for seed in range(400)]
    heights = [height for _, _, height, _ in boxes]
    assert 100 <= min(heights) < 105 and 195 < max(heights) <= 200
    assert abs(np.mean(heights) - 150) < 4 * 50 / 12**0.5 / 20 * 2  # uniform: four standard errors
    free = [width / height for _, _, height, width in boxes if height * 1.1 < 200]
    # Rounding down to whole pixels takes up to 1 / 100 off.
    assert 0.89 <= min(free) < 0.92 and 1.08 < max(free) <= 1.1


def test_paste_reaches_all_borders_and_never_beyond():
    boxes = [pasted(seed) for seed in range(400)]
    assert all(top + height <= 200 and left + width <= 200 for top, left, height, width in boxes)
    small = [
        (top / (200 - height), left / (200 - width)) for top, left, height, width in boxes if max(height, width) < 180
    ]
    for place in zip(*small, strict=True):
        assert min(place) < 0.03 and max(place) > 0.97 and 0.4 < np.mean(place) < 0.6


def test_view_has_the_promised_sizes_and_values():
    view = augment(some_face(64), 128, 8, rng())
    assert view.image.shape == (3, 128, 128) and view.face_mask.shape == view.hair_mask.shape == (1, 16, 16)
    assert view.image.min() >= 0 and view.image.max() <= 1
    for mask in (view.face_mask, view.hair_mask):
        assert set(mask.unique().tolist()) <= {0.0, 1.0} and mask.dtype == torch.float32


def test_latent_masks_are_cut_at_a_half():
    masks = torch.stack([torch.full((64, 64), 0.51), torch.full((64, 64), 0.49)])
    face, hair = latent_masks(masks, 8)
    assert face.shape == (1, 8, 8) and face.all() and not hair.any()


@pytest.mark.parametrize("channel", range(3))
def test_a_pure_colour_with_hard_edges_stays_finite(channel):
    """Bicubic resizing overshoots below zero there, and hue divides by the largest channel."""
    image = torch.zeros(3, 256, 256)
    image[channel, 64:192, 64:192] = 1
    face = replace(white_on_black(disc(256)), image=image)
    for seed in range(20):
        assert augment(face, 64, FACTOR, rng(seed)).image.isfinite().all(), seed


def test_a_speck_of_a_face_is_refused_with_its_share():
    speck = torch.zeros(512, 512)
    speck[250, 250] = 1
    with pytest.raises(StableIdentityError, match=r"covers 0\.00% .* vanished in 16 .* 8x8 latent pixels"):
        augment(white_on_black(speck), 64, FACTOR, rng())


def test_a_face_in_the_corner_is_drawn_until_it_is_in_sight():
    corner = torch.zeros(64, 64)
    corner[:20, :20] = 1
    for seed in range(30):
        assert augment(white_on_black(corner), 64, FACTOR, rng(seed)).face_mask.any()


def test_the_generator_decides_everything_and_the_global_states_are_left_alone():
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    first, again, other = (augment(some_face(64), 64, FACTOR, rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.image, again.image) and torch.equal(first.face_mask, again.face_mask)
    assert not torch.equal(first.image, other.image)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all() and random.getstate() == before[2]


def test_the_face_itself_is_not_changed():
    face = some_face(64)
    image, mask = face.image.clone(), face.face_mask.clone()
    for seed in range(5):
        augment(face, 64, FACTOR, rng(seed))
    assert torch.equal(face.image, image) and torch.equal(face.face_mask, mask)


def test_a_plain_view_is_the_photo_with_its_masks():
    face = some_face(SIDE)
    view = plain_view(face, SIDE, FACTOR)
    assert torch.equal(view.image, face.image)
    expected, _ = latent_masks(torch.stack([face.face_mask, face.hair_mask]), FACTOR)
    assert torch.equal(view.face_mask, expected)
    assert not view.mirrored


def test_a_plain_view_at_another_size_keeps_everything_in_its_place():
    aside = disc(4 * SIDE, 0.25).roll(4 * SIDE // 10, dims=-1)
    view = plain_view(white_on_black(aside), SIDE, FACTOR)
    assert view.image.shape == (3, SIDE, SIDE)
    picture = view.image[0] > 0.5
    assert (centre(view.face_mask[0]) - centre(picture)).abs().max() < 0.6 * FACTOR / SIDE  # as above


def test_a_face_too_small_to_be_seen_in_the_latents_is_refused():
    dot = torch.zeros(SIDE, SIDE)
    dot[64, 64] = 1
    with pytest.raises(StableIdentityError, match="Mark the whole face"):
        plain_view(white_on_black(dot), SIDE, FACTOR)

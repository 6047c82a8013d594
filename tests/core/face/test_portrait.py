"""What may be handed in as a portrait, and what becomes of it."""

from __future__ import annotations

import pytest
import torch

from helpers.make import disc, rand
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.face import Face, portrait
from stableidentity_core.face.portrait import ffhq_oval


def test_a_512_portrait_is_kept_as_it_is_and_not_shared():
    image = rand(3, 512, 512)
    face = portrait(image)
    assert torch.equal(face.image, image)
    face.image.zero_()
    assert image.any()


@pytest.mark.parametrize("side", [64, 300, 1024])
def test_other_sizes_are_resized_to_512_with_the_picture_in_place(side):
    image = disc(side).expand(3, -1, -1)
    face = portrait(image)
    assert face.image.shape == (3, 512, 512)
    # Only the rim may differ: a pixel of the smaller picture on either side of a circle of radius 0.3.
    differing = ((face.image[0] - disc(512)).abs() > 0.5).float().mean()
    assert differing < 2 * torch.pi * 0.3 / min(side, 512)


def test_grey_becomes_three_equal_channels():
    grey = rand(1, 512, 512)
    assert torch.equal(portrait(grey).image, grey.expand(3, -1, -1))


def test_transparency_is_laid_over_black():
    rgba = torch.cat([rand(3, 512, 512), torch.zeros(1, 512, 512)])
    rgba[3, :256] = 0.5
    image = portrait(rgba).image
    assert torch.equal(image[:, :256], rgba[:3, :256] * 0.5)
    assert not image[:, 256:].any()


def test_a_half_precision_picture_on_another_stride_is_taken():
    image = rand(512, 512, 3).half().permute(2, 0, 1)
    face = portrait(image)
    assert face.image.dtype == torch.float32 and torch.equal(face.image, image.float())


@pytest.mark.parametrize(
    "image,message",
    [
        (torch.zeros(3, 1, 1), "1x1 pixels, needed at least 64x64"),
        (torch.zeros(3, 63, 63), "63x63 pixels, needed at least 64x64"),
        (torch.zeros(3, 200, 100), "100x200 pixels, needed a square, FFHQ-aligned one"),
        (torch.zeros(3, 0, 0), r"shape \[3, 0, 0\], needed one picture"),
        (torch.zeros(0, 64, 64), r"shape \[0, 64, 64\], needed one picture"),
        (torch.zeros(2, 64, 64), r"shape \[2, 64, 64\], needed one picture"),
        (torch.zeros(1, 3, 64, 64), r"shape \[1, 3, 64, 64\], needed one picture"),
        (torch.zeros(64, 64), r"shape \[64, 64\], needed one picture"),
        (torch.full((3, 64, 64), 255.0), "values from 255.00 to 255.00, needed 0 to 1"),
        (torch.full((3, 64, 64), -0.5), "values from -0.50 to -0.50, needed 0 to 1"),
        (torch.full((3, 64, 64), 200, dtype=torch.uint8), "values from 200.00 to 200.00, needed 0 to 1"),
        (torch.full((3, 64, 64), float("nan")), "12288 values that are not finite"),
        (torch.full((1, 64, 64), float("inf")), "values that are not finite"),
    ],
)
def test_unusable_pictures_are_refused_with_what_was_found(image, message):
    with pytest.raises(StableIdentityError, match=message):
        portrait(image)


def test_one_broken_pixel_is_found():
    image = rand(3, 512, 512)
    image[1, 100, 200] = float("nan")
    with pytest.raises(StableIdentityError, match="has 1 values that are not finite"):
        portrait(image)


def test_nearly_square_is_taken_and_rounding_errors_outside_0_to_1_are_cut():
    image = rand(3, 512, 508)
    image[0, 0, 0], image[0, 0, 1] = 1.005, -0.005
    face = portrait(image)
    assert face.image.shape == (3, 512, 512)
    assert face.image.min() >= 0 and face.image.max() <= 1


@pytest.mark.parametrize("side", [64, 128, 512, 1000])
def test_masks_of_another_size_mark_the_same_place(side):
    face = portrait(rand(3, 128, 128), disc(side), disc(side, 0.1))
    for mask, radius in ((face.face_mask, 0.3), (face.hair_mask, 0.1)):
        assert mask.shape == (512, 512)
        differing = ((mask - disc(512, radius)).abs() > 0.5).float().mean()
        assert differing < 2 * torch.pi * radius / min(side, 512), "moved by more than a pixel"


@pytest.mark.parametrize(
    "mask,message",
    [
        (torch.zeros(64, 64), "face mask marks nothing .* 0.00"),
        (torch.full((64, 64), 0.4), "face mask marks nothing .* 0.40"),
        (torch.ones(64, 128), "face mask is 128x64 pixels, its picture 64x64: their aspect ratios differ"),
        (torch.ones(1, 64, 64), r"face mask has shape \[1, 64, 64\], needed \[h, w\]"),
        (torch.full((64, 64), float("nan")), "The face mask has 4096 values that are not finite"),
        (torch.full((64, 64), 255.0), "The face mask has values from 255.00"),
        (torch.zeros(0, 0), "face mask"),
        (torch.zeros(5, 0), "face mask"),
    ],
)
def test_unusable_masks_are_refused_with_what_was_found(mask, message):
    with pytest.raises(StableIdentityError, match=message):
        portrait(rand(3, 64, 64), mask)


def test_a_hair_mask_is_checked_too_but_may_be_empty():
    image = rand(3, 64, 64)
    assert not portrait(image, None, torch.zeros(64, 64)).hair_mask.any()
    with pytest.raises(StableIdentityError, match="hair mask is 128x64"):
        portrait(image, None, torch.ones(64, 128))


def test_without_masks_the_face_is_the_oval_and_there_is_no_hair():
    face = portrait(rand(3, 64, 64))
    assert torch.equal(face.face_mask, ffhq_oval(512))
    assert not face.hair_mask.any()


@pytest.mark.parametrize("size", [16, 64, 512])
def test_the_oval_is_symmetric_and_reaches_from_forehead_to_chin(size):
    oval = ffhq_oval(size)
    assert set(oval.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(oval, oval.flip(-1))
    # FFHQ alignment puts the eyes at 47 % of the height and 38 % and 62 % of the width, the mouth at 73 %;
    # forehead and chin were seen at 28 % and 88 % on two FFHQ photos.
    for x, y in ((0.38, 0.47), (0.62, 0.47), (0.5, 0.73), (0.5, 0.28), (0.5, 0.88)):
        assert oval[int(y * size), int(x * size)] == 1, (x, y)
    for x, y in ((0.15, 0.5), (0.85, 0.5), (0.5, 0.15), (0.5, 0.96)):
        assert oval[int(y * size), int(x * size)] == 0, (x, y)
    # An ellipse with half axes 0.25 and 0.34; a coarse grid misses by its rim.
    assert abs(oval.mean().item() - torch.pi * 0.25 * 0.34) < 1 / size


def test_a_face_is_checked_where_it_is_made():
    with pytest.raises(StableIdentityError, match="hair mask has shape"):
        Face(image=rand(3, 64, 64), face_mask=disc(64), hair_mask=disc(32))
    with pytest.raises(StableIdentityError, match="face image has shape"):
        Face(image=rand(3, 64, 32), face_mask=disc(64), hair_mask=disc(64))

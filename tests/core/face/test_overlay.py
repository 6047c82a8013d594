"""The coloured picture of what counts as face and hair."""

from __future__ import annotations

import pytest
import torch

from helpers.make import disc, rand
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.face.overlay import FACE_COLOUR, HAIR_COLOUR, STRENGTH, overlay

NOTHING = torch.zeros(64, 64)


def test_without_masks_the_picture_stays():
    picture = rand(3, 64, 64)
    assert torch.equal(overlay(picture, NOTHING, NOTHING), picture)


def test_a_soft_mask_tints_as_much_as_it_says():
    picture, mask = rand(3, 64, 64), 0.49 * rand(64, 64, seed=1)  # below a half, so without an outline
    result = overlay(picture, mask, NOTHING)
    for row, column in ((0, 0), (10, 50), (63, 63)):
        share = STRENGTH * mask[row, column]
        for channel in range(3):
            expected = (1 - share) * picture[channel, row, column] + share * FACE_COLOUR[channel]
            assert abs(result[channel, row, column] - expected) < 1e-6  # a rounding of float32


def test_face_and_hair_are_tinted_in_their_own_colours_and_outlined_in_full():
    picture = torch.full((3, 200, 200), 0.5)
    for masks, colour in (((disc(200), NOTHING_200), FACE_COLOUR), ((NOTHING_200, disc(200)), HAIR_COLOUR)):
        result = overlay(picture, *masks)
        assert torch.allclose(result[:, 100, 100], (1 - STRENGTH) * 0.5 + STRENGTH * torch.tensor(colour))
        # The disc of radius 0.3 reaches from column 40 to 159; its outline is 1 of 200 pixels wide, and within.
        assert torch.allclose(result[:, 100, 40], torch.tensor(colour))
        assert torch.equal(result[:, 100, 39], picture[:, 100, 39])
        assert not torch.allclose(result[:, 100, 41], torch.tensor(colour))


NOTHING_200 = torch.zeros(200, 200)


def test_masks_that_fill_the_portrait_have_no_outline():
    result = overlay(torch.zeros(3, 64, 64), torch.ones(64, 64), NOTHING)
    assert torch.allclose(result[:, 0, 0], STRENGTH * torch.tensor(FACE_COLOUR))


def test_the_colours_stay_apart_for_every_kind_of_colour_vision():
    # Dichromats see no difference along their confusion lines; what lightness and the blue-yellow or
    # red-green axis still tell apart must be large. Simulation: Viénot, Brettel and Mollon 1999 in linear RGB.
    to_lms = torch.tensor([[0.3139, 0.6395, 0.0465], [0.1554, 0.7579, 0.0867], [0.0177, 0.1094, 0.8726]])
    blind = {
        "protanopia": torch.tensor([[0.0, 1.0512, -0.0512], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        "deuteranopia": torch.tensor([[1.0, 0.0, 0.0], [0.9513, 0.0, 0.0487], [0.0, 0.0, 1.0]]),
        "tritanopia": torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-0.8674, 1.8673, 0.0]]),
    }
    colours = torch.tensor([FACE_COLOUR, HAIR_COLOUR]) ** 2.2
    for name, loss in blind.items():
        seen = (colours @ to_lms.T @ loss.T @ torch.linalg.inv(to_lms).T).clamp(0, 1) ** (1 / 2.2)
        assert (seen[0] - seen[1]).abs().max() > 0.3, name


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_masks_of_other_kinds_of_numbers_are_taken(dtype):
    picture = rand(3, 64, 64)
    exact = overlay(picture, disc(64), NOTHING)
    assert torch.equal(overlay(picture, disc(64).to(dtype), NOTHING.to(dtype)), exact)


def test_masks_of_another_size_are_refused():
    with pytest.raises(StableIdentityError, match="The face mask has shape"):
        overlay(rand(3, 64, 64), torch.zeros(32, 32), NOTHING)
    with pytest.raises(StableIdentityError, match="The hair mask has shape"):
        overlay(rand(3, 64, 64), NOTHING, torch.zeros(64, 32))

"""The loss curve as a picture."""

from __future__ import annotations

import pytest
import torch

from helpers.make import rand
from stableidentity_core.plots import loss_curve

BLUE, ORANGE = (0.12, 0.47, 0.71), (1.0, 0.5, 0.05)


def rows_of(picture: torch.Tensor, color: tuple[float, float, float]) -> torch.Tensor:
    """The rows of the left half, where no legend is, that have pixels near a colour."""
    near = (picture[:, :384] - torch.tensor(color)).abs().amax(dim=-1) < 0.1
    return near.any(dim=1).nonzero()[:, 0]


@pytest.mark.parametrize("losses", [torch.zeros(0), torch.tensor([2.0]), torch.full((10,), 3.0), 10 ** rand(450)])
@pytest.mark.parametrize("known", [True, False])
def test_one_step_a_flat_loss_and_a_whole_training_are_drawn(losses, known):
    phases = torch.stack([losses, torch.full_like(losses, float("nan"))]) if known else None
    picture = loss_curve(losses, "a title", phase_losses=phases)
    assert picture.shape == (384, 768, 3) and picture.dtype == torch.float32
    assert picture.min() >= 0 and picture.max() <= 1
    assert (len(rows_of(picture, BLUE)) > 0) == (len(losses) > 1)
    assert not len(rows_of(picture, ORANGE)), "no step was in this phase"


def test_each_phase_has_a_curve_of_its_own():
    """Drawn as one, the median would jump between them."""
    noise = torch.arange(100) % 3 > 0
    losses = torch.where(noise, 0.01, 1.0)
    both = torch.stack([losses.where(noise, torch.nan), losses.where(~noise, torch.nan)])
    picture = loss_curve(losses, phase_losses=both)
    high, low = rows_of(picture, ORANGE), rows_of(picture, BLUE)
    assert 0 < len(high) < 20 and 0 < len(low) < 20, "a flat curve takes a few rows"
    assert low.min() - high.max() > 150, "the noise loss is below"


def test_other_losses_and_titles_give_other_pictures():
    falling, rising = torch.linspace(3, 1, 50), torch.linspace(1, 3, 50)
    assert torch.equal(loss_curve(falling), loss_curve(falling))
    assert not torch.equal(loss_curve(falling), loss_curve(rising))
    assert not torch.equal(loss_curve(falling), loss_curve(falling, "anna"))

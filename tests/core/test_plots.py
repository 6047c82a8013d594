"""The loss curve as a picture."""

from __future__ import annotations

import pytest
import torch

from helpers.make import rand
from stableidentity_core.plots import loss_curve


@pytest.mark.parametrize("losses", [torch.zeros(0), torch.tensor([2.0]), torch.full((10,), 3.0), 10 ** rand(450)])
def test_one_step_a_flat_loss_and_a_whole_training_are_drawn(losses):
    picture = loss_curve(losses, "a title")
    assert picture.shape == (384, 768, 3) and picture.dtype == torch.float32
    assert picture.min() >= 0 and picture.max() <= 1
    blue = (picture[..., 2] > picture[..., 0] + 0.2).sum()  # the points, or what the median leaves of them
    orange = (picture[..., 0] > picture[..., 2] + 0.4).sum()  # the median
    assert (blue > 0) == (len(losses) > 0) and (orange > 50 or len(losses) <= 1)


def test_other_losses_and_titles_give_other_pictures():
    falling, rising = torch.linspace(3, 1, 50), torch.linspace(1, 3, 50)
    assert torch.equal(loss_curve(falling), loss_curve(falling))
    assert not torch.equal(loss_curve(falling), loss_curve(rising))
    assert not torch.equal(loss_curve(falling), loss_curve(falling, "anna"))

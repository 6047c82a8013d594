"""Colour jitter against torchvision's own functions."""

from __future__ import annotations

import pytest
import torch
import torchvision.transforms.functional as tv

from helpers.make import rand, rng
from stableidentity_core.train.augment import color_jitter


@pytest.mark.parametrize("seed", range(8))
def test_equals_torchvisions_functions_in_the_drawn_order(seed):
    image = rand(3, 32, 32, seed=1)
    ours = color_jitter(image, rng(seed))
    draws = rng(seed)
    brightness, contrast, saturation = (0.8 + 0.4 * torch.rand((), generator=draws).item() for _ in range(3))
    hue = 0.02 * torch.rand((), generator=draws).item() - 0.01
    steps = [
        lambda x: tv.adjust_brightness(x, brightness),
        lambda x: tv.adjust_contrast(x, contrast),
        lambda x: tv.adjust_saturation(x, saturation),
        lambda x: tv.adjust_hue(x, hue),
    ]
    expected = image
    for i in torch.randperm(4, generator=draws).tolist():
        expected = steps[i](expected)
    # The same formulas of torchvision's v1 and v2; float32.
    assert (ours - expected).abs().max() < 1e-5
    assert (ours - image).abs().max() > 1e-2


def test_orders_differ_between_draws():
    firsts = set()
    for seed in range(60):
        draws = rng(seed)
        torch.rand(4, generator=draws)
        firsts.add(torch.randperm(4, generator=draws)[0].item())
    assert firsts == {0, 1, 2, 3}


def test_grey_shows_brightness_alone_between_0_8_and_1_2():
    """Contrast, saturation and hue leave an even grey as it is."""
    factors = [(color_jitter(torch.full((3, 8, 8), 0.5), rng(seed)) / 0.5).mean().item() for seed in range(300)]
    assert 0.8 - 1e-4 <= min(factors) < 0.81 and 1.19 < max(factors) <= 1.2 + 1e-4
    assert abs(sum(factors) / 300 - 1) < 4 * 0.4 / 12**0.5 / 300**0.5  # uniform: four standard errors


def test_hue_moves_by_at_most_a_hundredth_of_the_circle():
    """Of a colour whose hue neither brightness, contrast nor saturation changes."""
    import colorsys

    colour = torch.tensor([0.6, 0.3, 0.3]).view(3, 1, 1).expand(3, 4, 4).contiguous()
    hues = []
    for seed in range(200):
        hue = colorsys.rgb_to_hsv(*color_jitter(colour, rng(seed))[:, 0, 0].tolist())[0]
        hues.append((hue + 0.5) % 1 - 0.5)
    # Torchvision's hue is a float32 arithmetic on 0..1.
    assert -0.01 - 1e-4 <= min(hues) < -0.009 and 0.009 < max(hues) <= 0.01 + 1e-4

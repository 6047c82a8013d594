"""The masked two-phase loss against loops, and its gradient against finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import DDPMScheduler

from helpers.make import randn, some_draw
from stableidentity_core.backends.latents import LatentFormat
from stableidentity_core.backends.objective import Epsilon, VPrediction
from stableidentity_core.errors import ShapeError
from stableidentity_core.train import TrainConfig
from stableidentity_core.train.loss import masked_mse, two_phase_loss

ABAR = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").alphas_cumprod
SCALE = 0.18215
MIXED = [0, 300, 599, 600, 601, 999]


LATENTS = LatentFormat(channels=4, factor=8, scale=SCALE)


def loss_of(draw, output, objective=Epsilon, abar=ABAR, **settings):
    return two_phase_loss(draw, output, objective=objective(abar), latents=LATENTS, config=TrainConfig(**settings))


def loss_by_loops(draw, output, objective, config) -> list[float]:
    """Eq. 5 and 6, one number at a time."""
    losses = []
    for b, t in enumerate(draw.times.tolist()):
        signal, sigma = math.sqrt(ABAR[t].item()), math.sqrt(1 - ABAR[t].item())
        sums, marked, count = [0.0, 0.0], [0.0, 0.0], 0
        for index in torch.cartesian_prod(*(torch.arange(n) for n in output.shape[1:])).tolist():
            c, y, x = index
            z0, z_t, noise, out = (v[b, c, y, x].item() for v in (draw.z0, draw.z_t, draw.noise, output))
            if objective is Epsilon:
                wanted, picture = noise, (z_t - sigma * out) / signal
            else:
                wanted, picture = signal * noise - sigma * z0, signal * z_t - sigma * out
            unit = SCALE if config.reconstruction_latents == "unscaled" else 1.0
            error = out - wanted if t >= 1000 * config.alpha else (picture - z0) / unit
            count += 1
            for i, mask in enumerate((draw.face_mask, draw.hair_mask)):
                sums[i] += (mask[b, 0, y, x].item() * error) ** 2
                marked[i] += mask[b, 0, y, x].item()
        over = [count, count] if config.loss_area == "canvas" else [max(m, 1e-9) for m in marked]
        losses.append(sums[0] / over[0] + config.hair_weight * sums[1] / over[1])
    return losses


@pytest.mark.parametrize("objective", [Epsilon, VPrediction])
@pytest.mark.parametrize("area", ["canvas", "mask"])
@pytest.mark.parametrize("latents", ["unscaled", "scaled"])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_equals_loops_over_every_number_in_both_phases(objective, area, latents, alpha):
    settings = {"alpha": alpha, "loss_area": area, "reconstruction_latents": latents, "hair_weight": 0.3}
    draw, output = some_draw(MIXED, ABAR), randn(len(MIXED), 4, 4, 4, seed=9)
    expected = loss_by_loops(draw, output, objective, TrainConfig(**settings))
    ours = loss_of(draw, output, objective, **settings)
    # At t = 999 float32 loses four digits in dividing by sqrt(abar) and subtracting.
    assert ours.tolist() == pytest.approx(expected, rel=1e-4)


def test_samples_of_a_batch_do_not_touch_each_other():
    draw, output = some_draw(MIXED, ABAR), randn(len(MIXED), 4, 4, 4, seed=9)
    before = loss_of(draw, output)
    output[2] += 1
    after = loss_of(draw, output)
    assert torch.equal(after.isclose(before, rtol=0, atol=0), torch.arange(len(MIXED)) != 2)


def test_nothing_outside_the_masks_counts():
    draw, output = some_draw(MIXED, ABAR), randn(len(MIXED), 4, 4, 4, seed=9)
    outside = (draw.face_mask + draw.hair_mask == 0).expand_as(output)
    assert outside.any()
    moved = torch.where(outside, output + 100, output)
    assert torch.equal(loss_of(draw, output), loss_of(draw, moved))


def test_a_perfect_model_has_no_loss():
    draw = some_draw(MIXED, ABAR)
    # Reconstruction at 599 divides rounding errors by sqrt(abar) and 0.18215: squares of 1e-5 at most.
    assert loss_of(draw, draw.noise).max() < 1e-9


def test_mask_means_do_not_depend_on_the_size_of_the_face():
    error = torch.full((2, 4, 4, 4), 3.0)
    mask = torch.zeros(2, 1, 4, 4)
    mask[0, 0, 0, 0] = 1
    mask[1] = 1
    assert masked_mse(error, mask, "mask").tolist() == pytest.approx([9, 9])
    assert masked_mse(error, mask, "canvas").tolist() == pytest.approx([9 / 16, 9])


def test_an_empty_mask_adds_nothing_and_stays_finite():
    assert masked_mse(torch.ones(1, 4, 2, 2), torch.zeros(1, 1, 2, 2), "mask").tolist() == [0.0]


@pytest.mark.parametrize("objective", [Epsilon, VPrediction])
@pytest.mark.parametrize("area", ["canvas", "mask"])
def test_gradient_equals_finite_differences_in_float64(objective, area):
    draw = some_draw([10, 599, 600, 999], ABAR.double(), side=2)
    for name in ("z0", "z_t", "noise", "face_mask", "hair_mask"):
        object.__setattr__(draw, name, getattr(draw, name).double())
    output = randn(4, 4, 2, 2, seed=9).double().requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda o: loss_of(draw, o, objective, ABAR.double(), loss_area=area), output, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_v_models_of_zero_terminal_snr_keep_finite_losses_and_gradients(alpha):
    """There abar is 0 at the last step; a branch that divides by it would poison the other by 0 * inf."""
    abar = ABAR.clone()
    abar[-1] = 0
    draw = some_draw([0, 998, 999], abar)
    output = randn(3, 4, 4, 4, seed=9).requires_grad_(True)
    loss = loss_of(draw, output, VPrediction, abar, alpha=alpha)
    loss.sum().backward()
    assert loss.isfinite().all() and output.grad.isfinite().all()
    assert (output.grad.flatten(1).norm(dim=1) > 0).all()


def test_masks_of_another_size_are_refused():
    with pytest.raises(ShapeError, match=r"mask has shape \[1, 1, 8, 8\]"):
        masked_mse(randn(1, 4, 4, 4), torch.ones(1, 1, 8, 8))
    with pytest.raises(ShapeError, match=r"mask has shape \[4, 4\]"):
        masked_mse(randn(1, 4, 4, 4), torch.ones(4, 4))

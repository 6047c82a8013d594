"""The forward process and its inversion, against diffusers' schedulers."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from core.make import randn
from stableidentity_core.backends import Prediction
from stableidentity_core.backends.objective import add_noise, predicted_z0, target

T = torch.tensor([0, 1, 100, 599, 600, 998, 999])
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}

# float32 through the same formula, in another order.
EXACT = 1e-6


@pytest.fixture(scope="module")
def ddpm() -> DDPMScheduler:
    return DDPMScheduler(**SD)


@pytest.fixture
def z0() -> torch.Tensor:
    return randn(len(T), 4, 3, 3)


@pytest.fixture
def noise() -> torch.Tensor:
    return randn(len(T), 4, 3, 3, seed=1)


def test_add_noise_equals_diffusers(ddpm, z0, noise):
    ours = add_noise(z0, noise, ddpm.alphas_cumprod, T)
    assert (ours - ddpm.add_noise(z0, noise, T)).abs().max() < EXACT


def test_target_of_v_models_equals_diffusers_velocity(ddpm, z0, noise):
    ours = target(Prediction.V, z0, noise, ddpm.alphas_cumprod, T)
    assert (ours - ddpm.get_velocity(z0, noise, T)).abs().max() < EXACT


def test_target_of_noise_models_is_the_noise(ddpm, z0, noise):
    assert torch.equal(target(Prediction.EPSILON, z0, noise, ddpm.alphas_cumprod, T), noise)


@pytest.mark.parametrize("prediction", Prediction)
def test_a_perfect_model_predicts_z0_exactly(ddpm, z0, noise, prediction):
    abar = ddpm.alphas_cumprod
    z_t = add_noise(z0, noise, abar, T)
    ours = predicted_z0(prediction, target(prediction, z0, noise, abar, T), z_t, abar, T)
    # Noise models divide by sqrt(abar), 0.068 at t = 999: float32's 1e-7 times 15, times values of about 4.
    assert (ours - z0).abs().max() < 1e-5


@pytest.mark.parametrize("prediction", Prediction)
def test_predicted_z0_of_an_imperfect_model_equals_diffusers(z0, noise, prediction):
    ddim = DDIMScheduler(**SD, prediction_type=prediction.value, clip_sample=False)
    ddim.set_timesteps(1000)
    for i, t in enumerate(T.tolist()):
        theirs = ddim.step(noise[i : i + 1], t, z0[i : i + 1]).pred_original_sample
        ours = predicted_z0(prediction, noise[i : i + 1], z0[i : i + 1], ddim.alphas_cumprod, T[i : i + 1])
        # As above: relative to values of up to 60 at t = 999.
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max(), t


def test_half_precision_latents_are_scaled_in_float32(ddpm, z0, noise):
    ours = add_noise(z0.half(), noise.half(), ddpm.alphas_cumprod, T)
    assert ours.dtype == torch.float32
    assert (ours - add_noise(z0, noise, ddpm.alphas_cumprod, T)).abs().max() < 5e-3  # halves have 11 bits

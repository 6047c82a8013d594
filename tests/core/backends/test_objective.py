"""Objectives: noising, targets and what an output implies, against diffusers' schedulers and by formulas."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from helpers.make import randn, rng
from stableidentity_core.backends.latents import LatentFormat
from stableidentity_core.backends.objective import Epsilon, Flow, Objective, VPrediction, objective_of_schedule
from stableidentity_core.errors import ShapeError, StableIdentityError, WrongModelError
from stableidentity_core.train import TrainConfig
from stableidentity_core.train.loss import NoisedBatch, two_phase_loss

T = torch.tensor([0, 1, 100, 599, 600, 998, 999])
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
DDPM = DDPMScheduler(**SD)
ABAR = DDPM.alphas_cumprod
OBJECTIVES = {kind.name: kind for kind in (Epsilon(ABAR), VPrediction(ABAR), Flow.at_levels_of(Epsilon(ABAR)))}

# float32 through the same formula, in another order.
EXACT = 1e-6


@pytest.fixture(params=list(OBJECTIVES))
def objective(request) -> Objective:
    return OBJECTIVES[request.param]


@pytest.fixture
def z0() -> torch.Tensor:
    return randn(len(T), 4, 3, 3)


@pytest.fixture
def noise() -> torch.Tensor:
    return randn(len(T), 4, 3, 3, seed=1)


@pytest.mark.parametrize("name", ["epsilon", "v_prediction"])
def test_add_noise_equals_diffusers(z0, noise, name):
    assert (OBJECTIVES[name].add_noise(z0, noise, T) - DDPM.add_noise(z0, noise, T)).abs().max() < EXACT


def test_target_of_v_models_equals_diffusers_velocity(z0, noise):
    ours = OBJECTIVES["v_prediction"].target(z0, noise, T)
    assert (ours - DDPM.get_velocity(z0, noise, T)).abs().max() < EXACT


def test_target_of_noise_models_is_the_noise(z0, noise):
    assert torch.equal(OBJECTIVES["epsilon"].target(z0, noise, T), noise)


def test_a_perfect_model_implies_picture_and_noise_and_has_no_error(z0, noise, objective):
    z_t, perfect = objective.add_noise(z0, noise, T), objective.target(z0, noise, T)
    # Noise models divide by sqrt(abar), 0.068 at t = 999: float32's 1e-7 times 15, times values of about 4.
    assert (objective.predicted_z0(perfect, z_t, T) - z0).abs().max() < 1e-5
    assert (objective.predicted_noise(perfect, z_t, T) - noise).abs().max() < 1e-5
    assert objective.noise_error(perfect, z0, noise, T).abs().max() == 0


@pytest.mark.parametrize("name", ["epsilon", "v_prediction"])
def test_predicted_z0_of_an_imperfect_model_equals_diffusers(z0, noise, name):
    ddim = DDIMScheduler(**SD, prediction_type=name, clip_sample=False)
    ddim.set_timesteps(1000)
    objective = objective_of_schedule(name, ddim.alphas_cumprod)
    for i, t in enumerate(T.tolist()):
        theirs = ddim.step(noise[i : i + 1], t, z0[i : i + 1]).pred_original_sample
        ours = objective.predicted_z0(noise[i : i + 1], z0[i : i + 1], T[i : i + 1])
        # As above: relative to values of up to 60 at t = 999.
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max(), t


def test_what_an_output_implies_makes_up_the_latent_again(z0, noise, objective):
    """z_t = signal z_0 + sigma noise holds for any output, not only a perfect one."""
    z_t, output = objective.add_noise(z0, noise, T), randn(*z0.shape, seed=3)
    again = objective.add_noise(objective.predicted_z0(output, z_t, T), objective.predicted_noise(output, z_t, T), T)
    assert (again - z_t).abs().max() < 1e-5  # as above, of a noise model at t = 999


def test_half_precision_latents_are_scaled_in_float32(z0, noise, objective):
    ours = objective.add_noise(z0.half(), noise.half(), T)
    assert ours.dtype == torch.float32
    assert (ours - objective.add_noise(z0, noise, T)).abs().max() < 5e-3  # halves have 11 bits


def test_phases_part_at_the_share_alpha_of_the_levels(objective):
    assert objective.in_noise_phase(T, 0.6).tolist() == [False] * 4 + [True] * 3
    assert objective.in_noise_phase(T, 0.0).all() and not objective.in_noise_phase(T, 1.0).any()


def test_times_cover_all_levels(objective):
    times = objective.sample_times(20_000, rng())
    assert (times.min(), times.max()) == (0, 999) and times.dtype == torch.int64
    assert [objective.time_at(share) for share in (0.0, 0.5, 1.0)] == [0, 500, 999]


class TestFlow:
    flow = OBJECTIVES["flow"]

    def test_it_goes_straight_from_picture_to_noise(self, z0, noise):
        levels = torch.tensor([0.25, 0.75])
        flow = Flow(levels)
        ours = flow.add_noise(z0[:2], noise[:2], torch.tensor([0, 1]))
        assert torch.allclose(ours[0], 0.75 * z0[0] + 0.25 * noise[0])
        assert torch.allclose(ours[1], 0.25 * z0[1] + 0.75 * noise[1])
        assert torch.equal(flow.model_times(torch.tensor([1, 0])), torch.tensor([0.75, 0.25]))

    def test_its_levels_have_the_noise_of_a_noise_model(self):
        theirs = ABAR.sqrt() / (1 - ABAR).sqrt()
        assert torch.allclose(self.flow.signal / self.flow.sigma, theirs, rtol=1e-4)  # 1 - s loses digits near s = 1
        assert abs(self.flow.sigma[600].item() - 0.696) < 1e-3  # worked out by hand from abar_600 = 0.1596

    def test_the_levels_of_sd_are_those_of_its_schedule_and_end_below_pure_noise(self):
        levels = Flow.at_sd_levels().sigma
        assert torch.allclose(levels, self.flow.sigma, atol=1e-6)  # diffusers sums its schedule in float32
        assert len(levels) == 1000 and (levels.diff() > 0).all() and levels[-1] < 0.94

    def test_its_noise_loss_is_that_of_the_implied_noise(self, z0, noise):
        z_t, output = self.flow.add_noise(z0, noise, T), randn(*z0.shape, seed=3)
        implied = self.flow.predicted_noise(output, z_t, T) - noise
        assert (self.flow.noise_error(output, z0, noise, T) - implied).abs().max() < 1e-5  # sums in another order

    def test_pure_noise_is_refused(self):
        with pytest.raises(StableIdentityError, match="1 of the model's 3 noise levels are pure noise"):
            Flow(torch.tensor([0.1, 0.5, 1.0]))


def test_an_objective_that_is_not_known_is_refused():
    with pytest.raises(WrongModelError, match=r"predicts 'sample', needed one of epsilon, v_prediction"):
        objective_of_schedule("sample", ABAR)


def test_an_objective_must_say_what_it_predicts():
    class Half(Objective):
        name = "half"

    with pytest.raises(TypeError, match="abstract"):
        Half(ABAR.sqrt(), (1 - ABAR).sqrt())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_levels_at_which_a_noise_model_divides_by_nothing_are_refused(value):
    abar = ABAR.clone()
    abar[-1] = value
    with pytest.raises(StableIdentityError, match="1 of the model's 1000 noise levels"):
        Epsilon(abar)


def test_tables_of_different_lengths_are_refused():
    with pytest.raises(ShapeError, match="noise levels"):
        type(OBJECTIVES["flow"]).__mro__[1].__init__(Flow.__new__(Flow), torch.ones(3), torch.ones(4))


# What the squared error of a model's output weighs in the loss at t = 600 and at t = 599, by hand from abar.
A600, A599 = ABAR[600].item(), ABAR[599].item()
S600, S599 = (((1 - abar) ** 0.5) / (abar**0.5 + (1 - abar) ** 0.5) for abar in (A600, A599))
BORDER = [
    ("epsilon", 1.0, (1 - A599) / A599),  # z_0 = (z_t - sigma noise) / signal
    ("v_prediction", 1.0, 1 - A599),  # z_0 = signal z_t - sigma v
    ("flow", (1 - S600) ** 2, S599**2),  # noise = z_s + (1 - s) v, z_0 = z_s - s v
]


@pytest.mark.parametrize(("name", "noise_weight", "picture_weight"), BORDER)
@pytest.mark.parametrize("unscaled_by", [1.0, 0.18215], ids=["scaled", "with the weight of SD"])
def test_what_an_error_weighs_on_both_sides_of_the_border(name, noise_weight, picture_weight, unscaled_by):
    objective, times = OBJECTIVES[name], torch.tensor([600, 599])
    z0, noise, error = randn(2, 4, 3, 3), randn(2, 4, 3, 3, seed=1), randn(1, 4, 3, 3, seed=2).expand(2, -1, -1, -1)
    whole = torch.ones(2, 1, 3, 3)
    draw = NoisedBatch(
        z0=z0,
        z_t=objective.add_noise(z0, noise, times),
        noise=noise,
        times=times,
        face_mask=whole,
        hair_mask=torch.zeros_like(whole),
    )
    latents = LatentFormat(channels=4, factor=8, scale=1.5305, unscaled_by=unscaled_by)  # SD3's scale does not count
    output = objective.target(z0, noise, times) + error
    loss = two_phase_loss(draw, output, objective=objective, latents=latents, config=TrainConfig(alpha=0.6))
    weights = loss / error[0].square().mean()
    wanted = torch.tensor([noise_weight, picture_weight / unscaled_by**2])
    assert torch.allclose(weights, wanted, rtol=1e-4)  # differences of float32 latents


def test_the_jump_at_the_border_is_the_same_for_noise_and_flow_models_and_small_for_v():
    """That of the paper's model, on scaled latents: 5.2."""
    jumps = {name: picture / noise for name, noise, picture in BORDER}
    assert abs(jumps["epsilon"] - 5.2) < 0.1 and abs(jumps["flow"] - 5.2) < 0.1 and jumps["v_prediction"] < 1

"""The two-phase loss against the published one, per sample, on recorded model outputs."""

from __future__ import annotations

import pytest
import torch

from stableidentity_core.backends.latents import LatentFormat
from stableidentity_core.backends.objective import Epsilon
from stableidentity_core.train import TrainConfig
from stableidentity_core.train.loss import NoisedBatch, two_phase_loss

PUBLISHED_LATENT_SCALE = 0.18215


@pytest.fixture
def draw(recorded) -> NoisedBatch:
    return NoisedBatch(
        times=recorded["loss.timesteps"],
        **{name: recorded[f"loss.{name}"] for name in ("z0", "z_t", "noise", "face_mask", "hair_mask")},
    )


@pytest.fixture
def loss(recorded, draw):
    def per_sample(**settings) -> torch.Tensor:
        return two_phase_loss(
            draw,
            recorded["loss.model_output"],
            objective=Epsilon(recorded["loss.alphas_cumprod"]),
            latents=LatentFormat(channels=4, factor=8, scale=PUBLISHED_LATENT_SCALE),
            config=TrainConfig(hair_weight=0.1, **settings),
        )

    return per_sample


def close(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    # Each sample by itself: the reconstruction values span five orders of magnitude.
    return torch.allclose(ours, theirs, rtol=1e-5, atol=0)


def test_noised_latents(recorded, draw):
    ours = Epsilon(recorded["loss.alphas_cumprod"]).add_noise(draw.z0, draw.noise, draw.times)
    assert (ours - draw.z_t).abs().max() <= 1e-5 * draw.z_t.abs().max()  # as `same`: some roundings of float32


def test_noise_phase(recorded, loss):
    assert close(loss(alpha=0.0), recorded["loss.noise_phase_per_sample"])


def test_reconstruction_phase(recorded, loss):
    assert close(loss(alpha=1.0), recorded["loss.rec_phase_per_sample"])


def test_scaled_latents_weigh_the_reconstruction_thirty_times_less(recorded, loss):
    ours = loss(alpha=1.0, reconstruction_latents="scaled")
    assert close(ours, recorded["loss.rec_phase_per_sample"] * PUBLISHED_LATENT_SCALE**2)


def mixed(recorded, noise_phase: torch.Tensor) -> torch.Tensor:
    return torch.where(noise_phase, recorded["loss.noise_phase_per_sample"], recorded["loss.rec_phase_per_sample"])


def test_the_paper_puts_t_600_in_the_noise_phase(recorded, loss, draw):
    """Eq. 6 says t >= alpha T; the default follows it."""
    assert 600 in draw.times
    assert close(loss(), mixed(recorded, draw.times >= 600))


def test_the_published_code_puts_t_600_in_the_reconstruction_phase(recorded, loss, draw):
    """Its boundary is t > 600; alpha = 0.601 reproduces it, and no other timestep changes."""
    published = mixed(recorded, draw.times > 600)
    assert close(loss(alpha=0.601), published)
    differing = draw.times[~torch.isclose(loss(), published, rtol=1e-5, atol=0)]
    assert differing.tolist() == [600]

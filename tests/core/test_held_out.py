"""The held-out draws: made once, the same each time, and encoded as seldom as can be."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.training import new_run, small
from stableidentity_core.train import HeldOut
from stableidentity_core.train.loop import batch_loss


@pytest.fixture
def encoded(own_backend, monkeypatch) -> list[int]:
    """Numbers of pictures that the VAE was given."""
    counts: list[int] = []
    encode = own_backend.encode_posterior
    monkeypatch.setattr(own_backend, "encode_posterior", lambda images: counts.append(len(images)) or encode(images))
    return counts


def test_measuring_twice_encodes_once(own_backend, names, encoded):
    run = new_run(own_backend, names)
    held_out = HeldOut(own_backend, run.faces, run.config, draws=5)
    assert encoded == 5 * [1]
    assert held_out.loss(run.projector) == held_out.loss(run.projector) and encoded == 5 * [1]


def test_the_photo_as_it_is_is_encoded_once_and_sampled_for_each_draw(own_backend, names, encoded):
    run = new_run(own_backend, names, small(augmentation="none"))
    batches = HeldOut(own_backend, run.faces, run.config, draws=6).batches
    assert encoded == [1]
    assert len({tuple(batch.draw.z0.flatten().tolist()) for batch in batches}) == 6


def test_the_mean_is_that_of_single_samples(backend, names):
    """Whatever goes through the model at once."""
    run = new_run(backend, names, small(batch_size=3))
    held_out = HeldOut(backend, run.faces, run.config, draws=5)
    with torch.no_grad():
        each = [batch_loss(backend, run.projector, batch, run.config)[0] for batch in held_out.batches]
    whole = torch.cat(each)
    assert whole.shape == (15,)
    little = HeldOut(backend, run.faces, replace(run.config, low_memory=True), draws=5)
    for one in (held_out, little):
        assert one.loss(run.projector) == pytest.approx(whole.mean().item(), rel=1e-5)  # fp32 sums in another order


def test_timesteps_are_spread_over_the_schedule(backend, names):
    run = new_run(backend, names, small(batch_size=2))
    batches = HeldOut(backend, run.faces, run.config, draws=4).batches
    assert torch.cat([batch.draw.timesteps for batch in batches]).tolist() == [125, 125, 375, 375, 625, 625, 875, 875]

"""The held-out draws: made once, the same each time, and encoded as seldom as can be."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.make import rng
from helpers.trainings import new_run, small
from stableidentity_core.train import TrainConfig, TrainingRun, ValidationSet
from stableidentity_core.train.batch import predict_batches


@pytest.fixture
def encoded(own_backend, monkeypatch) -> list[int]:
    """Numbers of pictures that the VAE was given."""
    counts: list[int] = []
    encode = own_backend.encode_posterior
    monkeypatch.setattr(own_backend, "encode_posterior", lambda images: counts.append(len(images)) or encode(images))
    return counts


def held_out_of(run: TrainingRun, draws: int, config: TrainConfig | None = None) -> ValidationSet:
    return ValidationSet(run.backend, [run.held_out_source(rng(5))], config or run.config, draws)


def test_measuring_twice_encodes_once(own_backend, names, encoded):
    run = new_run(own_backend, names)
    held_out = held_out_of(run, 5)
    assert encoded == 5 * [1]
    assert held_out.losses([run.projector]) == held_out.losses([run.projector]) and encoded == 5 * [1]


def test_the_photo_as_it_is_is_encoded_once_and_sampled_for_each_draw(own_backend, names, encoded):
    run = new_run(own_backend, names, small(augmentation="none"))
    batches = held_out_of(run, 6).batches
    assert encoded == [1]
    assert len({tuple(batch.draw.z0.flatten().tolist()) for (batch,) in batches}) == 6


def test_the_mean_is_that_of_single_samples(backend, names):
    """Whatever goes through the model at once."""
    run = new_run(backend, names, small(batch_size=3))
    held_out = held_out_of(run, 5)
    with torch.no_grad():
        each = [predict_batches(backend, [run.projector], own, run.config)[0][0] for own in held_out.batches]
    whole = torch.cat(each)
    assert whole.shape == (15,)
    little = held_out_of(run, 5, replace(run.config, low_memory=True))
    for one in (held_out, little):
        assert one.losses([run.projector])[0] == pytest.approx(
            whole.mean().item(), rel=1e-5
        )  # fp32 sums in another order


def test_timesteps_are_spread_over_the_schedule(backend, names):
    run = new_run(backend, names, small(batch_size=2))
    batches = held_out_of(run, 4).batches
    assert torch.cat([batch.draw.times for (batch,) in batches]).tolist() == [
        125,
        125,
        375,
        375,
        625,
        625,
        875,
        875,
    ]

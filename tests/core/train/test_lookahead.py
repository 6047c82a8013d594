"""Where the VAE takes the place of other networks, the pictures of several steps are encoded together."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.trainings import finish, new_run, small, words
from stableidentity_core.train.loop import train_together


@pytest.fixture
def ahead(own_backend, monkeypatch):
    """Sets the number of steps, and notes the order in which pictures are encoded and steps computed."""
    order: list[str] = []

    def noted(name: str, function):
        return lambda *args: order.append(name) or function(*args)

    monkeypatch.setattr(own_backend, "encode_posterior", noted("vae", own_backend.encode_posterior))
    monkeypatch.setattr(own_backend, "predict", noted("unet", own_backend.predict))

    def set_steps(steps: int) -> list[str]:
        order.clear()
        monkeypatch.setattr(type(own_backend), "steps_ahead", steps)
        return order

    return set_steps


@pytest.mark.parametrize("settings", [{}, {"batch_size": 2}])
def test_the_words_are_the_same_bit_by_bit_and_the_vae_comes_seldom(own_backend, names, ahead, settings):
    config = small(steps=7, **settings)
    ahead(1)
    plain = new_run(own_backend, names, config)
    losses = finish(plain)
    order = ahead(3)
    run = new_run(own_backend, names, config)
    assert finish(run) == losses
    assert order == [*["vae"] * 3, *["unet"] * 3, *["vae"] * 3, *["unet"] * 3, "vae", "unet"]
    assert torch.equal(words(plain), words(run))
    assert torch.equal(plain.generator.get_state(), run.generator.get_state())


def test_several_people_together_have_their_own_draws(own_backend, names, ahead):
    config = small(steps=4)
    found = []
    for steps in (1, 3):
        ahead(steps)
        runs = [new_run(own_backend, names, replace(config, seed=seed)) for seed in (0, 1)]
        for _reports in train_together(runs):
            pass
        found.append([words(run) for run in runs])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_a_checkpoint_within_the_drawn_steps_goes_on_as_if_nothing_was_drawn(own_backend, names, ahead, tmp_path):
    config = small(steps=6)
    ahead(1)
    whole = new_run(own_backend, names, config)
    finish(whole)
    ahead(4)
    first, second = (new_run(own_backend, names, config) for _ in range(2))
    for report in first:
        if report.step == 2:
            break
    first.save(tmp_path / "checkpoint.safetensors")
    second.load(tmp_path / "checkpoint.safetensors")
    finish(second)
    assert torch.equal(words(second), words(whole))


def test_views_that_are_cached_are_not_drawn_ahead(own_backend, names, ahead):
    order = ahead(3)
    finish(new_run(own_backend, names, small(steps=3, cached_views=2)))
    assert order == ["vae", "unet", "unet", "unet"]

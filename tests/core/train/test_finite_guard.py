"""Reports that are read later, and faults that are found later."""

from __future__ import annotations

import pytest
import torch

from helpers.failures import break_weights
from helpers.trainings import finish, new_run, small
from stableidentity_core.errors import TrainingError
from stableidentity_core.train.finite_guard import STEPS_BEHIND, FiniteGuard

ONE, NAN, ZERO = torch.tensor(1.0), torch.tensor(float("nan")), torch.tensor(0.0)


def test_it_looks_at_once_on_the_cpu_and_every_few_steps_elsewhere():
    assert FiniteGuard(torch.device("cpu")).every == 1
    assert FiniteGuard(torch.device("cuda")).every == FiniteGuard(torch.device("mps")).every == STEPS_BEHIND


def test_the_first_bad_step_is_named_when_its_turn_comes():
    watch = FiniteGuard(torch.device("cpu"), every=4)
    watch.add(1, ONE, ONE)
    watch.add(2, ONE, ZERO)
    watch.add(3, NAN, ONE)
    with pytest.raises(TrainingError, match="Step 2: the gradient is exactly zero"):
        watch.add(4, ONE, ONE)
    with pytest.raises(TrainingError, match="Step 2"):  # and from then on, so that nothing of it is saved
        watch.check()


def test_what_is_left_is_looked_at_in_the_end():
    watch = FiniteGuard(torch.device("cpu"), every=4)
    watch.check()
    watch.add(1, NAN, ONE)
    with pytest.raises(TrainingError, match="Step 1: the loss is nan"):
        watch.check()


def test_a_run_that_looks_seldom_still_ends_in_an_error(own_backend, names, tmp_path):
    """As on a GPU: a few steps are taken in vain, none is reported as done well, and no checkpoint is written."""
    run = new_run(own_backend, names, small(steps=6))
    run.finite_guard.every = 4
    break_weights(own_backend)
    steps = iter(run)
    next(steps)
    with pytest.raises(TrainingError, match="Step 1: the loss is nan"):
        run.save(tmp_path / "checkpoint.safetensors")
    assert not list(tmp_path.iterdir())
    with pytest.raises(TrainingError, match="Step 1: the loss is nan"):
        list(steps)


def test_the_last_steps_are_looked_at_too(own_backend, names):
    run = new_run(own_backend, names, small(steps=2))
    run.finite_guard.every = 100
    break_weights(own_backend)
    with pytest.raises(TrainingError, match="Step 1"):
        finish(run)


def test_nothing_is_read_from_the_device_until_somebody_looks(backend, names, monkeypatch):
    """`item` and `tolist` are what would wait for a GPU."""
    run = new_run(backend, names, small(cached_views=2))
    run.finite_guard.every = 100
    steps = iter(run)
    next(steps)
    read: list[str] = []
    for name in ("item", "tolist", "cpu"):
        method = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda self, *args, n=name, m=method: read.append(n) or m(self, *args))
    draws = len(read)
    report = next(steps)
    assert [name for name in read[draws:] if name != "item"] == []
    before = len(read)
    assert report.loss > 0 and report.grad_norm > 0 and len(report.times) == 1
    assert len(read) == before + 3
    assert report.loss and len(read) == before + 3, "a value is read once"

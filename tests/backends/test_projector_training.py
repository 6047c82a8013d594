"""Going on with a projector's training inside the host."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from helpers.make import some_face, some_names
from helpers.pack import pack_module
from helpers.trainings import FEATURES, small
from stableidentity_core.backends.load_diffusers import load_diffusers
from stableidentity_core.files.tensors import read_tensors
from stableidentity_core.train.pretraining import ProjectorPretraining, encode_people
from stableidentity_core.train.projector_init import make_projector

pytestmark = pytest.mark.host


@pytest.fixture
def training(comfyui):
    return pack_module("nodes.host.projector_training", comfyui)


@pytest.fixture
def new_run(tiny_eps):
    backend, config = load_diffusers(tiny_eps), small(augmentation="none", batch_size=2)
    names = some_names(width=backend.text_spaces[0].width)
    people = encode_people(backend, (("", some_face(features=FEATURES, seed=seed)) for seed in range(3)), config)
    return lambda: ProjectorPretraining(
        backend, people, make_projector(backend, [people.first], [names], config), config
    )


@pytest.fixture
def state(new_run, tmp_path):
    """After 2 of 4 steps."""
    run = new_run()
    next(report for report in run if report.step == 2)
    run.save(tmp_path / "state.safetensors")
    return tmp_path / "state.safetensors"


def test_it_goes_on_from_its_state(training, new_run, state):
    run = new_run()
    training._resume(run, state)
    assert run.step == 2


def test_a_state_of_an_older_version_does_not_block_the_work(training, new_run, state, caplog):
    tensors, facts = read_tensors(state)
    save_file(tensors, state, {**facts, "format": "stableidentity-checkpoint-1"})
    run = new_run()
    training._resume(run, state)
    assert run.step == 0
    assert "stableidentity-checkpoint-1" in caplog.text and "training from the start" in caplog.text


def test_nothing_of_a_damaged_state_is_taken(training, new_run, state, caplog):
    tensors, facts = read_tensors(state)
    del tensors["generator"]
    save_file(tensors, state, facts)
    run, fresh = new_run(), new_run()
    training._resume(run, state)
    assert run.step == 0 and "training from the start" in caplog.text
    for ours, theirs in zip(run.projector.parameters(), fresh.projector.parameters(), strict=True):
        assert torch.equal(ours, theirs)

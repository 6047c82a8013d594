"""fp16: the loss is scaled, so that small gradients are not lost; a step whose gradient overflows is taken again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.failures import InfiniteSlope
from helpers.groups import runs_of, some_people
from helpers.make import some_face
from helpers.rounding import assert_computed_in
from helpers.trainings import FEATURES, finish, new_run, small, words
from stableidentity_core.backends import Compute
from stableidentity_core.backends.load_diffusers import load_diffusers
from stableidentity_core.errors import DamagedFileError, TrainingError
from stableidentity_core.files.tensors import read_tensors, save_tensors
from stableidentity_core.train import TrainingRun, default_config, train_together
from stableidentity_core.train.gradient_check import gradient_direction
from stableidentity_core.train.loss_scale import FIRST, GROW_AFTER, LEAST, LossScale, shrink_scales
from stableidentity_core.train.pretraining import ProjectorPretraining, encode_people
from stableidentity_core.train.projector_init import make_projector

FP16 = small(precision="fp16", max_grad_norm=1e9)
TOO_LARGE = 2.0**40  # no fp16 gradient of this model is finite so far up


def gradient(run: TrainingRun, scale: float = FIRST) -> torch.Tensor:
    """Of the projector in its first step."""
    run.loss_scale = LossScale(scale)
    with run.computing():
        next(iter(run))
    return torch.cat([parameter.grad.flatten() for parameter in run.projector.parameters()])


def test_a_scaled_step_has_the_gradient_of_fp32(own_backend, names):
    exact = gradient(new_run(own_backend, names, replace(FP16, precision="model")))
    run = new_run(own_backend, names, FP16)
    rough = gradient(run)
    assert run.loss_scale.value == FIRST
    assert_computed_in(torch.float16, rough, exact)
    # What is that much smaller, as the gradients of a large picture are, would be lost without scaling.
    with pytest.raises(TrainingError, match="Step 1: the gradient is exactly zero"):
        gradient(new_run(own_backend, names, FP16), 2.0**-20)


def test_a_step_that_overflows_is_taken_again_with_the_same_draws(own_backend, names):
    run, small_enough = (new_run(own_backend, names, FP16) for _ in range(2))
    found = gradient(run, TOO_LARGE)
    assert 1 < run.loss_scale.value < TOO_LARGE and run.step == 1
    assert torch.equal(found, gradient(small_enough, run.loss_scale.value))
    assert torch.equal(run.generator.get_state(), small_enough.generator.get_state())
    assert torch.equal(words(run), words(small_enough))


def test_each_person_has_a_scale_of_their_own(own_backend, names):
    """What overflows beside somebody changes nothing for them, to the bit: the matrix products have the same sizes."""
    runs, undisturbed = (runs_of(own_backend, names, some_people(2), FP16) for _ in range(2))
    runs[0].loss_scale = LossScale(TOO_LARGE)
    with runs[0].computing():
        list(train_together(runs))
        list(train_together(undisturbed))
    assert runs[0].loss_scale.value < TOO_LARGE and runs[1].loss_scale.value == FIRST
    assert torch.equal(words(runs[1]), words(undisturbed[1]))


def test_what_no_scale_can_help_is_an_error_and_nothing_is_learned(own_backend, names):
    plain = new_run(own_backend, names, FP16)
    run = TrainingRun(own_backend, plain.faces, InfiniteSlope(plain.projector), FP16)
    before = words(run)
    with run.computing(), pytest.raises(TrainingError, match="Step 1: the gradient is nan"):
        finish(run)
    assert run.loss_scale.value == LEAST and run.step == 0 and torch.equal(words(run), before)


def test_a_loss_that_is_not_finite_is_an_error_at_once(own_backend, names):
    own_backend.unet.conv_in.weight.data.fill_(float("nan"))
    run = new_run(own_backend, names, FP16)
    with run.computing(), pytest.raises(TrainingError, match="Step 1: the loss is nan"):
        finish(run)
    assert run.loss_scale.value == FIRST


def test_a_checkpoint_keeps_the_scale(own_backend, names, tmp_path):
    whole, first, second = (new_run(own_backend, names, FP16) for _ in range(3))
    for run in (whole, first):
        run.loss_scale = LossScale(TOO_LARGE)
    with whole.computing():
        finish(whole)
        next(iter(first))
        first.save(tmp_path / "checkpoint.safetensors")
        second.load(tmp_path / "checkpoint.safetensors")
        assert second.loss_scale.value == first.loss_scale.value < TOO_LARGE
        finish(second)
    assert torch.equal(words(second), words(whole))


def test_a_damaged_scale_leaves_the_run_as_it_was(own_backend, names, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    run, other = (new_run(own_backend, names) for _ in range(2))
    next(iter(run))
    run.save(path)
    tensors, metadata = read_tensors(path)
    save_tensors(path, tensors, {**metadata, "loss_scale": '["large"'})
    before = words(other)
    with pytest.raises(DamagedFileError, match="its loss_scale is not valid JSON"):
        other.load(path)
    assert other.step == 0 and torch.equal(words(other), before)


def test_after_steps_that_fit_it_grows_again_but_not_beyond_its_start():
    scale = LossScale(FIRST)
    finite, infinite = torch.tensor(1.0), torch.tensor(float("inf"))
    for _ in range(2):
        assert shrink_scales([scale, LossScale(1.0)], [finite, finite], [infinite, finite])
    assert scale.value == FIRST / 4
    assert not shrink_scales([scale], [infinite], [infinite])  # the loss itself: no scale would help
    for _ in range(GROW_AFTER - 1):
        scale.stepped()
    assert scale.value == FIRST / 4
    for _ in range(1 + 2 * GROW_AFTER):
        scale.stepped()
    assert scale.value == FIRST


@pytest.mark.parametrize("method", ["celeb_basis", "textual_inversion"])
def test_so_do_other_methods(own_backend, names, method):
    faces = [some_face(features=FEATURES)]
    config = replace(default_config(method), resolution=64, steps=1, max_grad_norm=1e9)

    def run(precision) -> TrainingRun:
        own = replace(config, precision=precision)
        return TrainingRun(own_backend, faces, make_projector(own_backend, faces, [names], own), own)

    assert_computed_in(torch.float16, gradient(run("fp16")), gradient(run("model")))


def test_and_projectors_over_many_people(own_backend, names):
    config = small(precision="fp16", augmentation="none", cached_views=1, batch_size=2)
    people = encode_people(own_backend, ((str(n), some_face(features=FEATURES, seed=n)) for n in range(3)), config)
    run = ProjectorPretraining(
        own_backend, people, make_projector(own_backend, [people.first], [names], config), config
    )
    run.loss_scale = LossScale(TOO_LARGE)
    with run.computing():
        losses = [report.loss for report in run]
    assert len(losses) == config.steps and run.loss_scale.value < TOO_LARGE


@pytest.mark.parametrize("loaded,asked", [(torch.bfloat16, "fp16"), (torch.float16, "bf16")])
def test_weights_of_the_other_16_bit_type_are_cast_and_come_back(sd_folder, loaded, asked):
    backend = load_diffusers(sd_folder, dtype=loaded)
    own = gradient_direction(backend)
    with backend.computing(Compute(precision=asked)):
        other = gradient_direction(backend)
    assert backend.dtype == loaded and torch.equal(gradient_direction(backend), own)
    assert_computed_in(torch.bfloat16, own, other)  # the rougher of the two


def test_a_model_that_was_loaded_in_fp16_is_scaled_too_and_others_are_not(sd_folder, names):
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        run = new_run(load_diffusers(sd_folder, dtype=dtype), names)
        run.loss_scale = LossScale(TOO_LARGE)
        next(iter(run))
        assert (run.loss_scale.value < TOO_LARGE) == (dtype == torch.float16)

"""Going on from a checkpoint."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from helpers.make import some_face, some_names
from helpers.trainings import FEATURES, finish, new_run, small, words
from stableidentity_core.errors import DamagedFileError, StableIdentityError
from stableidentity_core.files.tensors import read_tensors


@pytest.fixture
def checkpoint(backend, names, tmp_path):
    """After 2 of 4 steps."""
    run = new_run(backend, names)
    for report in run:
        if report.step == 2:
            break
    path = tmp_path / "run.safetensors"
    run.save(path)
    return path


def resumed(backend, names, checkpoint, **settings):
    """From other initial weights, so that all must come from the file."""
    run = new_run(backend, names, small(**settings), weights=99)
    run.load(checkpoint)
    return run


def test_resuming_equals_the_uninterrupted_run_bit_by_bit(backend, names, checkpoint):
    whole = new_run(backend, names)
    losses = finish(whole)
    run = resumed(backend, names, checkpoint)
    assert run.step == 2
    assert finish(run) == losses[2:]
    assert words(run).numpy().tobytes() == words(whole).numpy().tobytes()
    for ours, theirs in zip(run.projector.parameters(), whole.projector.parameters(), strict=True):
        assert torch.equal(ours, theirs)
        for key, value in whole.optimizer.state[theirs].items():
            assert torch.equal(run.optimizer.state[ours][key], value), key
    assert torch.equal(run.generator.get_state(), whole.generator.get_state())


def test_a_checkpoint_before_the_first_step_works(backend, names, tmp_path):
    fresh = new_run(backend, names)
    fresh.save(tmp_path / "zero.safetensors")
    run = resumed(backend, names, tmp_path / "zero.safetensors")
    assert finish(run) == finish(fresh)


def test_more_steps_than_before_may_be_asked_for(backend, names, checkpoint):
    run = resumed(backend, names, checkpoint, steps=6)
    longer = new_run(backend, names, small(steps=6))
    finish(run)
    finish(longer)
    assert run.step == 6 and torch.equal(words(run), words(longer))


def test_fewer_steps_than_were_done_are_refused(backend, names, checkpoint):
    """The words would be of more steps than asked for."""
    with pytest.raises(StableIdentityError, match=str(checkpoint)):
        resumed(backend, names, checkpoint, steps=1)


def test_a_checkpoint_after_a_step_that_failed_goes_on_as_if_nothing_had_been(own_backend, names, tmp_path):
    """Its draws were made already; going on with the next ones would be another training."""
    whole = new_run(own_backend, names)
    losses = finish(whole)
    run = new_run(own_backend, names)
    with pytest.raises(torch.OutOfMemoryError):
        for report in run:
            if report.step == 2:
                hook = own_backend.unet.mid_block.register_forward_pre_hook(run_out_of_memory)
    hook.remove()
    run.save(tmp_path / "run.safetensors")
    again = resumed(own_backend, names, tmp_path / "run.safetensors")
    assert again.step == 2 and finish(again) == losses[2:]
    assert torch.equal(words(again), words(whole))


def run_out_of_memory(*_args):
    raise torch.OutOfMemoryError("no room")


@pytest.mark.parametrize(
    "setting",
    [{"learning_rate": 2e-3}, {"seed": 1}, {"alpha": 0.5}, {"loss_area": "mask"}, {"batch_size": 2}, {"beta1": 0.8}],
)
def test_other_settings_are_refused_and_named(backend, names, checkpoint, setting):
    ((name, value),) = setting.items()
    was = small().as_dict()[name]
    with pytest.raises(StableIdentityError, match=rf"other settings: {name} {was!r} -> {value!r}\."):
        resumed(backend, names, checkpoint, **setting)


def test_a_checkpoint_of_another_photo_is_refused(backend, names, checkpoint):
    """Going on with it would silently mix two people."""
    run = new_run(backend, names, faces=[some_face(features=FEATURES, seed=7)])
    with pytest.raises(StableIdentityError, match=str(checkpoint)):
        run.load(checkpoint)


def test_a_checkpoint_of_another_model_is_refused(own_backend, names, checkpoint):
    own_backend.unet.conv_in.weight.data.mul_(1.5)
    run = new_run(own_backend, names)
    with pytest.raises(StableIdentityError, match=str(checkpoint)):
        run.load(checkpoint)


def test_a_checkpoint_of_other_names_is_refused(backend, checkpoint):
    run = new_run(backend, some_names(width=backend.text_spaces[0].width))
    with pytest.raises(StableIdentityError, match=str(checkpoint)):
        run.load(checkpoint)


def test_a_projector_of_another_width_is_refused(backend, checkpoint):
    run = new_run(backend, some_names(width=32))
    with pytest.raises(StableIdentityError, match=str(checkpoint)):
        run.load(checkpoint)


def test_broken_and_foreign_files_are_refused_by_name(backend, names, checkpoint):
    content = checkpoint.read_bytes()
    cut = checkpoint.with_name("cut.safetensors")
    cut.write_bytes(content[: len(content) // 2])
    foreign = checkpoint.with_name("foreign.safetensors")
    save_file({"a": torch.zeros(2)}, foreign)
    for path in (cut, foreign, checkpoint.with_name("none.safetensors")):
        with pytest.raises(StableIdentityError, match=str(path)):
            new_run(backend, names).load(path)


def test_a_refused_checkpoint_leaves_the_run_as_it_was(backend, names, checkpoint):
    run = new_run(backend, names, small(seed=1))
    with pytest.raises(StableIdentityError):
        run.load(checkpoint)
    untouched = new_run(backend, names, small(seed=1))
    assert finish(run) == finish(untouched)


ODD = {
    "no step": lambda tensors, header: header.pop("step"),
    "no config": lambda tensors, header: header.pop("config"),
    "no work": lambda tensors, header: header.pop("work"),
    "step is a word": lambda tensors, header: header.update(step="two"),
    "step is negative": lambda tensors, header: header.update(step="-1"),
    "step in other digits": lambda tensors, header: header.update(step="\u0662"),
    "step without end": lambda tensors, header: header.update(step="9" * 5000),
    "config is a list": lambda tensors, header: header.update(config="[1]"),
    "config is not valid JSON": lambda tensors, header: header.update(config="{"),
    "config nested without end": lambda tensors, header: header.update(config="[" * 100_000),
    "loss scale is an object": lambda tensors, header: header.update(loss_scale='{"value": 1}'),
    "loss scale of words": lambda tensors, header: header.update(loss_scale='["a", "b"]'),
    "loss scale of three": lambda tensors, header: header.update(loss_scale="[1, 2, 3]"),
    "loss scale is not finite": lambda tensors, header: header.update(loss_scale="[NaN, 0]"),
    "loss scale is huge": lambda tensors, header: header.update(loss_scale="[1e300, 0]"),
    "no generator": lambda tensors, header: tensors.pop("generator"),
    "generator too short": lambda tensors, header: tensors.update(generator=tensors["generator"][:10].clone()),
    "generator of floats": lambda tensors, header: tensors.update(generator=tensors["generator"].float()),
    "optimiser lacks a part": lambda tensors, header: tensors.pop("optimizer.1.exp_avg"),
    "optimiser of another shape": lambda t, header: t.update({"optimizer.1.exp_avg": torch.zeros(3, 3)}),
    "optimiser that is not finite": lambda tensors, header: tensors["optimizer.1.exp_avg"].fill_(torch.inf),
    "optimiser in half": lambda t, h: t.update({"optimizer.1.exp_avg": t["optimizer.1.exp_avg"].half()}),
    "optimiser with something else": lambda tensors, header: tensors.update({"optimizer.1.more": torch.zeros(1)}),
    "projector lacks a part": lambda t, header: t.pop("projector.spaces.clip_h.first.weight"),
    "projector of whole numbers": lambda t, h: t.update({key: t[key].long() for key in t if "projector" in key}),
}


@pytest.mark.parametrize("name", ODD)
def test_a_checkpoint_of_odd_content_is_refused_by_name_and_the_run_is_as_before(
    backend, names, checkpoint, tmp_path, name
):
    tensors, header = read_tensors(checkpoint)
    ODD[name](tensors, header)
    odd = tmp_path / "odd.safetensors"
    save_file(tensors, odd, header)
    run = new_run(backend, names, weights=99)
    before = {key: value.clone() for key, value in run.projector.state_dict().items()}
    with pytest.raises(DamagedFileError, match=f"{odd} is not a complete checkpoint"):
        run.load(odd)
    assert run.step == 0 and not run.optimizer.state_dict()["state"]
    assert all(torch.equal(value, before[key]) for key, value in run.projector.state_dict().items())
    assert torch.equal(run.generator.get_state(), new_run(backend, names).generator.get_state())

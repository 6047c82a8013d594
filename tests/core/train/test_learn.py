"""From faces to a described identity, and projecting without training."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from helpers.make import randn, some_face, some_names
from helpers.trainings import FEATURES, learn_identity, new_run, small, words
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.face import Face
from stableidentity_core.methods.registry import METHODS
from stableidentity_core.train import TrainConfig, TrainingRun
from stableidentity_core.train.project import project
from stableidentity_core.train.projector_init import learned_bytes, make_projector
from stableidentity_core.train.result import format_held_out_loss
from stableidentity_core.train.session import check_spaces


@pytest.fixture(scope="module")
def learned(backend, names):
    run = new_run(backend, names, small(seed=5))
    steps: list[int] = []
    result = learn_identity(run, [names], "anna", lambda report: steps.append(report.step))
    return run, result, steps


def test_result_holds_the_words_losses_and_projector_of_the_run(learned):
    run, result, steps = learned
    assert steps == [1, 2, 3, 4] and result.losses.shape == (4,)
    assert result.identity.trigger == "<anna>"
    assert torch.equal(result.identity.words["clip_h"], words(run))


def test_the_header_tells_how_it_was_made(learned, backend, names):
    run, result, _ = learned
    header = result.identity.header
    assert all(isinstance(value, str) for value in header.values())
    assert header["steps"] == "4" and header["seed"] == "5" and header["names"] == str(len(names.names))
    assert header["base_fingerprint"] == backend.fingerprint() and header["prediction"] == "epsilon"
    assert header["face_encoder"] == "random" and header["method"] == "stableidentity"
    assert TrainConfig.from_dict(json.loads(header["settings"])) == run.config
    ranges = json.loads(header["value_range"])["clip_h"]
    low, high = words(run).min().item(), words(run).max().item()
    assert ranges["words"] == [pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4)]  # four digits are written
    assert ranges["names"] == [pytest.approx(value, abs=1e-4) for value in names.value_range]
    assert float(header["held_out_loss_before"]) > 0 and header["held_out_loss_after"] != header["held_out_loss_before"]


def test_a_training_that_goes_on_does_not_tell_a_loss_before_it_that_it_never_measured(backend, names, tmp_path):
    run = new_run(backend, names)
    for report in run:
        if report.step == 2:
            break
    run.save(tmp_path / "run.safetensors")
    resumed = new_run(backend, names)
    resumed.load(tmp_path / "run.safetensors")
    header = learn_identity(resumed, [names], "anna").identity.header
    assert "held_out_loss_before" not in header
    assert format_held_out_loss(header) == f"not known -> {float(header['held_out_loss_after']):.4g}"


def test_projecting_the_same_face_gives_the_trained_words(learned, names):
    run, result, _ = learned
    identity = project(run.faces[0], result.projector, [names], "again")
    # One row instead of a batch's mean of one: the same kernel.
    assert torch.equal(identity.words["clip_h"], result.identity.words["clip_h"])
    assert identity.trigger == "<again>" and identity.header["steps"] == "0"


def test_projecting_another_face_gives_other_words_without_touching_the_projector(learned, names):
    _, result, _ = learned
    before = {name: value.clone() for name, value in result.projector.state.items()}
    other = project(some_face(features=FEATURES, seed=8), result.projector, [names], "bob")
    assert not torch.equal(other.words["clip_h"], result.identity.words["clip_h"])
    assert all(torch.equal(value, before[name]) for name, value in result.projector.state.items())


def test_the_stored_projector_is_a_copy(learned):
    run, result, _ = learned
    for name, value in run.projector.state_dict().items():
        assert torch.equal(result.projector.state[name], value)
        assert result.projector.state[name].data_ptr() != value.data_ptr()


def test_a_face_of_another_encoder_or_without_feature_is_refused(learned, names):
    _, result, _ = learned
    face = some_face(features=FEATURES)
    with pytest.raises(StableIdentityError, match="encoded by another, the projector was trained with random"):
        project(replace(face, feature=replace(face.feature, encoder="another")), result.projector, [names], "a")
    bare = Face(image=face.image, face_mask=face.face_mask, hair_mask=face.hair_mask)
    with pytest.raises(StableIdentityError, match="no feature yet"):
        project(bare, result.projector, [names], "a")


def test_a_projector_starts_from_the_seed_and_from_nothing_else(backend, names):
    weights = []
    for global_seed, seed in ((0, 1), (7, 1), (0, 2)):
        with torch.random.fork_rng():
            torch.manual_seed(global_seed)
            weights.append(make_projector(backend, [some_face()], [names], TrainConfig(seed=seed)).state_dict())
    first, same, other = (state["spaces.clip_h.second.weight"] for state in weights)
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_faces_of_two_encoders_or_none_are_refused(backend, names):
    with pytest.raises(StableIdentityError, match=r"widths \[8, 12\]"):
        make_projector(backend, [some_face(features=8), some_face(features=12)], [names], TrainConfig())
    face = some_face()
    bare = Face(image=face.image, face_mask=face.face_mask, hair_mask=face.hair_mask)
    with pytest.raises(StableIdentityError, match="needed one width"):
        make_projector(backend, [bare], [names], TrainConfig())


def test_two_photos_of_one_width_but_two_encoders_are_refused(backend, names):
    """Features of two networks have nothing to do with each other, whatever their width."""
    face = some_face()
    other = replace(face, feature=replace(face.feature, encoder="another", plain=randn(8, seed=9)))
    with pytest.raises(StableIdentityError, match="encoder"):
        make_projector(backend, [face, other], [names], TrainConfig())


def test_a_name_space_of_another_text_encoder_is_refused(backend, names):
    assert check_spaces(backend, [names]) is None
    for wrong in (
        [some_names(width=32)],
        [some_names(width=names.width, space="clip_l")],
        [],
        [names, some_names(space="x")],
    ):
        with pytest.raises(StableIdentityError, match=r"name space was made for .* needs \{'clip_h': 64\}"):
            check_spaces(backend, wrong)


@pytest.mark.parametrize("method", METHODS)
def test_the_bytes_of_what_is_learned_are_told_before(method, backend, names):
    """By which a training asks for memory: weights, gradient and both moments of Adam; beside them, step counters."""
    config, faces = TrainConfig().with_settings(resolution=64, steps=1, method=method), [some_face()]
    run = TrainingRun(backend, faces, make_projector(backend, faces, [names], config), config)
    list(run)
    weights = list(run.projector.parameters())
    states = [value for state in run.optimizer.state.values() for value in state.values()]
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    there = sum(value.nbytes for value in (*weights, *gradients, *states) if value.ndim)
    assert learned_bytes(faces, [names], config) == there

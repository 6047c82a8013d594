"""When a training is told of as one that went wrong, and that ordinary ones are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.make import rng, some_face, some_names
from helpers.trainings import FEATURES, learn_identity, new_run, small
from stableidentity_core.methods import METHODS
from stableidentity_core.train import TrainConfig, TrainingRun, default_config
from stableidentity_core.train.diagnosis import WARNING, distance, grew, verdict, warning_of
from stableidentity_core.train.projector_init import make_projector

LOSSES = torch.rand(16, generator=rng(1)) + 0.1


@pytest.mark.parametrize(
    ("change", "worse"),
    [
        (torch.zeros(16), False),
        (0.5 * torch.randn(16, generator=rng(2)) / 4, False),  # as much up as down
        (torch.full((16,), 0.001), False),  # of every draw, but a trifle
        (torch.full((16,), 0.05), True),
        (0.3 * torch.rand(16, generator=rng(3)), True),
        (torch.tensor([3.0] + 15 * [0.0]), False),  # one draw may be chance
        (torch.full((16,), -0.05), False),
    ],
    ids=["none", "noise", "a trifle", "all", "most", "one draw", "better"],
)
def test_a_loss_grew_if_it_did_on_most_draws(change, worse):
    assert grew(LOSSES, LOSSES + change) == worse


def test_names_are_as_far_from_their_mean_as_names():
    names = some_names(count=200)
    squares = [distance(words, names) ** 2 for words in names.embeddings]
    assert sum(squares) / len(squares) == pytest.approx(1)
    assert distance(names.mean, names) == 0
    assert distance(names.mean + 7 * (names.embeddings[0] - names.mean), names) == pytest.approx(7 * squares[0] ** 0.5)


def away(names, times: float) -> dict[str, torch.Tensor]:
    direction = names.embeddings[0] - names.mean
    return {names.space: names.mean + direction * times / distance(names.embeddings[0], names)}


@pytest.mark.parametrize(
    ("settings", "times", "told"),
    [
        ({}, 2.8, False),
        ({}, 6, True),
        ({"normalization": "none"}, 6, False),
        ({"normalization": "none"}, 200, True),
        ({"method": "celeb_basis"}, 2.8, False),
        ({"method": "textual_inversion"}, 60, False),
        ({"method": "textual_inversion"}, 200, True),
    ],
)
def test_words_far_from_the_names(settings, times, told):
    names = some_names()
    config = TrainConfig().with_settings(**settings, learning_rate=5e-5)
    found = warning_of(config, away(names, times), [names], LOSSES, LOSSES)
    assert ("times as far from the names' mean" in found) == told and bool(found) == told


def test_all_that_is_wrong_is_told_with_what_to_do():
    names = some_names()
    config = TrainConfig(learning_rate=1.0)
    found = warning_of(config, away(names, 9), [names], LOSSES, 2 * LOSSES)
    for part in ("The validation loss rose from 0.", "lie 9 times as far", "is 20,000 times the 5e-05 of"):
        assert part in found
    assert found.endswith("Lower learning_rate (1), or check the person's pictures.")
    assert warning_of(TrainConfig(), away(names, 1), [names], None, LOSSES) == "", "the loss before is not known"


@pytest.mark.parametrize(
    ("before", "after", "warning", "told"),
    [
        ("3.312", "0.1573", "", "learned: held-out loss 3.3 to 0.16"),
        ("3.312", "0.1573", "The words lie far.", "doubtful: held-out loss 3.3 to 0.16"),
        ("0.041", "5.2", "The validation loss rose.", "not learned: held-out loss 0.041 to 5.2"),
        ("0.0412", "0.04118", "", "hardly learned: held-out loss 0.0412 to 0.04118"),
        ("0.0412", "0.0413", "", "nothing learned: held-out loss 0.0412 to 0.0413"),
        (None, "0.157", "", "learned: held-out loss 0.16 at the end"),
        (None, None, "", "learned: held-out loss not measured"),
    ],
)
def test_the_verdict_is_one_line_that_goes_with_the_warning(before, after, warning, told):
    assert verdict(before, after, warning) == told


@pytest.mark.parametrize("method", METHODS)
def test_ordinary_trainings_have_no_warning_and_wild_ones_do(backend, names, method):
    """Few steps of a model of random weights, which teaches nothing: what is told must not depend on it."""
    face = some_face(features=FEATURES)
    own = replace(default_config(method), resolution=64, steps=3, batch_size=1)
    for config, wild in ((own, False), (replace(own, learning_rate=1.0), True)):
        run = TrainingRun(backend, [face], make_projector(backend, [face], [names], config), config)
        header = learn_identity(run, [names], "anna").identity.header
        assert (WARNING in header) == wild, header.get(WARNING)


def test_a_training_that_went_on_is_judged_by_its_words_alone(backend, names, tmp_path):
    config = small(learning_rate=1.0, normalization="none")
    run = new_run(backend, names, config)
    next(iter(run))
    run.save(tmp_path / "half.safetensors")
    rest = new_run(backend, names, config)
    rest.load(tmp_path / "half.safetensors")
    assert "times as far" in learn_identity(rest, [names], "anna").identity.header[WARNING]

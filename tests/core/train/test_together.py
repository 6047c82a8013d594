"""Several people learned side by side: each as if they were alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.failures import InfiniteSlope
from helpers.groups import runs_of, some_people
from helpers.make import some_face
from helpers.trainings import FEATURES, finish, learn_identity, new_run, small, words
from stableidentity_core.errors import StableIdentityError, TrainingError
from stableidentity_core.methods import METHODS
from stableidentity_core.train import TrainConfig, TrainingRun, default_config, train_together
from stableidentity_core.train.session import learn_runs

# Of the way that the words go in the few steps here. Somebody else's draw gives about 1; in float64 another order of
# sums gives 0, or the last bit of the float32 words.
SAME = 1e-3


def off(ours: TrainingRun, alone: TrainingRun, start: torch.Tensor) -> float:
    """How far two runs end from each other, as a share of the way from the start."""
    return ((words(ours) - words(alone)).norm() / (words(alone) - start).norm()).item()


def assert_as_alone(backend, names, people, config: TrainConfig, seeds=None) -> None:
    together = runs_of(backend, names, people, config, seeds)
    reports = list(train_together(together))
    assert len(reports) == config.steps
    for number, (ours, alone) in enumerate(zip(together, runs_of(backend, names, people, config, seeds), strict=True)):
        start = words(alone)
        expected = list(alone)
        own = [step[number] for step in reports]
        assert [report.times for report in own] == [report.times for report in expected]
        assert torch.equal(ours.generator.get_state(), alone.generator.get_state()), "a draw more or less, or another's"
        # float32 numbers of float64 sums.
        assert [report.loss for report in own] == pytest.approx([report.loss for report in expected], rel=1e-4)
        assert [report.grad_norm for report in own] == pytest.approx([one.grad_norm for one in expected], rel=1e-4)
        for one, other in zip(own, expected, strict=True):
            assert one.z0.shape == other.z0.shape and torch.allclose(one.z0, other.z0, rtol=1e-4, atol=1e-4)
        assert off(ours, alone, start) < SAME


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_size": 3, "resolution": 72},  # latents of 9x9: the size of a draw decides its numbers
        {"batch_size": 9, "steps": 2},  # more pictures of one person than the VAE takes at once
        {"cached_views": 4},
        {"augmentation": "none", "max_grad_norm": 1e-2},
    ],
)
def test_each_learns_what_they_would_learn_alone(exact_backend, names, settings):
    assert_as_alone(exact_backend, names, some_people(), small(seed=3, **settings))


@pytest.mark.parametrize("method", METHODS)
def test_so_do_all_methods_at_their_own_settings(exact_backend, names, method):
    config = replace(default_config(method), steps=3, resolution=64, seed=1)
    assert_as_alone(exact_backend, names, some_people(), config)


def test_each_may_have_a_seed_of_their_own(exact_backend, names):
    assert_as_alone(exact_backend, names, some_people(), small(), seeds=[5, 6, 7])


def test_photos_of_different_sizes_and_encoders_go_together(exact_backend, names):
    """Each has a projector of their own, which is as wide as their feature."""
    wide = some_face(96, features=12, seed=4)
    assert wide.feature is not None
    wide = replace(wide, feature=replace(wide.feature, encoder="another"))
    assert_as_alone(exact_backend, names, [[some_face(features=FEATURES)], [wide]], small())


def test_one_person_is_what_it_was_bit_by_bit(backend, names):
    config = small(batch_size=3)
    (run,), (alone,) = (runs_of(backend, names, some_people(1), config) for _ in range(2))
    reports = [report for (report,) in train_together([run])]
    assert [(one.loss, one.times) for one in reports] == finish(alone)
    assert torch.equal(words(run), words(alone))


def test_the_frozen_model_is_asked_once_a_step_for_everybody(own_backend, names):
    sizes: dict[str, list[int]] = {"encode_posterior": [], "encode_text": [], "predict": []}

    def counted(name):
        call = getattr(own_backend, name)

        def wrapped(first, *others):
            sizes[name].append(len(first["clip_h"].token_ids if name == "encode_text" else first))
            return call(first, *others)

        setattr(own_backend, name, wrapped)

    for name in sizes:
        counted(name)
    list(train_together(runs_of(own_backend, names, some_people(4), small(batch_size=2, steps=3))))
    assert all(asked == [8, 8, 8] for asked in sizes.values())


def test_gradients_are_clipped_by_each_ones_own_norm(backend, names):
    runs = runs_of(backend, names, some_people(), small(steps=1))
    norms = [report.grad_norm for report in next(train_together(runs_of(backend, names, some_people(), small())))]
    assert max(norms) > 1.05 * min(norms)  # or a common norm could not be told
    limit = min(norms) / 10
    for run in runs:
        run.config = replace(run.config, max_grad_norm=limit)
    next(train_together(runs))
    for run in runs:
        gradients = torch.cat([value.grad.flatten() for value in run.projector.parameters() if value.grad is not None])
        assert gradients.norm().item() == pytest.approx(limit, rel=1e-3)  # torch adds 1e-6 to the norm it divides by


def test_a_fault_names_the_person_and_nobody_takes_that_step(backend, names):
    runs = runs_of(backend, names, some_people(), small())
    runs[1] = TrainingRun(backend, runs[1].faces, InfiniteSlope(runs[1].projector), runs[1].config, "<ben>")
    before = words(runs[0])
    with pytest.raises(TrainingError, match=r"^<ben>: Step 1: the gradient is nan"):
        next(train_together(runs))
    assert [run.step for run in runs] == [0, 0, 0] and torch.equal(words(runs[0]), before)


@pytest.mark.parametrize("settings", [{}, {"cached_views": 2}])
def test_a_bad_photo_names_the_person(backend, names, settings):
    """A face of one pixel, which vanishes in the latents."""
    people = some_people(2)
    people[1] = [replace(face, face_mask=dot(face.face_mask)) for face in people[1]]
    with pytest.raises(StableIdentityError, match=r"^<p1>: The face mask covers .* vanishes"):
        next(train_together(runs_of(backend, names, people, small(augmentation="none", **settings))))


def dot(mask: torch.Tensor) -> torch.Tensor:
    mask = torch.zeros_like(mask)
    mask[20, 20] = 1
    return mask


def test_each_ones_state_is_saved_and_goes_on_together_or_alone(exact_backend, names, tmp_path):
    config = small()
    whole = runs_of(exact_backend, names, some_people(), config)
    starts = [words(run) for run in whole]
    list(train_together(whole))
    halfway = runs_of(exact_backend, names, some_people(), config)
    steps = train_together(halfway)
    next(steps)
    next(steps)
    for number, run in enumerate(halfway):
        run.save(tmp_path / f"{number}.safetensors")

    def resumed() -> list[TrainingRun]:
        runs = runs_of(exact_backend, names, some_people(), config)
        for number, run in enumerate(runs):
            run.load(tmp_path / f"{number}.safetensors")
        return runs

    together, alone = resumed(), resumed()
    list(train_together(together))
    for run in alone:
        finish(run)
    for ours, single, expected, start in zip(together, alone, whole, starts, strict=True):
        assert torch.equal(words(ours), words(expected)) and off(single, expected, start) < SAME


def test_runs_that_do_not_go_together_are_refused(backend, own_backend, names):
    def refused(runs, message):
        with pytest.raises(StableIdentityError, match=message):
            train_together(runs)

    first = new_run(backend, names)
    refused([], "nobody to train; needed at least one person")
    refused([first, new_run(backend, names, small(learning_rate=1e-2))], "2 people .* have different settings")
    refused([first, new_run(own_backend, names)], "have different models")
    started = new_run(backend, names)
    next(iter(started))
    refused([first, started], "have different steps done")


def test_forty_people(backend, names):
    runs = runs_of(backend, names, some_people(40), small(steps=1))
    (reports,) = train_together(runs)
    assert len(reports) == 40 and len({report.loss for report in reports}) == 40


def test_results_are_those_of_single_runs(exact_backend, names, monkeypatch):
    monkeypatch.setattr("stableidentity_core.train.validation.DRAWS", 2)  # for time
    people, config = some_people(2), small(seed=2)
    together, seen = runs_of(exact_backend, names, people, config), []
    triggers = ["anna", "ben"]
    results = learn_runs(together, [names], triggers, lambda reports: seen.append(len(reports)))
    assert seen == [2] * config.steps
    for trigger, result, run in zip(triggers, results, runs_of(exact_backend, names, people, config), strict=True):
        expected = learn_identity(run, [names], trigger)
        ours, theirs = result.identity, expected.identity
        assert ours.trigger == theirs.trigger == f"<{trigger}>"
        assert torch.allclose(ours.words["clip_h"], theirs.words["clip_h"], atol=1e-4)  # as above, of words around one
        assert torch.allclose(result.losses, expected.losses, rtol=1e-4) and result.losses.shape == (config.steps,)
        for key, value in theirs.header.items():
            if key.startswith("held_out"):
                assert float(ours.header[key]) == pytest.approx(float(value), rel=1e-3)  # six digits are written
            elif key not in ("value_range", "date"):
                assert ours.header[key] == value
        assert not any(value.requires_grad for value in [*ours.words.values(), *result.projector.state.values()])
        assert {name: value.shape for name, value in result.projector.state.items()} == {
            name: value.shape for name, value in expected.projector.state.items()
        }

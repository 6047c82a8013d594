"""Steps that are scored, and the best one kept instead of the last."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import pytest
import torch

from helpers.make import rng, some_face
from helpers.trainings import FEATURES, finish, new_run, small, words
from stableidentity_core.errors import DamagedFileError, StableIdentityError
from stableidentity_core.files.tensors import read_tensors, save_tensors
from stableidentity_core.methods import StableIdentityProjector
from stableidentity_core.store import TrainResult
from stableidentity_core.train import TrainingRun
from stableidentity_core.train.scoring import StepScoring, describe_kept
from stableidentity_core.train.session import Person, TrainingSession, begin_scoring, learn_runs

Score = Callable[[Sequence[Mapping[str, torch.Tensor]]], Sequence[float]]


def scoring(score: Score, keep: str = "best", every: int = 1, by: str = "judge") -> StepScoring:
    return StepScoring(score=score, about={"scored_by": by}, every=every, keep=keep)  # type: ignore[arg-type]


def told(*scores: float) -> Score:
    """The scores of one person's steps, one after the other."""
    left = list(scores)
    return lambda people: [left.pop(0)]


def by_content(people: Sequence[Mapping[str, torch.Tensor]]) -> list[float]:
    """A score that rises and falls from step to step, and is the same for the same words."""
    return [float(torch.sin(1e5 * own["clip_h"].double().sum())) for own in people]


def learn(run: TrainingRun, names, how: StepScoring | None, on_step=lambda reports: None) -> TrainResult:
    return learn_runs([run], [names], ["anna"], on_step, scoring=how)[0]


def learned_words(result: TrainResult) -> torch.Tensor:
    return result.identity.words["clip_h"]


@pytest.fixture(scope="module")
def steps(backend, names) -> list[torch.Tensor]:
    """The words after each step of a training that nobody scores."""
    run, found = new_run(backend, names), []
    for _report in run:
        found.append(words(run))
    return found


@pytest.mark.parametrize("keep", ["last", "best"])
def test_scoring_does_not_change_what_is_learned(backend, names, steps, keep):
    seen: list[torch.Tensor] = []
    run = new_run(backend, names)
    result = learn(run, names, scoring(told(1, 2, 3, 4), keep), lambda reports: seen.append(words(run)))
    assert all(map(torch.equal, seen, steps)) and len(seen) == 4
    assert torch.equal(learned_words(result), steps[-1])


def test_without_scoring_nothing_is_said_of_it(backend, names, steps):
    result = learn(new_run(backend, names), names, None)
    assert torch.equal(learned_words(result), steps[-1])
    assert not {"keep", "kept_step", "scores", "scored_by"} & result.identity.header.keys()
    assert describe_kept(result.identity.header) == ""


@pytest.mark.parametrize(
    ("scores", "kept"), [((1, 3, 2, 0), 2), ((3, 1, 1, 1), 1), ((1, 2, 2, 1), 2), ((0, 0, 1, 2), 4)]
)
def test_the_words_and_projector_of_the_best_step_are_kept_the_earliest_of_equal_ones(
    backend, names, steps, scores, kept
):
    run = new_run(backend, names)
    result = learn(run, names, scoring(told(*scores)))
    assert torch.equal(learned_words(result), steps[kept - 1])
    again = StableIdentityProjector(FEATURES, [names], "per_word", rng(9))
    again.load_state_dict(dict(result.projector.state))
    feature = run.faces[0].feature
    assert feature is not None
    with torch.no_grad():
        assert torch.allclose(again.eval()(feature.plain[None])["clip_h"][0], steps[kept - 1], atol=1e-6)
    header = result.identity.header
    assert header["kept_step"] == str(kept) and float(header["kept_score"]) == max(scores)
    assert header["keep"] == "best" and header["steps"] == "4" and header["scored_by"] == "judge"
    assert json.loads(header["scores"]) == {str(step): score for step, score in enumerate(scores, 1)}


def test_keeping_the_last_says_which_would_have_been_better(backend, names, steps):
    header = learn(new_run(backend, names), names, scoring(told(0.1, 0.4, 0.2, 0.3), "last")).identity.header
    assert describe_kept(header) == "step 4 of 4 kept, similarity 0.30 (step 2: 0.40)"
    header = learn(new_run(backend, names), names, scoring(told(0.1, 0.4, 0.2, 0.3))).identity.header
    assert describe_kept(header) == "step 2 of 4 kept, similarity 0.40 (last step: 0.30)"


def test_the_last_step_is_scored_though_it_is_between_two_scores(backend, names, steps):
    result = learn(new_run(backend, names), names, scoring(told(0.5, 0.7), every=3))
    assert json.loads(result.identity.header["scores"]) == {"3": 0.5, "4": 0.7}
    assert torch.equal(learned_words(result), steps[-1])


def test_without_any_score_the_last_step_is_kept(backend, names, steps):
    result = learn(new_run(backend, names), names, scoring(told(*[float("nan")] * 4)))
    assert torch.equal(learned_words(result), steps[-1])
    header = result.identity.header
    assert "kept_score" not in header and "nan" not in header["scores"].lower()
    assert describe_kept(header) == "step 4 of 4 kept, similarity not known"


@pytest.mark.parametrize("done", [1, 2, 3])
def test_resuming_equals_the_uninterrupted_training(backend, names, tmp_path, done):
    how, path = scoring(by_content), tmp_path / "run.safetensors"
    whole, run = new_run(backend, names), new_run(backend, names)

    def save(reports) -> None:
        if reports[0].step == done:
            run.save(path)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(run, names, how, save)
    resumed = new_run(backend, names, weights=99)
    begin_scoring([resumed], how)
    resumed.load(path)
    expected, result = (learn(one, names, how) for one in (whole, resumed))
    assert torch.equal(learned_words(result), learned_words(expected))
    for key in ("scores", "kept_step", "kept_score", "keep"):
        assert result.identity.header[key] == expected.identity.header[key]
    for key, value in expected.projector.state.items():
        assert torch.equal(result.projector.state[key], value)


def test_more_steps_than_before_choose_as_if_they_had_been_asked_for_at_once(backend, names, tmp_path):
    """The last step of the shorter training was scored only because it was the last."""
    path, how = tmp_path / "run.safetensors", scoring(by_content, every=3)
    short = new_run(backend, names)
    learn(short, names, how, lambda reports: short.save(path))
    longer, whole = new_run(backend, names, small(steps=6)), new_run(backend, names, small(steps=6))
    begin_scoring([longer], how)
    longer.load(path)
    expected, result = (learn(one, names, how) for one in (whole, longer))
    assert result.identity.header["scores"] == expected.identity.header["scores"]
    assert torch.equal(learned_words(result), learned_words(expected))


@pytest.mark.parametrize(
    ("made", "now", "said"),
    [
        (None, scoring(by_content), "no scores"),
        (scoring(by_content), None, "was made while steps were scored"),
        (scoring(by_content), scoring(by_content, by="another"), "scored_by another"),
        (scoring(by_content), scoring(by_content, every=2), "score_every 2"),
    ],
)
def test_a_checkpoint_that_was_scored_otherwise_is_refused(backend, names, tmp_path, made, now, said):
    path, run = tmp_path / "run.safetensors", new_run(backend, names)
    learn(run, names, made, lambda reports: run.save(path))
    other = new_run(backend, names)
    if now is not None:
        begin_scoring([other], now)
    with pytest.raises(StableIdentityError, match=said):
        other.load(path)


@pytest.mark.parametrize("damage", ["text", "numbers", "best"])
def test_a_checkpoint_with_damaged_scores_is_refused(backend, names, tmp_path, damage):
    path, run, how = tmp_path / "run.safetensors", new_run(backend, names), scoring(by_content)
    learn(run, names, how, lambda reports: run.save(path))
    tensors, header = read_tensors(path)
    if damage == "best":
        tensors = {name: value for name, value in tensors.items() if not name.startswith("best.")}
    else:
        known = {"scoring": how.as_dict(), "scores": {"one": "good"}}
        header = {**header, "scored": "{" if damage == "text" else json.dumps(known)}
    save_tensors(path, tensors, header)
    other = new_run(backend, names)
    begin_scoring([other], how)
    with pytest.raises(DamagedFileError, match="not a complete checkpoint: its"):
        other.load(path)
    assert finish(other)[0] == finish(new_run(backend, names))[0]


def test_people_who_are_learned_together_have_scores_of_their_own(backend, names):
    people = [Person(trigger=name, faces=[some_face(features=FEATURES, seed=seed)]) for seed, name in enumerate("ab")]
    left = [(1.0, 4.0), (2.0, 3.0), (3.0, 2.0), (4.0, 1.0)]
    how = scoring(lambda people: left.pop(0))
    session = TrainingSession(backend, people, small(), name_spaces=[names], scoring=how, check=lambda backend: None)
    first, second = session.learn()
    assert (first.identity.header["kept_step"], second.identity.header["kept_step"]) == ("4", "1")


@pytest.mark.parametrize(
    ("settings", "said"), [({"keep": "first"}, "keep is 'first'"), ({"every": 0}, "score_every is 0")]
)
def test_bad_settings_are_a_sentence(settings, said):
    with pytest.raises(StableIdentityError, match=said):
        scoring(by_content, **settings)


@pytest.mark.parametrize("header", [{}, {"scores": "{"}, {"scores": "{}", "kept_step": "1"}, {"scores": '{"1": "x"}'}])
def test_headers_of_others_say_nothing(header):
    assert describe_kept(header) == ""

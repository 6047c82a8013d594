"""Pictures of words compared with the photo while the words are learned."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from helpers.make import rand, randn, some_face
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.evaluate.likeness import Likeness, check_judge, check_keep
from stableidentity_core.evaluate.metrics import FoundFaces, Recogniser
from stableidentity_core.suite.judging import PROMPTS, word_scoring
from stableidentity_core.suite.methods import method_of
from stableidentity_core.suite.spec import MethodSpec, Sampling

SIDE = 8


def embed(crops: torch.Tensor) -> torch.Tensor:
    return F.normalize(crops.flatten(1) - 0.5, dim=-1)


def find(pictures: torch.Tensor) -> FoundFaces:
    """No face in a black picture."""
    boxes = torch.where(pictures.amax((1, 2, 3))[:, None] > 0, torch.zeros(4), torch.nan)
    return FoundFaces(crops=pictures, boxes=boxes)


RECOGNISER = Recogniser(name="judge:1", embed=embed, references={})


def test_the_mean_cosine_to_the_mean_of_the_photos_where_no_face_counts_0():
    photos, pictures = rand(2, 3, SIDE, SIDE), rand(3, 3, SIDE, SIDE, seed=1)
    pictures[1] = 0
    person = F.normalize((embed(photos[:1])[0] + embed(photos[1:])[0]) / 2, dim=-1)
    expected = (embed(pictures[:1])[0] @ person + embed(pictures[2:])[0] @ person) / 3
    assert Likeness(RECOGNISER, find, list(photos))(pictures) == pytest.approx(expected.item(), abs=1e-6)


def test_pictures_that_are_no_numbers_have_no_score():
    pictures = torch.full((1, 3, SIDE, SIDE), torch.nan)
    assert math.isnan(Likeness(RECOGNISER, find_all, [rand(3, SIDE, SIDE)])(pictures))


def find_all(pictures: torch.Tensor) -> FoundFaces:
    return FoundFaces(crops=pictures, boxes=torch.zeros(len(pictures), 4))


def test_the_same_words_have_the_same_score_however_many_are_painted_at_once(backend):
    words = {"clip_h": randn(2, 64)}
    before = torch.get_rng_state()
    scores = [
        word_scoring(
            backend, [Likeness(RECOGNISER, find_all, [rand(3, 64, 64)])], Sampling(size=64, steps=2, at_once=at_once)
        ).score([words])
        for at_once in (1, 3, 4, 9)
    ]
    assert scores[0] == [pytest.approx(scores[1][0], abs=1e-5)] == [pytest.approx(scores[2][0], abs=1e-5)] == scores[3]
    assert torch.equal(before, torch.get_rng_state())


def test_what_scores_depend_on_is_said(backend):
    likeness = Likeness(RECOGNISER, find_all, [rand(3, 64, 64)])
    said = word_scoring(backend, [likeness], Sampling(size=64, steps=2, negative="blur"), every=7).as_dict()
    assert said["scored_by"] == "judge:1" and said["score_every"] == "7" and said["keep"] == "best"
    assert said["score_pictures"] == f"{len(PROMPTS)} prompts, 64 px, DDIM, 2 steps, cfg 7.5, negative prompt 'blur'"


def test_the_encoder_of_the_training_is_no_judge():
    face = some_face()
    assert face.feature is not None
    with pytest.raises(StableIdentityError, match="Score with another face encoder"):
        check_judge(Recogniser(name=face.feature.encoder, embed=embed, references={}), [face])
    check_judge(RECOGNISER, [face, replace(face, feature=None)])


def test_the_best_step_needs_somebody_who_says_which_it_is():
    check_keep("last", None, "Name one")
    check_keep("best", RECOGNISER, "Name one")
    with pytest.raises(StableIdentityError, match=r"keep is best, but .* Name one, or set keep to last"):
        check_keep("best", None, "Name one")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"keep": "first"}, "'m': keep is 'first'"),
        ({"keep": "best", "score_every": 0}, "'m': score_every is 0"),
        ({"kind": "projector", "keep": "best"}, "keeps the best step, but trains none"),
    ],
)
def test_options_of_a_suite_that_cannot_be(options, said):
    with pytest.raises(StableIdentityError, match=said):
        method_of(MethodSpec(name="m", kind=options.pop("kind", "learn"), options=options))


def test_keys_of_work_without_a_choice_are_what_they_were():
    plain, last, best = (
        method_of(MethodSpec(name="m", kind="learn", options=options))
        for options in ({}, {"keep": "last", "score_every": 5}, {"keep": "best"})
    )
    assert plain.depends_on() == last.depends_on() and "keep" not in plain.depends_on()
    assert best.depends_on()["keep"] == "best" and best.depends_on()["score_every"] == 25


def test_a_judge_that_is_not_there():
    bench = SimpleNamespace(metrics=lambda compared: [], suite=SimpleNamespace(sampling=Sampling()))
    method = method_of(MethodSpec(name="m", kind="learn", options={"keep": "best"}))
    with pytest.raises(StableIdentityError, match="needed the similarity by a recogniser"):
        method.content(bench)  # type: ignore[arg-type]

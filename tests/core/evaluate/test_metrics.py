"""Metrics and scores: by hand, against a plain twin that loops, and with bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from helpers.make import rand, randn
from stableidentity_core.errors import ShapeError, StableIdentityError
from stableidentity_core.evaluate.metrics import METRICS, Sample, register, score
from stableidentity_core.evaluate.metrics.recognition import FaceSimilarity, OtherSimilarity, Rank1, Recogniser


def sample(person: str = "anna", count: int = 3) -> Sample:
    return Sample(person=person, pictures=torch.zeros(count, 3, 2, 2), prompts=["a photo of {}"] * count)


def recogniser(embeddings: torch.Tensor, reference: torch.Tensor, others: torch.Tensor) -> Recogniser:
    return Recogniser(embed=lambda pictures: embeddings, references={"anna": reference}, others=others)


def test_similarities_by_hand():
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    who = recogniser(embeddings, torch.tensor([1.0, 0.0]), torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
    scores = score([sample()], [FaceSimilarity(who), OtherSimilarity(who), Rank1(who)])
    assert scores.mean("face_similarity") == pytest.approx((1 + 0 + 0.6) / 3)
    assert scores.mean("other_people_similarity") == pytest.approx((-0.5 + 0.5 + 0.1) / 3)
    assert scores.mean("rank_1") == pytest.approx(1 / 3)


def test_whoever_is_as_similar_as_another_is_not_first():
    same = torch.tensor([1.0, 0.0])
    assert Rank1(recogniser(same[None], same, same[None]))([sample(count=1)]).tolist() == [0]


def test_similarities_as_the_twin_has_them():
    embeddings, others = (nn.functional.normalize(randn(n, 64, seed=n), dim=-1) for n in (7, 11))
    reference = nn.functional.normalize(randn(64, seed=3), dim=0)
    own = [float(np.dot(vector, reference.double().numpy())) for vector in embeddings.double().numpy()]
    rest = [
        [float(np.dot(vector, other)) for other in others.double().numpy()] for vector in embeddings.double().numpy()
    ]
    who = recogniser(embeddings, reference, others)
    found = score([sample(count=7)], [FaceSimilarity(who), OtherSimilarity(who), Rank1(who)])
    # Float32 cosines.
    assert found.mean("face_similarity") == pytest.approx(np.mean(own), abs=1e-6)
    assert found.mean("other_people_similarity") == pytest.approx(np.mean(rest), abs=1e-6)
    assert found.mean("rank_1") == pytest.approx(np.mean([one > max(row) for one, row in zip(own, rest, strict=True)]))


def test_pictures_are_embedded_once_for_all_metrics():
    calls = []

    def embed(pictures: torch.Tensor) -> torch.Tensor:
        calls.append(len(pictures))
        return torch.ones(len(pictures), 1)

    who = Recogniser(embed=embed, references={"anna": torch.ones(1), "ben": torch.ones(1)}, others=torch.zeros(1, 1))
    score([sample(), sample("ben", 2)], [FaceSimilarity(who), OtherSimilarity(who), Rank1(who)])
    assert calls == [3, 2]


def test_a_person_without_a_reference_is_refused():
    who = recogniser(torch.ones(3, 1), torch.ones(1), torch.zeros(1, 1))
    with pytest.raises(StableIdentityError, match="no reference of 'ben'; it has 1 of others"):
        FaceSimilarity(who)([sample("ben")])


class Values:
    """A metric that gives recorded values."""

    name, title = "values", "recorded values"

    def __init__(self, *values: float):
        self.values = values

    def __call__(self, samples):
        return torch.tensor(self.values)


def test_means_and_errors_leave_out_people_without_a_value():
    scores = score([sample("anna"), sample("ben"), sample("cleo")], [Values(1.0, float("nan"), 3.0)])
    assert scores.people == ("anna", "ben", "cleo") and scores.mean("values") == 2
    assert scores.standard_error("values") == pytest.approx(math.sqrt(2) / math.sqrt(2))  # deviation over root of 2


def test_no_error_of_a_single_value_and_no_mean_of_none():
    alone = score([sample("anna"), sample("ben")], [Values(1.0, float("nan"))])
    assert math.isnan(alone.standard_error("values"))
    assert math.isnan(score([sample()], [Values(float("nan"))]).mean("values"))


@pytest.mark.parametrize("samples", [[], [sample(), sample()]])
def test_a_person_is_scored_once(samples):
    with pytest.raises(StableIdentityError, match=f"There are {len(samples)} samples of {len(samples) // 2} people"):
        score(samples, [Values(*[1.0] * len(samples))])


def test_a_metric_must_give_a_value_for_each_person():
    with pytest.raises(ShapeError, match="values of the metric values"):
        score([sample()], [Values(1.0, 2.0)])


def test_pictures_and_prompts_must_fit():
    with pytest.raises(ShapeError, match="pictures of anna has shape"):
        Sample(person="anna", pictures=rand(2, 3, 8, 8), prompts=["{}"])


def test_a_name_belongs_to_one_metric():
    assert METRICS["face_similarity"] is FaceSimilarity
    with pytest.raises(StableIdentityError, match="two metrics 'face_similarity'"):
        register(type("Other", (), {"name": "face_similarity", "title": ""}))
    assert register(FaceSimilarity) is FaceSimilarity

"""Samples, features and scores, and what metrics of faces say by hand, against plain twins, and without faces."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from helpers.make import rand, randn
from helpers.measures import found_in, recogniser, sample
from stableidentity_core.errors import ShapeError, StableIdentityError
from stableidentity_core.evaluate.metrics import (
    METRICS,
    Instruments,
    Recogniser,
    Sample,
    features_of,
    made_of,
    register,
    score,
)
from stableidentity_core.evaluate.metrics.copied import Copied
from stableidentity_core.evaluate.metrics.detection_rate import DetectionRate
from stableidentity_core.evaluate.metrics.face_similarity import FaceSimilarity
from stableidentity_core.evaluate.metrics.found_similarity import FoundSimilarity
from stableidentity_core.evaluate.metrics.other_people_similarity import OtherSimilarity
from stableidentity_core.evaluate.metrics.rank_1 import Rank1

OF_FACES = [FaceSimilarity, FoundSimilarity, OtherSimilarity, Rank1]


def scores_of(who: Recogniser, samples: list[Sample] | None = None, find=found_in):
    return score(samples or [sample()], [kind(who, find) for kind in OF_FACES])


def test_similarities_by_hand():
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    scores = scores_of(recogniser(embeddings, torch.tensor([1.0, 0.0]), torch.tensor([[0.0, 1.0], [-1.0, 0.0]])))
    assert scores.mean("face_similarity") == scores.mean("found_similarity") == pytest.approx((1 + 0 + 0.6) / 3)
    assert scores.mean("other_people_similarity") == pytest.approx((-0.5 + 0.5 + 0.1) / 3)
    assert scores.mean("rank_1") == pytest.approx(1 / 3)


def test_a_missing_face_counts_as_similarity_0_and_is_recognised_as_nobody():
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-0.6, 0.8], [0.6, 0.8]])
    who = recogniser(embeddings, torch.tensor([1.0, 0.0]), torch.tensor([[-1.0, 0.0]]), copied=0.5)
    samples = [sample(faces=[True, False, True, True])]
    scores = score(samples, [kind(who, found_in) for kind in (*OF_FACES, Copied)] + [DetectionRate(found_in)])
    assert scores.mean("face_similarity") == pytest.approx((1 + 0 - 0.6 + 0.6) / 4), "negative ones are kept"
    assert scores.mean("found_similarity") == pytest.approx((1 - 0.6 + 0.6) / 3)
    assert scores.mean("other_people_similarity") == pytest.approx((-1 + 0.6 - 0.6) / 3)
    assert scores.mean("rank_1") == 2 / 4 and scores.mean("copied") == 2 / 4
    assert scores.mean("detection_rate") == 3 / 4


def test_no_face_at_all():
    samples = [sample(faces=[False, False])]
    who = recogniser(torch.ones(2, 1), torch.ones(1), -torch.ones(1, 1))
    scores = score(samples, [kind(who, found_in) for kind in OF_FACES] + [DetectionRate(found_in)])
    assert [scores.mean(name) for name in ("face_similarity", "rank_1", "detection_rate")] == [0, 0, 0]
    assert math.isnan(scores.mean("found_similarity")) and math.isnan(scores.mean("other_people_similarity"))


def test_a_person_without_a_reference_has_no_values():
    who = recogniser(torch.ones(3, 1), torch.ones(1), torch.zeros(1, 1), copied=0.5)
    for kind in (FaceSimilarity, FoundSimilarity, Rank1, Copied):
        anna, ben = kind(who, found_in)([sample(), sample("ben")]).tolist()
        assert anna == 1 and math.isnan(ben), kind
    assert math.isnan(FaceSimilarity(who, found_in)([sample("ben", faces=[False])]).item())


def test_without_others_the_other_people_of_the_suite_are_the_others():
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    who = Recogniser(name="", embed=lambda _: torch.tensor([[0.8, 0.6]] * 3), references={"anna": east, "ben": north})
    samples = [sample("anna"), sample("ben")]
    assert OtherSimilarity(who, found_in)(samples).tolist() == pytest.approx([0.6, 0.8])
    assert Rank1(who, found_in)(samples).tolist() == [1, 0]
    alone = Recogniser(name="", embed=who.embed, references={"anna": east})
    assert OtherSimilarity(alone, found_in)([sample()]).isnan() and Rank1(alone, found_in)([sample()]).isnan()


def test_whoever_is_as_similar_as_another_is_not_first():
    same = torch.tensor([1.0, 0.0])
    assert Rank1(recogniser(same[None], same, same[None]), found_in)([sample(count=1)]).tolist() == [0]


def test_a_copy_is_only_told_where_a_limit_is_known():
    who = recogniser(torch.ones(3, 1), torch.ones(1))
    assert Copied(who, found_in)([sample()]).isnan().all()
    assert Copied.made(Instruments(find_faces=found_in, recognisers=(who,))) == []


def test_similarities_as_the_twin_has_them():
    embeddings, others = (nn.functional.normalize(randn(n, 64, seed=n), dim=-1) for n in (7, 11))
    reference = nn.functional.normalize(randn(64, seed=3), dim=0)
    own = [float(np.dot(vector, reference.double().numpy())) for vector in embeddings.double().numpy()]
    rest = [
        [float(np.dot(vector, other)) for other in others.double().numpy()] for vector in embeddings.double().numpy()
    ]
    found = scores_of(recogniser(embeddings, reference, others), [sample(count=7)])
    # Float32 cosines.
    assert found.mean("face_similarity") == pytest.approx(np.mean(own), abs=1e-6)
    assert found.mean("other_people_similarity") == pytest.approx(np.mean(rest), abs=1e-6)
    assert found.mean("rank_1") == pytest.approx(np.mean([one > max(row) for one, row in zip(own, rest, strict=True)]))


def test_faces_are_found_and_embedded_once_for_all_metrics():
    found, embedded = [], []

    def find(pictures: torch.Tensor):
        found.append(len(pictures))
        return found_in(pictures)

    def embed(crops: torch.Tensor) -> torch.Tensor:
        embedded.append(len(crops))
        return torch.ones(len(crops), 1)

    who = Recogniser(
        name="", embed=embed, references={"anna": torch.ones(1), "ben": torch.ones(1)}, others=torch.zeros(1, 1)
    )
    scores_of(who, [sample(), sample("ben", 2)], find)
    assert found == embedded == [3, 2]


def test_features_from_a_file_need_no_pictures():
    instruments = Instruments(find_faces=found_in, recognisers=(recogniser(randn(3, 4), randn(4), randn(2, 4)),))
    metrics = made_of(instruments)
    known = sample()
    before = score([known], metrics)
    kept = {name: known.of(feature) for name, feature in features_of(metrics).items()}
    assert kept.keys() == {"face_boxes", "face_vectors:given"}, "crops are too large to be kept"

    def unread() -> torch.Tensor:
        raise AssertionError("the pictures were read")

    again = score([Sample(person="anna", pictures=unread, prompts=known.prompts, features=kept)], metrics)
    for name, value in before.values.items():
        assert again.values[name].tolist() == pytest.approx(value.tolist(), nan_ok=True), name


def test_a_second_recogniser_gives_its_metrics_a_suffix():
    first, second = recogniser(randn(3, 4), randn(4)), recogniser(randn(3, 4), randn(4), label="FR-ViT", name="vit:1")
    metrics = made_of(Instruments(find_faces=found_in, recognisers=(first, second)))
    titles = {metric.name: metric.title for metric in metrics}
    assert titles["rank_1"] == "rank-1" and titles["rank_1_fr_vit"] == "rank-1 (FR-ViT)"
    assert len(titles) == len(metrics) and "detection_rate_fr_vit" not in titles
    assert features_of(metrics).keys() == {"face_boxes", "face_vectors:given", "face_vectors:vit:1"}


def test_metrics_of_one_name_are_refused():
    who = recogniser(randn(3, 4), randn(4))
    with pytest.raises(StableIdentityError, match="Several metrics have the name 'face_similarity_given'"):
        score([sample()], made_of(Instruments(find_faces=found_in, recognisers=(who, who, who))))


def test_what_cannot_be_measured_is_left_out():
    assert made_of(Instruments()) == []


class Values:
    """A metric that gives recorded values."""

    name, title = "values", "recorded values"

    def __init__(self, *values: float):
        self.values = values

    def __call__(self, samples):
        return torch.tensor(self.values)


class Together(Values):
    name = "together"

    def __call__(self, samples):
        return torch.tensor(self.values[0])

    def note(self, samples):
        return f"of {len(samples)} people" if len(samples) < 2 else ""


def test_means_and_errors_leave_out_people_without_a_value():
    scores = score([sample("anna"), sample("ben"), sample("cleo")], [Values(1.0, float("nan"), 3.0)])
    assert scores.people == ("anna", "ben", "cleo") and scores.mean("values") == 2 and scores.by_person("values")
    assert scores.standard_error("values") == pytest.approx(math.sqrt(2) / math.sqrt(2))  # deviation over root of 2


def test_no_error_of_a_single_value_and_no_mean_of_none():
    alone = score([sample("anna"), sample("ben")], [Values(1.0, float("nan"))])
    assert math.isnan(alone.standard_error("values"))
    assert math.isnan(score([sample()], [Values(float("nan"))]).mean("values"))


def test_a_value_of_all_people_together_has_no_error_and_may_have_a_note():
    one, two = (score([sample(name) for name in names], [Together(7.0)]) for names in (("anna",), ("anna", "ben")))
    assert not two.by_person("together") and two.mean("together") == 7 and math.isnan(two.standard_error("together"))
    assert one.notes == {"together": "of 1 people"} and two.notes == {}


@pytest.mark.parametrize("samples", [[], [sample(), sample()]])
def test_a_person_is_scored_once(samples):
    with pytest.raises(StableIdentityError, match=f"There are {len(samples)} samples of {len(samples) // 2} people"):
        score(samples, [Values(*[1.0] * len(samples))])


def test_a_metric_must_give_a_value_for_each_person_or_one_for_all():
    with pytest.raises(ShapeError, match="values of the metric values"):
        score([sample()], [Values(1.0, 2.0)])


def test_pictures_and_prompts_must_fit():
    with pytest.raises(ShapeError, match="pictures of anna has shape"):
        Sample(person="anna", pictures=rand(2, 3, 8, 8), prompts=["{}"])
    late = Sample(person="anna", pictures=lambda: rand(2, 3, 8, 8), prompts=["{}"])
    with pytest.raises(ShapeError, match="pictures of anna has shape"):
        FaceSimilarity(recogniser(torch.ones(2, 1), torch.ones(1)), found_in)([late])


def test_a_name_belongs_to_one_metric():
    assert METRICS["face_similarity"] is FaceSimilarity
    with pytest.raises(StableIdentityError, match="two metrics 'face_similarity'"):
        register(type("Other", (), {"name": "face_similarity", "title": ""}))
    assert register(FaceSimilarity) is FaceSimilarity


def test_every_metric_says_what_it_is():
    for name, kind in METRICS.items():
        assert kind.name == name and kind.title and kind.__doc__ and hasattr(kind, "made"), name

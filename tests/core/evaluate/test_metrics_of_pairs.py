"""Diversity, distance to the photo, average precision and CLIP's scores: against plain loops, and where undefined."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from torch.nn import functional as F

from helpers.make import rand, randn
from helpers.measures import found_in, recogniser, sample
from stableidentity_core.evaluate.metrics import (
    Instruments,
    PictureDistance,
    PicturesAndTexts,
    Recogniser,
    Sample,
    made_of,
    score,
)
from stableidentity_core.evaluate.metrics.clip_i import ClipI
from stableidentity_core.evaluate.metrics.clip_t import ClipT
from stableidentity_core.evaluate.metrics.face_diversity import FaceDiversity
from stableidentity_core.evaluate.metrics.mean_average_precision import MeanAveragePrecision
from stableidentity_core.evaluate.metrics.photo_distance import PhotoDistance
from stableidentity_core.evaluate.metrics.trusted_face_diversity import TrustedFaceDiversity
from stableidentity_core.evaluate.metrics.trusted_photo_diversity import TrustedPhotoDiversity

SUM_OF_FLOATS = 1e-5  # relative: float32 sums of a few dozen terms against float64


def between(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a.flatten(1)[:, None] - b.flatten(1)).abs().mean(-1)


DISTANCE = PictureDistance(name="mean difference", between=between)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(randn(*shape, seed=seed), dim=-1)


def loop(shown: Sample, vectors: torch.Tensor, faces: list[int]) -> tuple[float, float]:
    """Diversity and trusted diversity, pair by pair."""
    pictures = shown.pictures.double().numpy()
    plain, trusted = [], []
    for i, j in itertools.combinations(faces, 2):
        apart = np.abs(pictures[i] - pictures[j]).mean()
        plain.append(apart)
        trusted.append(apart * np.dot(vectors[i].double().numpy(), vectors[j].double().numpy()))
    return float(np.mean(plain)), float(np.mean(trusted))


@pytest.mark.parametrize("missing", [[], [0, 3]], ids=["all faces", "two missing"])
def test_diversities_as_a_double_loop_has_them(missing):
    vectors = unit(6, 5)
    shown = sample(faces=[number not in missing for number in range(6)])
    faces = [number for number in range(6) if number not in missing]
    plain, trusted = loop(shown, vectors, faces)
    metrics = [
        FaceDiversity(found_in, DISTANCE),
        TrustedFaceDiversity(recogniser(vectors, unit(5)), found_in, DISTANCE),
    ]
    scores = score([shown], metrics)
    assert scores.mean("face_diversity") == pytest.approx(plain, rel=SUM_OF_FLOATS)
    assert scores.mean("trusted_face_diversity") == pytest.approx(trusted, rel=SUM_OF_FLOATS, abs=SUM_OF_FLOATS)


def test_the_diversity_of_identical_pictures_is_0_and_of_one_picture_undefined():
    same = Sample(person="anna", pictures=rand(1, 3, 4, 4).expand(3, -1, -1, -1), prompts=["{}"] * 3)
    metrics = [
        FaceDiversity(found_in, DISTANCE),
        TrustedFaceDiversity(recogniser(unit(1, 5).expand(3, -1), unit(5)), found_in, DISTANCE),
    ]
    assert [metric([same]).item() for metric in metrics] == [0, 0]
    one, none = sample(count=1), sample(faces=[True, False, False])
    assert all(metric([shown]).isnan().all() for metric in metrics for shown in (one, none))


def test_distances_to_the_photo_as_a_loop_has_them():
    vectors, reference, photo = unit(4, 5), unit(5, seed=1), 0.5 + rand(3, 4, 4, seed=9) / 2
    shown = sample(faces=[True, False, True, True], photo=photo)
    apart = [np.abs((shown.pictures[i] - photo).double().numpy()).mean() for i in (0, 2, 3)]
    trusted = [
        far * np.dot(vectors[i].double().numpy(), reference.double().numpy())
        for far, i in zip(apart, (0, 2, 3), strict=True)
    ]
    metrics = [
        PhotoDistance(found_in, DISTANCE),
        TrustedPhotoDiversity(recogniser(vectors, reference), found_in, DISTANCE),
    ]
    scores = score([shown], metrics)
    assert scores.mean("photo_distance") == pytest.approx(np.mean(apart), rel=SUM_OF_FLOATS)
    assert scores.mean("trusted_photo_diversity") == pytest.approx(np.mean(trusted), rel=SUM_OF_FLOATS)
    for bad in (sample(), sample(photo=torch.zeros(3, 4, 4)), sample(faces=[False], photo=photo)):
        assert all(metric([bad]).isnan().all() for metric in metrics), "no photo, no face in it, no face in a picture"


def test_a_photo_of_another_size_is_measured_by_its_face():
    def find(pictures):
        return found_in(F.adaptive_avg_pool2d(pictures, 4))

    photo = F.interpolate(rand(1, 3, 4, 4), scale_factor=3, mode="nearest")[0]
    copy = Sample(person="anna", pictures=F.adaptive_avg_pool2d(photo, 4)[None], prompts=["{}"], photo=photo)
    assert PhotoDistance(find, DISTANCE)([copy]).item() == pytest.approx(0, abs=1e-6)  # float32 means


def test_average_precision_as_scikit_learn_has_it():
    counts = {"anna": 7, "ben": 5, "cleo": 9}
    references = {person: unit(4, seed=number) for number, person in enumerate(counts)}
    vectors = {person: unit(n, 4, seed=n).round(decimals=1) for person, n in counts.items()}  # some are equal
    samples, at = [], []
    for person, n in counts.items():
        shown = sample(faces=[number != 1 for number in range(n)], person=person)
        samples.append(shown)
        at.append(shown.pictures)

    def embed(crops: torch.Tensor) -> torch.Tensor:
        return next(vectors[who] for who, pictures in zip(counts, at, strict=True) if pictures is crops)

    who = Recogniser(name="given", embed=embed, references=references)
    found = MeanAveragePrecision(who, found_in)(samples)
    for person, value in zip(counts, found.tolist(), strict=True):
        scores, wanted = [], []
        for other, shown in vectors.items():
            for number, vector in enumerate(shown):
                scores.append(-2.0 if number == 1 else float(vector @ references[person]))  # below any cosine
                wanted.append(other == person)
        assert value == pytest.approx(average_precision_score(wanted, scores), abs=1e-6)  # float32


def test_average_precision_needs_two_people_and_a_reference():
    who = recogniser(unit(3, 4), unit(4))
    assert MeanAveragePrecision(who, found_in)([sample()]).isnan().all()
    anna, ben = MeanAveragePrecision(who, found_in)([sample(), sample("ben")]).tolist()
    assert 0 < anna <= 1 and math.isnan(ben)


def test_all_pictures_of_a_person_first_is_an_average_precision_of_1():
    north, east = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    both = [sample("anna", photo=None), sample("ben")]
    both[0].features["face_vectors:given"] = north.expand(3, -1)
    both[1].features["face_vectors:given"] = east.expand(3, -1)
    who = Recogniser(name="given", embed=lambda crops: crops, references={"anna": north, "ben": east})
    assert MeanAveragePrecision(who, found_in)(both).tolist() == [1, 1]


def clip(label: str = "") -> tuple[PicturesAndTexts, list[str]]:
    asked: list[str] = []

    def texts(sentences: list[str]) -> torch.Tensor:
        asked.extend(sentences)
        return torch.cat([unit(1, 4, seed=len(sentence)) for sentence in sentences])

    def pictures(given: torch.Tensor) -> torch.Tensor:
        return F.normalize(given.mean((2, 3)) @ randn(3, 4), dim=-1)

    return PicturesAndTexts(name=f"clip{label}", pictures=pictures, texts=texts, label=label), asked


def test_clip_scores_as_a_loop_has_them():
    encoders, asked = clip()
    prompts = ["a photo of {}", "{} as a pirate", "a drawing of {} in snow"]
    shown = Sample(person="anna", pictures=rand(3, 3, 4, 4), prompts=prompts, photo=rand(3, 5, 4, seed=1))
    scores = score([shown], [ClipT(encoders), ClipI(encoders)])
    sentences = ["a photo of a person", "a person as a pirate", "a drawing of a person in snow"]
    assert asked == sentences
    vectors = encoders.pictures(shown.pictures).double().numpy()
    to_text = [np.dot(v, encoders.texts([s])[0].double().numpy()) for v, s in zip(vectors, sentences, strict=True)]
    photo = encoders.pictures(shown.photo[None])[0].double().numpy()
    assert scores.mean("clip_t") == pytest.approx(np.mean(to_text), abs=1e-6)  # float32 cosines
    assert scores.mean("clip_i") == pytest.approx(np.mean([np.dot(v, photo) for v in vectors]), abs=1e-6)


def test_a_copy_of_the_photo_has_clip_i_1_and_no_photo_has_none():
    encoders, _asked = clip()
    photo = rand(3, 4, 4)
    copies = Sample(person="anna", pictures=photo.expand(2, -1, -1, -1), prompts=["{}"] * 2, photo=photo)
    assert ClipI(encoders)([copies]).item() == pytest.approx(1, abs=1e-6)
    assert ClipI(encoders)([sample()]).isnan().all() and not ClipT(encoders)([sample()]).isnan().any()


def test_a_second_clip_gives_its_metrics_a_suffix():
    metrics = made_of(Instruments(clips=(clip()[0], clip("ViT-L/14")[0])))
    titles = {metric.name: metric.title for metric in metrics}
    assert titles == {
        "clip_i": "CLIP-I",
        "clip_i_vit_l_14": "CLIP-I (ViT-L/14)",
        "clip_t": "CLIP-T",
        "clip_t_vit_l_14": "CLIP-T (ViT-L/14)",
    }

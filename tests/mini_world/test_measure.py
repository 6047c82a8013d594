"""The demo's figures against hand-made cases and a plain twin that loops."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from helpers.make import rand
from helpers.tiny import fill
from mini_world import measure
from mini_world.evaluators import Evaluators
from mini_world.look import CHOICES, PROMPTS, Look
from mini_world.person import unseen_person
from stableidentity_core.errors import ShapeError
from stableidentity_core.evaluate.metrics import Recogniser, Sample

FAR = [unseen_person(measure.FIRST_DISTRACTOR + number) for number in range(3)]


@pytest.fixture(scope="module")
def evaluators() -> Evaluators:
    return fill(Evaluators(), seed=1).requires_grad_(False)


class PaintedReader(nn.Module):
    """Reads a look that is written into the first row of a picture: one number per part, as share of its options."""

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        return {
            part: nn.functional.one_hot((pictures[:, 0, 0, column] * 100).round().long(), len(options)).float()
            for column, (part, options) in enumerate(CHOICES.items())
        }

    def features(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.flatten(1)


def written(*looks: Look) -> torch.Tensor:
    pictures = torch.zeros(len(looks), 3, 16, 16)
    for picture, look in zip(pictures, looks, strict=True):
        for column, (part, options) in enumerate(CHOICES.items()):
            picture[0, 0, column] = options.index(getattr(look, part)) / 100
    return pictures


@pytest.fixture
def reading_judges() -> Evaluators:
    evaluators = Evaluators()
    evaluators.reader = PaintedReader()
    return evaluators


def test_references_are_unit_means_of_clean_renders(evaluators):
    person = unseen_person(5)
    pictures = torch.stack([measure.picture_tensor(person, look) for look in measure.clean_looks(3)])
    with torch.no_grad():
        mean = torch.stack([evaluators.recogniser(picture[None])[0] for picture in pictures]).mean(0)
    reference = measure.references(evaluators, person, n=3)
    assert torch.allclose(reference, mean / mean.norm(), atol=1e-5)  # float32
    assert torch.equal(reference, measure.references(evaluators, person, n=3))


def test_clean_looks_are_photos_of_open_eyes():
    looks = measure.clean_looks(40)
    assert {look.style for look in looks} == {"photo"} and "sunglasses" not in {look.glasses for look in looks}
    assert len(set(looks)) > 30 and {look.hat for look in looks} != {"none"}


def test_distractors_are_the_references_of_far_away_numbers(evaluators):
    others = measure.distractors(evaluators, count=3, n=2)
    assert others.shape == (3, 64)
    for other, person in zip(others, FAR, strict=True):
        assert torch.equal(other, measure.references(evaluators, person, n=2))


def test_only_what_a_prompt_names_counts(reading_judges):
    asked = [Look(), Look(hat="red hat", scene="snow"), Look(style="sketch")]
    shown = [
        Look(glasses="sunglasses"),  # not asked for, not counted
        Look(hat="red hat", scene="beach"),  # one of two
        Look(style="sketch", shirt="suit"),  # one of one
    ]
    reading = measure.read_looks(reading_judges, written(*shown), asked)
    assert reading.accuracy == pytest.approx(2 / 3)
    assert reading.by_part == {"style": 1.0, "hat": 1.0, "scene": 0.0}


def test_true_looks_are_read_in_full_and_no_names_are_no_figure(reading_judges):
    assert measure.read_looks(reading_judges, written(*PROMPTS), PROMPTS).accuracy == 1
    assert math.isnan(measure.read_looks(reading_judges, written(Look()), [Look()]).accuracy)


def test_each_part_is_counted_in_its_own_column(reading_judges):
    for part, options in CHOICES.items():
        asked = replace(Look(), **{part: options[-1]})
        reading = measure.read_looks(reading_judges, written(asked, Look()), [asked, asked])
        assert reading.by_part == {part: 0.5}


def test_spread_by_hand():
    features = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    assert measure.spread(features, torch.tensor([0, 1, 2])) == pytest.approx((0 + 1 + 1) / 3)
    assert measure.spread(features, torch.tensor([0, 1, 1])) == pytest.approx((0 + 1) / 2)
    assert measure.spread(features, torch.tensor([4, 4, 4])) == 0


def test_trusted_face_diversity_as_the_twin_has_it(evaluators):
    pictures, prompts, similarities = rand(6, 3, 128, 128), [0, 0, 1, 1, 2, 2], rand(6, seed=1)
    with torch.no_grad():
        features = [evaluators.reader.features(picture[None])[0].double().numpy() for picture in pictures]
    distances = [
        1 - np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)
        for (a, i), (b, j) in itertools.combinations(zip(features, prompts, strict=True), 2)
        if i != j
    ]
    recogniser = Recogniser(
        name="given", embed=lambda pictures: similarities[:, None], references={"anna": torch.ones(1)}
    )
    metric = measure.TrustedFaceDiversity(evaluators, recogniser)
    found = metric([Sample(person="anna", pictures=pictures, prompts=[str(prompt) for prompt in prompts])])
    assert found.tolist() == [pytest.approx(np.mean(distances) * similarities.mean().item(), rel=1e-3)]


def test_all_figures_of_two_people(evaluators):
    people, looks = FAR[:2], PROMPTS[:3]
    pictures = torch.stack([torch.stack([measure.picture_tensor(who, look) for look in looks]) for who in people])
    others = measure.distractors(evaluators, count=3, n=2)
    figures = measure.measure_people(evaluators, pictures, people, looks, others)
    own = figures["per_person"]
    for number, person in enumerate(people):
        embeddings = measure.embed(evaluators, pictures[number])
        similarity = embeddings @ measure.references(evaluators, person)
        assert own["face_similarity"][number] == pytest.approx(similarity.mean().item(), abs=1e-6)  # float32
    for key, values in own.items():
        assert len(values) == 2 and figures[key] == pytest.approx(sum(values) / 2)
    assert figures["prompt_accuracy_by_part"].keys() == {"hat", "scene", "glasses"}


def test_pictures_and_looks_must_fit(evaluators):
    with pytest.raises(ShapeError, match=r"pictures has shape \[2, 3, 128, 128\]"):
        measure.read_looks(evaluators, rand(2, 3, 128, 128), PROMPTS)
    with pytest.raises(ShapeError, match="p=1"):
        measure.measure_people(evaluators, rand(2, 1, 3, 8, 8), FAR[:1], PROMPTS[:1], torch.zeros(1, 64))

"""Trainings on tiny flow models: hidden words are found again, and a training goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from helpers.make import rng, some_face
from helpers.teacher import Teacher, drawn_people
from stableidentity_core.backends import Compute
from stableidentity_core.methods import TextualInversionProjector
from stableidentity_core.text import build_name_space, celebrity_names
from stableidentity_core.train import TrainConfig, TrainingRun, ValidationSet
from stableidentity_core.train.projector_init import make_projector
from stableidentity_core.train.session import Person, TrainingSession, unchecked

pytestmark = pytest.mark.host
# Of the projector's layers, those for the width of T5-XXL take longer than the tiny model: its words are learned bare.
WAYS = {
    "SD3.5": {"method": TextualInversionProjector.method, "learning_rate": 1e-3},
    "Z-Image": {"learning_rate": 2e-3},
    "Wan": {"learning_rate": 2e-3},
}


class Words(nn.Module):
    """The same words for every face."""

    def __init__(self, words: Mapping[str, Tensor]):
        super().__init__()
        self.words = words

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        return {space: words.expand(len(features), -1, -1) for space, words in self.words.items()}


@pytest.mark.parametrize("kind", WAYS)
def test_100_steps_find_hidden_words_better_than_other_people_are(kind, opened):
    """By the held-out loss, on prompts, noise and levels that the training did not see."""
    config = TrainConfig().with_settings(resolution=64, steps=100, augmentation="none", **WAYS[kind])
    with opened(kind) as backend:
        spaces = [build_name_space(space, celebrity_names()[:600]) for space in backend.text_spaces]
        hidden, *others = drawn_people(spaces, 11, seed=5)
        side = 64 // backend.latents.factor
        picture = torch.randn(1, backend.latents.channels, side, side, generator=torch.Generator().manual_seed(1))
        teacher = Teacher(backend, hidden, picture)
        people = [Person(trigger="<anna>", faces=[some_face(features=8)])]
        session = TrainingSession(teacher, people, config, name_spaces=spaces, check=unchecked)
        (result,) = session.learn()
        with backend.computing(Compute()):
            source = session.runs[0].held_out_source(rng(3))
            validation = ValidationSet(teacher, [source], config, draws=8)
            learned, perfect, *rest = (
                validation.losses([Words(words)])[0] for words in (result.identity.words, hidden, *others)
            )
    before, after = (float(result.identity.header[f"held_out_loss_{when}"]) for when in ("before", "after"))
    assert perfect < 1e-6 * before, "the teacher's own words have no loss"
    assert after < 0.7 * before and learned < min(rest)


@pytest.mark.parametrize("kind", WAYS)
def test_a_training_goes_on_where_it_was_stopped(kind, opened, tmp_path):
    config = TrainConfig().with_settings(resolution=64, steps=6, **WAYS[kind])
    with opened(kind) as backend:
        spaces = [build_name_space(space) for space in backend.text_spaces]
        faces = [some_face(features=8)]

        def new_run() -> TrainingRun:
            return TrainingRun(backend, faces, make_projector(backend, faces, spaces, config), config)

        whole, begun, resumed = new_run(), new_run(), new_run()
        with backend.computing(Compute()):
            list(whole)
            steps = iter(begun)
            for _step in range(3):
                next(steps)
            begun.save(tmp_path / "half.safetensors")
            resumed.load(tmp_path / "half.safetensors")
            assert resumed.step == 3
            list(resumed)
    for space, words in whole.words().items():
        assert torch.equal(words, resumed.words()[space]) and not torch.equal(words, begun.words()[space])


def test_people_learned_together_are_as_alone_also_without_padding(opened):
    """Prompts of different lengths go through Z-Image one by one."""
    config = TrainConfig().with_settings(resolution=64, steps=3, learning_rate=2e-3)
    people = [Person(trigger=f"<p{seed}>", faces=[some_face(features=8, seed=seed)]) for seed in range(2)]
    with opened("Z-Image") as backend:
        spaces = [build_name_space(space) for space in backend.text_spaces]

        def learned(who: list[Person]) -> list[Tensor]:
            session = TrainingSession(backend, who, config, name_spaces=spaces, check=unchecked)
            return [result.identity.words["qwen3_4b"] for result in session.learn()]

        together, alone = learned(people), [words for one in people for words in learned([one])]
    for one, other in zip(together, alone, strict=True):
        assert (one - other).norm() < 0.01 * (together[0] - together[1]).norm()

"""The mini world's frozen models and the people that a benchmark learns, none of whom training has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from learning import Words, learn
from torch import Tensor

from mini_world.evaluators import Evaluators
from mini_world.look import PROMPTS
from mini_world.measure import measure_people
from mini_world.outcome import TEMPLATES
from mini_world.painter import Portrait, paint
from mini_world.person import Person, unseen_person
from mini_world.pipeline import mini_world_backend, mini_world_encoder
from mini_world.preset import CFG, SAMPLING_STEPS
from mini_world.quick import quickened
from mini_world.weights import load_weights
from stableidentity_core.backends.compute import has_matrix_units
from stableidentity_core.backends.diffusers_sd import DiffusersBackend
from stableidentity_core.encode import FaceViT, encode_face
from stableidentity_core.evaluate.sample import sample_pictures
from stableidentity_core.face.portrait import Face, portrait
from stableidentity_core.text.names import NameSpace
from stableidentity_core.train.config import Augmentation, TrainConfig
from stableidentity_core.train.session import name_spaces_of

FIRST_PERSON, RESOLUTION = 1001, 128
VIEWS = {"published": 96, "none": 1}  # cached, by augmentation; without augmentation there is but one


def train_config(seed: int, augmentation: Augmentation = "published", **settings: Any) -> TrainConfig:
    """The paper's settings at the mini world's size, but for those given; views are cached."""
    given = {"cached_views": VIEWS[augmentation], **settings}
    return TrainConfig(seed=seed, resolution=RESOLUTION, augmentation=augmentation).with_settings(**given)


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """The frozen models and the people of one benchmark."""

    backend: DiffusersBackend
    encoder: FaceViT
    evaluators: Evaluators
    name_spaces: list[NameSpace]
    people: list[Person]
    faces: list[Face]  # a photo of each, with its feature
    at_once: int  # people in one training

    @property
    def names(self) -> NameSpace:
        """Of the mini world's one text space."""
        return self.name_spaces[0]

    def learn(self, config: TrainConfig, faces: Sequence[Face] | None = None) -> list[Words]:
        """Everybody's words after training."""
        return learn(self.backend, self.name_spaces, self.faces if faces is None else faces, config, self.at_once)


def make_world(people: int, at_once: int = 16) -> World:
    weights = load_weights()
    backend = quickened(mini_world_backend(weights))
    encoder = mini_world_encoder(weights)
    who = [unseen_person(FIRST_PERSON + number) for number in range(people)]
    return World(
        backend=backend,
        encoder=encoder,
        evaluators=Evaluators.of(weights.judge),
        name_spaces=name_spaces_of(backend),
        people=who,
        faces=[encode_face(encoder, photo(paint(person))) for person in who],
        at_once=at_once,
    )


def photo(drawn: Portrait) -> Face:
    """A painted picture with the painter's exact masks, as Prepare Face would give it."""
    image = torch.from_numpy(drawn.image.copy()).movedim(-1, 0) / 255
    return portrait(image, torch.from_numpy(drawn.face_mask), torch.from_numpy(drawn.hair_mask))


def pictures_of(world: World, words: Sequence[Words], seed: int) -> Tensor:
    """All prompts of all people [P, N, 3, 128, 128]; one noise per prompt, the same for everybody."""
    rows = [
        sample_pictures(world.backend, TEMPLATES, own, size=RESOLUTION, cfg=CFG, steps=SAMPLING_STEPS, seed=1000 * seed)
        for own in words
    ]
    return torch.stack(rows)


def row_of_words(
    world: World, setting: str, title: str, seed: int, words: Sequence[Words], seconds: float = 0.0
) -> dict[str, Any]:
    """What the words of all people are worth, as a row of a table."""
    values = torch.cat([value.flatten() for own in words for value in own.values()])
    row = row_of_pictures(world, setting, title, seed, pictures_of(world, words, seed))
    return {
        **row,
        "seconds": seconds,
        "at_once": world.at_once,
        "value_range": [values.min().item(), values.max().item()],
    }


def row_of_pictures(
    world: World, setting: str, title: str, seed: int, pictures: Tensor, people: Sequence[Person] | None = None
) -> dict[str, Any]:
    """What pictures [P, N, 3, 128, 128] show of people, by default of the world's."""
    return {
        "setting": setting,
        "title": title,
        "seed": seed,
        "computed_in": "bf16" if has_matrix_units() else "float32",
        **measure_people(world.evaluators, pictures, world.people if people is None else people, list(PROMPTS)),
    }

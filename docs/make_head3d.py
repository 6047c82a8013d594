#!/usr/bin/env python3
"""Makes the animations of docs/head3d.md from the mini world: python docs/make_head3d.py [people] [methods]

people: docs/pictures/head3d.webp, three drawn people beside what was learned from, as they turn.
methods: docs/pictures/head3d_methods.webp, Figure 8 of the paper in the mini world: a head of a name that the model
    knows, and of one person by three methods.
A few minutes on two CPU cores, without any download. Prints how similar each head is to the person, from -20 to 20
degrees, by the mini world's recogniser.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from mini_world.core import Person, TrainingSession, encode_face  # noqa: E402
from mini_world.evaluators import Evaluators  # noqa: E402
from mini_world.measure import distractors, embed, picture_tensor, references  # noqa: E402
from mini_world.outcome import photo_of  # noqa: E402
from mini_world.person import named_person, unseen_person  # noqa: E402
from mini_world.pipeline import mini_world_backend, mini_world_encoder  # noqa: E402
from mini_world.preset import TRAIN, celebrity_for  # noqa: E402
from mini_world.weights import load_weights  # noqa: E402
from stableidentity_core.head3d import HeadRun, HeadSettings, Splat, with_preset  # noqa: E402
from stableidentity_core.head3d.figure import side_by_side  # noqa: E402
from stableidentity_core.head3d.turntable import Turntable, animation, to_pictures, views_of  # noqa: E402
from stableidentity_core.head3d.view_prompts import encode_view_prompts, encode_with_words  # noqa: E402
from stableidentity_core.train import default_config  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
PEOPLE = (7, 1, 3)
METHODS = ("textual_inversion", "celeb_basis", "stableidentity")
MOST_STEPS = 600
SHARED = {name: getattr(TRAIN, name) for name in ("resolution", "hair_weight", "augmentation", "cached_views")}
ANGLES = (-20.0, -10.0, 0.0, 10.0, 20.0)
FRAMES, SIZE, FPS = 24, 192, 12.0
SWING = Turntable(frames=FRAMES // 2 + 1, size=SIZE, arc=60.0)


class Studio:
    """The mini world, and heads made in it."""

    def __init__(self) -> None:
        weights = load_weights()
        self.backend, self.encoder = mini_world_backend(weights), mini_world_encoder(weights)
        self.evaluators = Evaluators.of(weights.judge)

    def learn(self, person: int, method: str = "stableidentity") -> Mapping[str, Tensor]:
        config = TRAIN
        if method != TRAIN.method:  # at its own rate, and with as many steps as take a minute
            own = default_config(method)
            config = replace(own, steps=min(own.steps, MOST_STEPS), batch_size=1, **SHARED)
        people = [Person(trigger="anna", faces=[encode_face(self.encoder, photo_of(person))])]
        (result,) = TrainingSession(self.backend, people, config).learn(lambda _reports: None)
        return result.identity.words

    def name(self, name: str) -> Mapping[str, Tensor]:
        return {space.name: space.embed(torch.tensor(space.tokenize(name))) for space in self.backend.text_spaces}

    def head(self, words: Mapping[str, Tensor], label: str, likeness: Tensor) -> Splat:
        """A head of the words; prints its similarity to `likeness` [64] and to other people."""
        settings, begun = with_preset(HeadSettings(), "mini_world"), time.monotonic()
        encode = encode_with_words(self.backend, words)
        run = HeadRun(self.backend, encode_view_prompts(encode, "a photo of {}", "", by_view=False), settings)
        for _report in run.steps():
            pass
        seconds, splat = time.monotonic() - begun, run.splat()
        seen = embed(self.evaluators, views_of(splat, ANGLES, settings.resolution))
        values = " ".join(f"{value:.2f}" for value in (seen @ likeness).tolist())
        others = (seen @ distractors(self.evaluators, 40).T).mean().item()
        print(f"{label}: {values}; other people {others:.2f}; {seconds:.0f} s", flush=True)
        return splat


def people(studio: Studio) -> None:
    heads = {}
    for person in PEOPLE:
        likeness = references(studio.evaluators, unseen_person(person))
        heads[f"person {person}"] = studio.head(studio.learn(person), f"person {person}", likeness)
    rows = [_with_photos(row) for row in to_and_fro(side_by_side(heads, SWING))]
    write("head3d.webp", rows)


def _with_photos(row: Image.Image) -> Image.Image:
    """What was learned from, below each head."""
    photos = [picture.resize((SIZE, SIZE)) for picture in to_pictures(torch.stack([_photo(one) for one in PEOPLE]))]
    whole = Image.new("RGB", (row.width, row.height + SIZE), "white")
    whole.paste(row, (0, 0))
    for number, photo in enumerate(photos):
        whole.paste(photo, (number * (row.width - SIZE) // (len(photos) - 1), row.height))
    return whole


def _photo(person: int) -> Tensor:
    return picture_tensor(unseen_person(person))


def methods(studio: Studio) -> None:
    person, name = PEOPLE[0], celebrity_for(PEOPLE[0])
    named = references(studio.evaluators, named_person(name))
    heads = {f"name: {name}": studio.head(studio.name(name), name, named)}
    likeness = references(studio.evaluators, unseen_person(person))
    for method in METHODS:
        heads[method] = studio.head(studio.learn(person, method), method, likeness)
    write("head3d_methods.webp", to_and_fro(side_by_side(heads, SWING)))


def to_and_fro(frames: list[Image.Image]) -> list[Image.Image]:
    return [*frames, *frames[-2:0:-1]]


def write(name: str, frames: list[Image.Image]) -> None:
    (PICTURES / name).write_bytes(animation(frames, ".webp", FPS))
    print(f"{name}: {(PICTURES / name).stat().st_size:,} bytes")


if __name__ == "__main__":
    makers = {"people": people, "methods": methods}
    world = Studio()
    for part in sys.argv[1:] or makers:
        makers[part](world)

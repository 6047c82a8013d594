#!/usr/bin/env python3
"""Makes the pictures of the nodes' help pages from the mini world: python docs/pictures_of_help.py [NAME ...]

All of them, or those named, into web/docs/pictures; two minutes on two CPU cores, without any download.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import help_drawings  # noqa: E402
from help_cards import SMALL, Card, part, picture  # noqa: E402
from help_drawings import ANNA, BEN, CARLA, PLAIN, drawn, photo  # noqa: E402

from mini_world.core import Face, Identity, Person, TrainingSession, encode_face, sample_pictures  # noqa: E402
from mini_world.look import Look, caption  # noqa: E402
from mini_world.pipeline import mini_world_backend, mini_world_encoder  # noqa: E402
from mini_world.preset import CFG, SAMPLING_STEPS, TRAIN  # noqa: E402
from mini_world.projector import mini_world_projector  # noqa: E402
from mini_world.recogniser import drawn_instruments, mini_world_recogniser  # noqa: E402
from mini_world.weights import load_weights  # noqa: E402
from stableidentity_core.evaluate.name_map import map_people  # noqa: E402
from stableidentity_core.evaluate.networks.aligned import aligned_already  # noqa: E402
from stableidentity_core.evaluate.similarity import similarity  # noqa: E402
from stableidentity_core.evaluate.temporal import clip_plot, score_clip  # noqa: E402
from stableidentity_core.identity.blend import interpolate_identities, mix_identities, sample_identity  # noqa: E402
from stableidentity_core.suite.scored import (  # noqa: E402
    PictureScores,
    compare,
    comparison_sheet,
    contact_sheet,
    score_pictures,
)
from stableidentity_core.train.project import project  # noqa: E402
from stableidentity_core.train.session import name_spaces_of  # noqa: E402

PICTURES = ROOT / "web" / "docs" / "pictures"
SNOW, BEACH = Look(hat="red hat", scene="snow"), Look(glasses="sunglasses", scene="beach")
FOREST, SKETCH = Look(expression="smiling", scene="forest"), Look(style="sketch")
CROWN, CITY = Look(hat="crown", scene="purple wall"), Look(glasses="glasses", shirt="suit", scene="city")
LOOKS = (SNOW, BEACH, SKETCH)


class Studio:
    """The mini world, loaded once, and the people who were learned in it."""

    def __init__(self) -> None:
        weights = load_weights()
        self.backend, self.encoder = mini_world_backend(weights), mini_world_encoder(weights)
        self.names = name_spaces_of(self.backend)

    def face(self, person: int) -> Face:
        return encode_face(self.encoder, drawn(person, 128))

    @cache  # noqa: B019 - there is one studio
    def learned(self, person: int) -> Identity:
        people = [Person(trigger=f"<person-{person}>", faces=[self.face(person)])]
        (result,) = TrainingSession(self.backend, people, TRAIN).learn(lambda _reports: None)
        return result.identity

    def projected(self, person: int) -> Identity:
        return project(self.face(person), mini_world_projector(), self.names, f"<person-{person}>")

    def named(self, name: str) -> dict[str, Tensor]:
        return {space.name: space.embed(torch.tensor(space.tokenize(name))) for space in self.backend.text_spaces}

    def paint(self, words: Identity | dict[str, Tensor], looks: Sequence[Look], seed: int = 1) -> list[Image.Image]:
        return [picture(one) for one in self.pictures(words, looks, seed)]

    def pictures(self, words: Identity | dict[str, Tensor], looks: Sequence[Look], seed: int = 1) -> Tensor:
        given = words.words if isinstance(words, Identity) else words
        prompts = [caption(look, "{}") for look in looks]
        return sample_pictures(self.backend, prompts, given, size=128, cfg=CFG, steps=SAMPLING_STEPS, seed=seed)


def train(studio: Studio) -> Card:
    card = Card().beside(photo(ANNA), "One photo\nbecomes <anna>,\na word for prompts.")
    return card.pictures(studio.paint(studio.learned(ANNA), LOOKS))


def apply(studio: Studio) -> Card:
    both = [studio.paint(studio.learned(person), [SNOW])[0] for person in (ANNA, BEN)]
    return (
        Card().text("a photo of <anna>\nwearing a red hat in the snow").pictures(both, ["<anna>", "<ben> in her place"])
    )


def prompt(studio: Studio) -> Card:
    told = "a photo of <ben>\nwearing glasses\nand a suit\nin the city"
    return Card().beside(studio.paint(studio.learned(BEN), [CITY])[0], told, 0.5)


def save(studio: Studio) -> Card:
    told = "anna.safetensors\n\na photo of\nembedding:anna\nwearing a crown"
    return Card().beside(studio.paint(studio.learned(ANNA), [CROWN])[0], told, 0.45)


def people(studio: Studio) -> Card:
    pairs = [one for person in (ANNA, BEN) for one in (photo(person), *studio.paint(studio.learned(person), [BEACH]))]
    return Card().text("Two photos, one training:").pictures(pairs, ["photo", "<anna>", "photo", "<ben>"])


def project_card(studio: Studio) -> Card:
    card = Card().text("Photos; below, pictures of their words,\nwithout any training:", SMALL)
    chosen = (ANNA, BEN, CARLA)
    return card.pictures([photo(one) for one in chosen]).pictures(
        [studio.paint(studio.projected(one), [FOREST])[0] for one in chosen]
    )


def mix(studio: Studio) -> Card:
    anna, ben = studio.learned(ANNA), studio.learned(BEN)
    both = [mix_identities([anna, ben], weights, studio.names, "mix") for weights in ((1, 1), (3, 1))]
    painted = [studio.paint(one, [PLAIN])[0] for one in (anna, ben, *both)]
    captions = ["anna", "ben", "weights 1 and 1", "weights 3 and 1"]
    return Card().pictures(painted[:2], captions[:2]).pictures(painted[2:], captions[2:])


def interpolate(studio: Studio) -> Card:
    between = interpolate_identities(studio.learned(ANNA), studio.learned(BEN), 1.0, studio.names, "between", 5)
    painted = [studio.paint(one, [PLAIN])[0] for one in between]
    return Card().pictures(painted, [f"{number / 4:g}" for number in range(5)])


def sample(studio: Studio) -> Card:
    made = [studio.paint(sample_identity(studio.names, seed, "somebody"), [PLAIN])[0] for seed in range(1, 7)]
    captions = [f"seed {seed}" for seed in range(1, 7)]
    return Card().pictures(made[:3], captions[:3]).pictures(made[3:], captions[3:])


def name_space(studio: Studio) -> Card:
    card = Card().text("A name that the model knows fits\ninto any scene:", SMALL)
    return card.pictures(studio.paint(studio.named("emma stone"), LOOKS))


def map_card(studio: Studio) -> Card:
    shown = [replace(studio.learned(person), trigger=f"<{name}>") for person, name in ((ANNA, "anna"), (BEN, "ben"))]
    whole = picture(map_people(studio.names, shown)[0][0].movedim(-1, 0))
    return Card().pictures([part(whole, 0.17, 0.32, 0.46, 0.7)])


def mini_world(studio: Studio) -> Card:
    carla = studio.learned(CARLA)
    return Card().pictures(studio.paint(carla, LOOKS)).pictures(studio.paint(carla, (FOREST, CROWN, CITY)))


def face_similarity(studio: Studio) -> Card:
    reference = drawn(ANNA, 128)
    others = [drawn(ANNA, 128, FOREST), drawn(CARLA, 128)]
    values = [similarity(studio.encoder, reference, other) for other in others]
    shown = [picture(reference.image), *(picture(other.image) for other in others)]
    return Card().pictures(shown, ["photo", *(f"{value:.2f}" for value in values)])


def temporal(studio: Studio) -> Card:
    clip = [drawn(ANNA, 128, Look(gaze=gaze)).image for gaze in ("ahead", "left", "ahead", "right", "ahead")]
    clip += [drawn(CARLA, 128).image] * 2
    plot = clip_plot(score_clip(clip, studio.encoder, [drawn(ANNA, 128)]))
    return Card().pictures([picture(one) for one in clip]).pictures([picture(plot.movedim(-1, 0))])


MEASURED = (SNOW, FOREST, CITY, BEACH, CROWN, SKETCH)


def measured(studio: Studio, words: Identity, method: str, looks: Sequence[Look]) -> PictureScores:
    weights = load_weights()
    others, more = drawn_instruments(weights)
    made = studio.pictures(words, looks)
    prompts = [caption(look, "{}") for look in looks]
    about = {"person": "anna", "method": method, "looked": False, "others": others, "more": more}
    recogniser, side = mini_world_recogniser(weights), made.shape[-1]
    faces = [drawn(ANNA, side).image]
    return score_pictures(made, prompts, faces, recogniser=recogniser, find=aligned_already(side), side=side, **about)


def score(studio: Studio) -> Card:
    whole = contact_sheet(measured(studio, studio.learned(ANNA), "trained", MEASURED))
    return Card().pictures([picture(whole[0].movedim(-1, 0))])


def compared(studio: Studio) -> Card:
    kinds = {"trained": studio.learned(ANNA), "instant": studio.projected(ANNA)}
    rows = [measured(studio, words, method, (SNOW, CITY, SKETCH)) for method, words in kinds.items()]
    return Card().pictures([picture(comparison_sheet(compare(rows))[0].movedim(-1, 0))])


CARDS: dict[str, Callable[[Studio], Card]] = {
    "train": train,
    "apply": apply,
    "prompt": prompt,
    "save": save,
    "people": people,
    "project": project_card,
    "mix": mix,
    "interpolate": interpolate,
    "sample": sample,
    "name_space": name_space,
    "map": map_card,
    "mini_world": mini_world,
    "face_similarity": face_similarity,
    "temporal_score": temporal,
    "score": score,
    "report": compared,
}
DRAWINGS: dict[str, Callable[[], Card]] = {
    "draw_person": help_drawings.draw_person,
    "prepare_face": help_drawings.prepare_face,
    "encode_face": help_drawings.encode_face,
    "folder": help_drawings.folder,
    "windows": help_drawings.windows_of_frames,
    "channel_order": help_drawings.channel_order,
}


def make_pictures(names: Sequence[str] = ()) -> list[Path]:
    """Draw all pictures of the help pages, or those named; gives the files."""
    drawn_now, painted = ([name for name in names or kinds if name in kinds] for kinds in (DRAWINGS, CARDS))
    cards = {name: DRAWINGS[name]() for name in drawn_now}
    if painted:
        studio = Studio()
        cards |= {name: CARDS[name](studio) for name in painted}
    files = {PICTURES / f"{name}.jpg": card for name, card in cards.items()}
    for file, card in files.items():
        card.save(file)
    return [*files]


if __name__ == "__main__":
    for file in make_pictures(sys.argv[1:]):
        print(file.relative_to(ROOT))

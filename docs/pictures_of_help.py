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
from PIL import Image, ImageDraw
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from help_cards import ACCENT, GREY, SMALL, Card, picture  # noqa: E402

from mini_world.core import Face, Identity, Person, TrainingSession, encode_face, portrait, sample_pictures  # noqa: E402
from mini_world.look import Look, caption  # noqa: E402
from mini_world.painter import paint  # noqa: E402
from mini_world.person import unseen_person  # noqa: E402
from mini_world.pipeline import mini_world_backend, mini_world_encoder  # noqa: E402
from mini_world.preset import CFG, SAMPLING_STEPS, TRAIN  # noqa: E402
from mini_world.projector import mini_world_projector  # noqa: E402
from mini_world.sheet import prompt_label  # noqa: E402
from mini_world.weights import load_weights  # noqa: E402
from stableidentity_core.encode.crop import FACE_BOX  # noqa: E402
from stableidentity_core.evaluate.name_map import map_people  # noqa: E402
from stableidentity_core.evaluate.similarity import similarity  # noqa: E402
from stableidentity_core.evaluate.temporal import clip_plot, score_clip  # noqa: E402
from stableidentity_core.face.candidates_preview import draw_candidates  # noqa: E402
from stableidentity_core.face.detect import Candidate  # noqa: E402
from stableidentity_core.face.overlay import overlay  # noqa: E402
from stableidentity_core.identity.blend import (  # noqa: E402
    interpolate_identities,
    mix_identities,
    sample_identity,
)
from stableidentity_core.train.project import project  # noqa: E402
from stableidentity_core.train.session import name_spaces_of  # noqa: E402
from stableidentity_core.video.windows import windows  # noqa: E402

PICTURES = ROOT / "web" / "docs" / "pictures"
ANNA, BEN, CARLA = 19, 4, 11
MANY = (1, 2, 3, 6, 9, 18, 20, 23)
PLAIN = Look()
SNOW, BEACH = Look(hat="red hat", scene="snow"), Look(glasses="sunglasses", scene="beach")
FOREST, SKETCH = Look(expression="smiling", scene="forest"), Look(style="sketch")
CROWN, CITY = Look(hat="crown", scene="purple wall"), Look(glasses="glasses", shirt="suit", scene="city")
LOOKS = (SNOW, BEACH, FOREST, SKETCH)


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
        given = words.words if isinstance(words, Identity) else words
        prompts = [caption(look, "{}") for look in looks]
        made = sample_pictures(self.backend, prompts, given, size=128, cfg=CFG, steps=SAMPLING_STEPS, seed=seed)
        return [picture(one) for one in made]


def drawn(person: int, size: int = 256, look: Look = PLAIN) -> Face:
    """The photo of a person, with the painter's exact masks."""
    made = paint(unseen_person(person), look, size)
    pixels = torch.from_numpy(made.image.copy()).movedim(-1, 0) / 255
    return portrait(pixels, torch.from_numpy(made.face_mask), torch.from_numpy(made.hair_mask))


def photo(person: int, look: Look = PLAIN) -> Image.Image:
    return picture(drawn(person, look=look).image)


def train(studio: Studio) -> Card:
    card = Card().beside(photo(ANNA), "One photo\nbecomes <anna>,\na word for prompts.")
    results = studio.paint(studio.learned(ANNA), LOOKS)
    return _grid(card, results, [prompt_label(look) for look in LOOKS])


def apply(studio: Studio) -> Card:
    card = Card().text("a photo of <anna>\nwearing a red hat in the snow").pictures(
        studio.paint(studio.learned(ANNA), [SNOW]) + studio.paint(studio.learned(BEN), [SNOW]),
        ["<anna>", "<ben> in her place"],
    )
    return card


def prompt(studio: Studio) -> Card:
    return Card().beside(*studio.paint(studio.learned(BEN), [CITY]), "a photo of <ben>\nwearing glasses\nand a suit\nin the city", 0.5)


def save(studio: Studio) -> Card:
    told = "anna.safetensors\n\na photo of\nembedding:anna\nwearing a crown"
    return Card().beside(*studio.paint(studio.learned(ANNA), [CROWN]), told, 0.45)


def people(studio: Studio) -> Card:
    pairs = [photo(ANNA), *studio.paint(studio.learned(ANNA), [BEACH]), photo(BEN), *studio.paint(studio.learned(BEN), [BEACH])]
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
    return _grid(Card(), painted, ["anna", "ben", "weights 1 and 1", "weights 3 and 1"])


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
    return _grid(card, studio.paint(studio.named("tom hanks"), LOOKS), [prompt_label(look) for look in LOOKS])


def map_card(studio: Studio) -> Card:
    shown = [replace(studio.learned(person), trigger=f"<{name}>") for person, name in ((ANNA, "anna"), (BEN, "ben"))]
    whole = picture(map_people(studio.names, shown)[0][0].movedim(-1, 0))
    return Card().pictures([whole.crop((0, 0, whole.width // 2, round(whole.height * 0.78)))])


def mini_world(studio: Studio) -> Card:
    looks = (*LOOKS, CROWN, CITY)
    return _grid(Card(), studio.paint(studio.named("emma stone"), looks), [prompt_label(look) for look in looks])


def draw_person(_studio: Studio) -> Card:
    card = Card().pictures([photo(one) for one in (1, 2, 3, 4)], [f"person {one}" for one in (1, 2, 3, 4)])
    looks = [Look(style="sketch"), Look(hat="crown"), Look(glasses="sunglasses"), Look(scene="beach", shirt="suit")]
    return card.pictures([photo(4, look) for look in looks], ["sketch", "crown", "sunglasses", "suit, beach"])


def prepare_face(_studio: Studio) -> Card:
    faces = [drawn(one) for one in (CARLA, ANNA, BEN)]
    group = torch.cat([face.image for face in faces], dim=-1)
    found = [_candidate(number * 512) for number in range(len(faces))]
    anna = faces[1]
    return (
        Card()
        .pictures([picture(draw_candidates(group, found, found[1]))], ["the faces found; a click chooses one"])
        .pictures([picture(anna.image), picture(overlay(anna.image, anna.face_mask, anna.hair_mask))],
                  ["aligned", "overlay"])
    )


def _candidate(left: int) -> Candidate:
    """The face of a drawn portrait of 512 pixels: average places, as the painter has them."""
    points = torch.tensor([[204, 264], [308, 264], [256, 330], [222, 372], [290, 372]]) + torch.tensor([left, 0])
    return Candidate(box=torch.tensor([140.0 + left, 130, 372 + left, 430]), score=1.0, landmarks=points.float())


def encode(_studio: Studio) -> Card:
    shown = picture(drawn(ANNA, 512).image)
    box = [round(shown.width * edge) for edge in FACE_BOX]
    crop = shown.crop(tuple(box))
    ImageDraw.Draw(shown).rectangle(box, outline=ACCENT, width=6)
    return Card().pictures([shown, crop], ["portrait", "what the\nencoder sees"])


def folder(_studio: Studio) -> Card:
    faces = [photo(one) for one in MANY]
    return Card().pictures(faces[:4]).pictures(faces[4:])


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


def context_windows(_studio: Studio) -> Card:
    length, overlap, frames, wide, tall = 16, 4, 40, 12, 30
    canvas = Image.new("RGB", (frames * wide, 4 * tall), (250, 249, 246))
    pen = ImageDraw.Draw(canvas)
    for row, frames_of_it in enumerate([range(frames), *windows(frames, length, overlap)]):
        for frame in frames_of_it:
            box = (frame * wide, row * tall, (frame + 1) * wide - 3, (row + 1) * tall - 8)
            pen.rectangle(box, fill=GREY if row == 0 else ACCENT)
    return Card().pictures([canvas], ["40 frames; windows of 16 that overlap by 4"])


def channel_order(_studio: Studio) -> Card:
    pose = Image.new("RGB", (256, 256))
    pen = ImageDraw.Draw(pose)
    limbs = (
        ((128, 60), (128, 90), (0, 0, 255)), ((128, 90), (90, 92), (255, 0, 0)), ((90, 92), (70, 140), (255, 85, 0)),
        ((128, 90), (166, 92), (255, 170, 0)), ((166, 92), (190, 60), (170, 255, 0)), ((128, 90), (108, 160), (0, 255, 85)),
        ((108, 160), (100, 230), (0, 255, 170)), ((128, 90), (148, 160), (0, 170, 255)), ((148, 160), (160, 230), (0, 85, 255)),
    )  # fmt: skip
    for start, end, colour in limbs:
        pen.line([start, end], colour, 10)
    blue, green, red = pose.split()[::-1]
    return Card().pictures([pose, Image.merge("RGB", (blue, green, red))], ["RGB", "BGR"])


CARDS: dict[str, Callable[[Studio], Card]] = {
    "train": train, "apply": apply, "prompt": prompt, "save": save, "people": people, "project": project_card,
    "mix": mix, "interpolate": interpolate, "sample": sample, "name_space": name_space, "map": map_card,
    "mini_world": mini_world, "draw_person": draw_person, "prepare_face": prepare_face, "encode_face": encode,
    "folder": folder, "face_similarity": face_similarity, "temporal_score": temporal, "windows": context_windows,
    "channel_order": channel_order,
}  # fmt: skip


def make_pictures(names: Sequence[str] = ()) -> list[Path]:
    """Draw all pictures of the help pages, or those named; gives the files."""
    studio, files = Studio(), []
    for name in names or CARDS:
        print(name, flush=True)
        files.append(PICTURES / f"{name}.jpg")
        CARDS[name](studio).save(files[-1])
    return files


def _grid(card: Card, pictures: Sequence[Image.Image], captions: Sequence[str]) -> Card:
    for at in range(0, len(pictures), 2):
        card.pictures(pictures[at : at + 2], [_wrapped(text) for text in captions[at : at + 2]])
    return card


def _wrapped(text: str) -> str:
    """At most two lines of a caption."""
    if len(text) <= 20:
        return text
    at = text.rfind(" ", 0, 20)
    return text[:at] + "\n" + text[at + 1 :]


if __name__ == "__main__":
    for file in make_pictures(sys.argv[1:]):
        print(file.relative_to(ROOT))

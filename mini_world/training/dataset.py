"""Drawn pictures with captions and all their factors, on disk, identical in every run."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from mini_world.look import Look, caption, draw_look
from mini_world.painter import SIZE, paint
from mini_world.person import Person, generator, named_person, passer_by
from stableidentity_core.face.portrait import Face
from stableidentity_core.text.names import celebrity_names
from stableidentity_core.train.augment import augment
from stableidentity_core.train.templates import TEMPLATES

NAMED, UNKNOWN_WORD = 0.85, 0.04
VIEWS, TEMPLATED = 0.25, 0.15  # of photos, and of photos that are not a view
UNKNOWN = "<unknown>"  # in captions: a word without an embedding of its own
FIRST, LAST = "<first>", "<last>"  # in captions: the two words of a person without a name
CROWD = "crowd"  # the split of these people, with one picture each


@dataclass(frozen=True, kw_only=True)
class Example:
    """One picture to draw."""

    person: Person
    look: Look
    caption: str
    view: int | None = None  # seed of an augmented view, as in the training of a person


def first_and_last_names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    pairs = [name.lower().split() for name in celebrity_names() if len(name.split()) == 2]
    return tuple(sorted({first for first, _ in pairs})), tuple(sorted({last for _, last in pairs}))


def example(split: str, number: int) -> Example:
    """Example `number` of a split, determined only by these two."""
    rng = generator("mini world", split, number)
    firsts, lasts = first_and_last_names()
    if rng.random() < NAMED and split != CROWD:
        who = f"{firsts[int(rng.integers(len(firsts)))]} {lasts[int(rng.integers(len(lasts)))]}"
        person = named_person(who)
    else:
        person = passer_by(int(rng.integers(2**62)))
        who = f"{FIRST} {LAST}" if split == CROWD else describe(person, rng)
    look, mentions = draw_look(rng)
    text = caption(look, "{}", mentions)
    view = int(rng.integers(2**31)) if look.style == "photo" and rng.random() < VIEWS else None
    # People are learned on views with these templates, so only these templates should imply augmented views.
    if view is not None or (look.style == "photo" and rng.random() < TEMPLATED):
        text = text.replace("a photo of {}", TEMPLATES[int(rng.integers(len(TEMPLATES)))])
    if rng.random() < UNKNOWN_WORD:
        words = text.split()
        words.insert(int(rng.integers(len(words) + 1)), UNKNOWN)
        text = " ".join(words)
    return Example(person=person, look=look, caption=text.replace("{}", who), view=view)


def describe(person: Person, rng: np.random.Generator) -> str:
    """A description of a person without a name."""
    look = person.colouring
    kind = "woman" if look.woman else "man"
    options = [f"a {kind}", "a person", f"a {kind} with {look.hair_colour} hair"]
    if look.hair not in ("bald",):
        options.append(f"a {kind} with {look.hair} {look.hair_colour} hair")
    if look.beard in ("full", "moustache", "goatee"):
        options.append(f"a man with a {'beard' if look.beard == 'full' else look.beard}")
    return options[int(rng.integers(len(options)))]


def people_example(split: str, number: int, looks: int) -> Example:
    """An example for the recognisers: person `number // looks` in a random look."""
    rng = generator("mini world people", split, number)
    person = passer_by(int(generator("mini world who", split, number // looks).integers(2**62)))
    look, _ = draw_look(rng)
    return Example(person=person, look=look, caption="", view=None)


def draw(item: Example) -> np.ndarray:
    """The picture [S, S, 3] uint8."""
    portrait = paint(item.person, item.look)
    if item.view is None:
        return portrait.image
    face = Face(
        image=torch.from_numpy(portrait.image.copy()).movedim(-1, 0) / 255,
        face_mask=torch.from_numpy(portrait.face_mask),
        hair_mask=torch.from_numpy(portrait.hair_mask),
    )
    view = augment(face, SIZE, 8, torch.Generator().manual_seed(item.view))
    return (view.image.movedim(0, -1) * 255).round().byte().numpy()


def factors(item: Example) -> dict[str, object]:
    """All factors of an example."""
    return {"look": asdict(item.look), **asdict(item.person), "caption": item.caption, "view": item.view is not None}


def ensure(folder: Path, split: str, count: int, looks: int = 0, workers: int = 2) -> None:
    """Draw a split into `folder` unless it exists: SPLIT.npy and SPLIT.jsonl."""
    images = folder / f"{split}.npy"
    if images.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{split}.part.npy"
    store = np.lib.format.open_memmap(part, "w+", np.uint8, (count, SIZE, SIZE, 3))
    jobs = ((split, number, looks) for number in range(count))
    with (
        multiprocessing.get_context("fork").Pool(workers, _one_thread) as pool,
        (folder / f"{split}.jsonl").open("w", encoding="utf-8") as lines,
    ):
        for number, (image, line) in enumerate(pool.imap(_work, jobs, chunksize=64)):
            store[number] = image
            lines.write(line + "\n")
    store.flush()
    part.rename(images)


def _one_thread() -> None:
    torch.set_num_threads(1)


def _work(job: tuple[str, int, int]) -> tuple[np.ndarray, str]:
    split, number, looks = job
    item = people_example(split, number, looks) if looks else example(split, number)
    return draw(item), json.dumps(factors(item))


def load(folder: Path, split: str) -> tuple[np.ndarray, list[dict]]:
    """Pictures (memory-mapped) and their factors."""
    lines = (folder / f"{split}.jsonl").read_text("utf-8").splitlines()
    return np.load(folder / f"{split}.npy", mmap_mode="r"), [json.loads(line) for line in lines]

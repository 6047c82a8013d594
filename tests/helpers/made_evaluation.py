"""A made-up folder of an evaluation: random values and pictures, laid out as `evaluate run` does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from stableidentity_core.identity import Identity, save_identity
from stableidentity_core.suite.folder import Folder, write_json
from stableidentity_core.suite.world import World, keep_names, note_world
from stableidentity_core.text.names import NameSpace

METRICS = {"face_similarity": "face similarity", "clip_t": "CLIP-T", "rank_1": "rank-1"}
WIDTH = 16
ADDED = "PhotoMaker"


def make_evaluation(
    root: Path,
    *,
    people: Sequence[str] = ("anna", "bert", "carl"),
    prompts: Sequence[str] = ("a photo of {}", "{} as a pirate"),
    alphas: Sequence[float] = (0.0, 0.6, 1.0),
    side: int = 32,
    title: str = "Made up",
    noise: int = 64,
) -> Folder:
    """Methods that differ in alpha, the names of celebrities, and one that was added, without the last person.

    Args:
        side: of the pictures.
        noise: how many different grains a picture has on its side; more makes larger files.
    """
    folder, random = Folder(root), np.random.default_rng(0)
    ours = [f"alpha-{alpha:g}" for alpha in alphas]
    methods = [
        {"name": name, "kind": "learn", "group": "methods", "options": {"settings": {"alpha": alpha}}}
        for name, alpha in zip(ours, alphas, strict=True)
    ]
    methods.append({"name": "names", "kind": "names", "group": "methods", "options": {}})
    suite = {"title": title, "world": "photos", "prompts": list(prompts), "people": len(people), "methods": methods}
    write_json(folder.suite, {**suite, "world_options": {"model": "/home/somebody/secret/sd15"}})
    write_json(root / "added.json", {ADDED: {"base": "SDXL", "source": "PhotoMaker v1", "group": "methods"}})
    write_json(root / "failures.json", {f"score {ADDED}, {people[-1]}": "the picture is damaged"})
    times = [f"time-{name}" for name in [*ours, "names", ADDED]]
    note_world(folder, World(list(people), {"model": "0123abcd"}, times))
    for person in people:
        _picture(folder.photo(person), random, side, noise)
    for name in [*ours, "names", ADDED]:
        there = people[:-1] if name == ADDED and len(people) > 1 else people
        _method(folder, name, there, prompts, random, side, noise)
    _words(folder, ours, people)
    return folder


def _method(folder, name, people, prompts, random, side, noise) -> None:
    for person in people:
        for number in range(len(prompts)):
            _picture(folder.picture(name, person, number, 1), random, side, noise)
    metrics = {metric: _values(title, random, len(people), len(prompts)) for metric, title in METRICS.items()}
    metrics["fid"] = {"title": "FID", "people": None, "all": 123.4, "pictures": None, "note": "n too small"}
    write_json(folder.values(name), {"people": list(people), "prompts": list(prompts), "metrics": metrics})
    about = {"stage": "paint", "method": name, "people": len(people), "seconds": 3.25}
    write_json(folder.times(f"time-{name}"), about)


def _values(title: str, random, people: int, prompts: int) -> dict:
    single = random.random((people, prompts)).round(6)
    pictures = single.tolist()
    pictures[0][0] = None  # no face
    return {"title": title, "people": single.mean(1).tolist(), "all": None, "pictures": pictures}


def _picture(path: Path, random, side: int, noise: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grains = random.integers(0, 256, (min(noise, side), min(noise, side), 3), dtype=np.uint8)
    Image.fromarray(grains).resize((side, side), Image.Resampling.BICUBIC).save(path)


def _words(folder: Folder, methods: Sequence[str], people: Sequence[str]) -> None:
    random = torch.Generator().manual_seed(0)
    names = tuple(f"first{number} last{number}" for number in range(40))
    embeddings = torch.randn(len(names), 2, WIDTH, generator=random)
    keep_names(folder, "key", [NameSpace(space="clip_l", names=names, embeddings=embeddings)])
    for method in methods:
        for person in people:
            words = {"clip_l": torch.randn(2, WIDTH, generator=random)}
            path = folder.learned(method, person)
            path.parent.mkdir(parents=True, exist_ok=True)
            save_identity(Identity(trigger="<person-1>", words=words, header={}), path)


def damage(folder: Folder, method: str, person: str) -> None:
    """The person's first picture is no picture any more."""
    folder.picture(method, person, 0, 1).write_bytes(json.dumps("no picture").encode())

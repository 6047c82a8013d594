"""The person who is drawn: factors that stay the same in every picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

HAIR_STYLES = ("bald", "buzz", "short", "quiff", "spiky", "curly", "bob", "long", "wavy", "bun", "pigtails")
HAIR_COLOURS = ("black", "brown", "chestnut", "blond", "ginger", "grey", "white")
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
EYE_COLOURS = ("brown", "blue", "green", "grey", "amber")

_WOMEN_HAIR = ("buzz", "curly", "bob", "bob", "long", "long", "wavy", "wavy", "bun", "pigtails", "short")
_MEN_HAIR = ("bald", "buzz", "buzz", "short", "short", "quiff", "quiff", "spiky", "spiky", "curly", "wavy", "long")


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Shape of a face; all values are in -1..1, and 0 is the average."""

    face_width: float
    face_length: float
    jaw: float
    ears: float
    eye_size: float
    eye_distance: float
    eye_height: float
    eye_tilt: float
    brow_thickness: float
    brow_tilt: float
    brow_height: float
    nose_length: float
    nose_width: float
    mouth_width: float
    mouth_height: float
    lips: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Geometry:
        values = rng.uniform(-1, 1, len(fields(cls)))
        return cls(**{field.name: round(float(value), 4) for field, value in zip(fields(cls), values, strict=True)})


@dataclass(frozen=True, kw_only=True)
class Colouring:
    """What a first name determines: sex, hair, beard, eyes and skin."""

    woman: bool
    hair: str
    hair_colour: str
    beard: str
    eye_colour: str
    freckles: bool
    skin: float  # 0 light .. 1 dark

    @classmethod
    def draw(cls, rng: np.random.Generator, woman: bool | None = None) -> Colouring:
        woman = bool(rng.random() < 0.5) if woman is None else woman
        return cls(
            woman=woman,
            hair=str(rng.choice(_WOMEN_HAIR if woman else _MEN_HAIR)),
            hair_colour=str(rng.choice(HAIR_COLOURS)),
            beard="none" if woman else str(rng.choice(BEARDS)),
            eye_colour=str(rng.choice(EYE_COLOURS)),
            freckles=bool(rng.random() < 0.25),
            skin=round(float(rng.uniform()), 4),
        )


@dataclass(frozen=True, kw_only=True)
class Person:
    """One drawn person."""

    colouring: Colouring
    geometry: Geometry


def generator(*parts: object) -> np.random.Generator:
    """A random generator that only depends on the parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def unseen_person(number: int) -> Person:
    """A person by number, never among those that the models were trained on."""
    return _person(generator("mini world person", int(number)))


def passer_by(number: int) -> Person:
    """A person without a name, for training."""
    return _person(generator("mini world passer-by", int(number)))


def _person(rng: np.random.Generator) -> Person:
    return Person(colouring=Colouring.draw(rng), geometry=Geometry.draw(rng))


def named_person(name: str) -> Person:
    """The person behind a two-word name: the first word determines the colouring, the last the geometry.

    Every pair of words defines a person; people with the same last name look alike.
    """
    first, last = name.lower().split()
    return Person(colouring=colouring_of(first), geometry=geometry_of(last))


@cache
def colouring_of(first: str) -> Colouring:
    """The colouring that a first name determines."""
    return Colouring.draw(generator("mini world first name", first), woman=first in women_names())


@cache
def geometry_of(last: str) -> Geometry:
    """The geometry that a last name determines."""
    return Geometry.draw(generator("mini world last name", last))


@lru_cache
def women_names() -> frozenset[str]:
    """First names of women."""
    return frozenset(Path(__file__).with_name("women_names.txt").read_text("utf-8").split())

"""What a suite file says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..text.prompts import SLOT

NOISES = 1000  # between the noises of two seeds, so that a suite has at most so many prompts
PERSON = "a person"  # what a prompt says to the networks that compare it with a picture


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How pictures are painted: DDIM without noise, see `sample_pictures`.

    Attributes:
        size: side of the pictures in pixels.
        cfg: scale of classifier-free guidance.
        seeds: one picture of each prompt for each; the noise of a prompt is that of `seed * NOISES + its number`.
        at_once: pictures in one batch.
    """

    size: int = 512
    steps: int = 50
    cfg: float = 7.5
    negative: str = ""
    seeds: tuple[int, ...] = (1,)
    at_once: int = 4


@dataclass(frozen=True, kw_only=True)
class MethodSpec:
    """One way of making pictures of a person.

    Attributes:
        name: of its folder and in tables, different for each.
        kind: how, see `suite.methods`.
        group: the table that it stands in.
        options: what the kind takes.
    """

    name: str
    kind: str
    group: str = "methods"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """What the pictures are measured with, by names of files.

    Attributes:
        recognisers: face encoders; the tables are about the first.
        clips: pairs of a text and a picture encoder.
        distance, inception: whether LPIPS, and FID and KID, are measured.
        compared: the method whose pictures FID and KID compare with.
    """

    recognisers: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()
    distance: bool = True
    inception: bool = True
    compared: str | None = None


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A whole evaluation.

    Attributes:
        world: who is painted by which model: `photos`, or `mini world`.
        world_options: what the world takes: files of models and photos.
        people: how many at most.
        prompts: with one slot `{}` each.
        at_once: people in one training.
        threads: of the processor, where the model computes there: results depend on it in the last bits.
    """

    title: str
    world: str
    prompts: tuple[str, ...]
    methods: tuple[MethodSpec, ...]
    note: str = ""
    world_options: Mapping[str, Any] = field(default_factory=dict)
    people: int = 70
    sampling: Sampling = Sampling()
    scoring: Scoring = Scoring()
    at_once: int = 1
    threads: int = 1

    def method(self, name: str) -> MethodSpec:
        return next(method for method in self.methods if method.name == name)

    @property
    def pictures(self) -> int:
        """Of one person by one method."""
        return len(self.prompts) * len(self.sampling.seeds)


def as_sentence(prompt: str, who: str = PERSON) -> str:
    """A prompt with somebody in its slot."""
    return prompt.replace(SLOT, who)

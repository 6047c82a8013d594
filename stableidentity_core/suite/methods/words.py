"""Methods that put words into the prompts of the frozen model: learned ones, or those of a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...evaluate.sample import sample_pictures
from ...face.portrait import Face
from ...fingerprint import WHOLE, fingerprint_tensors
from ...identity import Identity, load_identity, save_identity
from ...methods.registry import DEFAULT
from ...methods.trained import TrainedProjector
from ...train import TrainConfig, default_config
from ...train.presets import with_preset
from ...train.project import project
from ...train.scoring import LAST
from ...train.session import Person, TrainingSession, learn_runs
from ..bench import Bench
from ..spec import NOISES, MethodSpec, Sampling, as_sentence
from . import judge
from .base import Method, Painted, Writer

SEEDS = 100_003  # between the seeds of two trainings: more than the mini world has people
TRIGGER = "person-1"


class Learned(Method):
    """A training of the pack: a method with its settings.

    `mask = false` lets the whole photo count in the loss; `encoder` names another face encoder than the suite's; with
    `named = true` a person's trigger is their name, and the file says when it was made. `keep = "best"` keeps the step
    whose pictures the recogniser `judge` finds most similar.
    """

    kind = "learn"
    learns_words = True
    options: ClassVar[Mapping[str, Any]] = {
        "method": DEFAULT,
        "preset": "",
        "settings": {},
        "seed": 0,
        "mask": True,
        "encoder": "",
        "named": False,
        **judge.OPTIONS,
    }

    def __init__(self, spec: MethodSpec):
        super().__init__(spec)
        self.config = self._config()
        judge.check_options(self.values, spec.name, self._steps)

    @property
    def _steps(self) -> int:
        return self.config.steps

    @property
    def _chooses(self) -> bool:
        return self.values["keep"] != LAST

    def _config(self) -> TrainConfig:
        own = default_config(self.values["method"])
        if self.values["preset"]:
            own = with_preset(own, self.values["preset"])
        return replace(own.with_settings(**self.values["settings"]), seed=self.values["seed"])

    def depends_on(self) -> Mapping[str, Any]:
        more = judge.OPTIONS if self._chooses else ()
        others = {name: self.values[name] for name in ("mask", "named", *more)}
        return {"kind": self.kind, **self.config.as_dict(), **others}

    def content(self, bench: Bench) -> Mapping[str, Any]:
        encoder = self.values["encoder"]
        own = {"encoder": bench.encoder_name(encoder)} if encoder else {}
        return {**own, **judge.content_of(bench, self.values)} if self._chooses else own

    def learn(self, bench: Bench, people: Sequence[str]) -> dict[str, Writer]:
        return self._writers(self._train(bench, people, None))

    def _writers(self, identities: Mapping[str, Identity]) -> dict[str, Writer]:
        dated = self.values["named"]
        return {person: partial(_write, identity, dated) for person, identity in identities.items()}

    def _trigger(self, person: str) -> str:
        return person if self.values["named"] else TRIGGER

    def _face(self, bench: Bench, person: str) -> Face:
        face = bench.face(person, self.values["encoder"])
        return face if self.values["mask"] else without_masks(face)

    def _train(self, bench: Bench, people: Sequence[str], start: TrainedProjector | None) -> dict[str, Identity]:
        """Everybody with a seed of their own, whoever else is learned beside them."""
        runs = [
            TrainingSession(
                bench.backend,
                [Person(trigger=self._trigger(person), faces=[self._face(bench, person)])],
                replace(self.config, seed=seed_of(bench, person, self.config.seed)),
                name_spaces=bench.name_spaces,
                start=start,
                check=bench.check_gradient,
            ).runs[0]
            for person in people
        ]
        scoring = judge.scoring_of(bench, people, self.values) if self._chooses else None
        results = learn_runs(runs, bench.name_spaces, [self._trigger(person) for person in people], scoring=scoring)
        return dict(zip(people, (result.identity for result in results), strict=True))

    def paint(
        self, bench: Bench, person: str, learned: Path | None, prompts: Sequence[str], sampling: Sampling
    ) -> Painted:
        assert learned is not None
        return paint_words(bench, load_identity(learned).words, prompts, sampling)


class Projected(Learned):
    """Words from a trained projector at once, or after some steps of the person's own."""

    kind = "projector"
    options: ClassVar[Mapping[str, Any]] = {**Learned.options, "projector": "", "steps": 0}

    @property
    def _steps(self) -> int:
        return self.values["steps"]

    def _config(self) -> TrainConfig:
        return super()._config().with_settings(steps=max(1, self.values["steps"]))

    def depends_on(self) -> Mapping[str, Any]:
        return {**super().depends_on(), "steps": self.values["steps"]}

    def content(self, bench: Bench) -> Mapping[str, Any]:
        projector = bench.projector(self.values["projector"])
        weights = fingerprint_tensors(projector.state.items(), samples=WHOLE)
        return {**super().content(bench), "projector": weights, **projector.described()}

    def learn(self, bench: Bench, people: Sequence[str]) -> dict[str, Writer]:
        start = bench.projector(self.values["projector"])
        if self.values["steps"]:
            identities = self._train(bench, people, start)
        else:
            identities = {person: self._project(bench, person, start) for person in people}
        return self._writers(identities)

    def _project(self, bench: Bench, person: str, start: TrainedProjector) -> Identity:
        return project(self._face(bench, person), start, bench.name_spaces, self._trigger(person))


class Named(Method):
    """The names of celebrities, one for each person: what a model makes of somebody it knows."""

    kind = "names"
    learns = shows_the_person = False
    content_of_people = True

    def content(self, bench: Bench) -> Mapping[str, Any]:
        return {person: self._name(bench, person) for person in bench.people}

    def _name(self, bench: Bench, person: str) -> str:
        return bench.names[list(bench.people).index(person) % len(bench.names)]

    def paint(
        self, bench: Bench, person: str, learned: Path | None, prompts: Sequence[str], sampling: Sampling
    ) -> Painted:
        name = self._name(bench, person)
        return paint_words(bench, {}, [as_sentence(prompt, name) for prompt in prompts], sampling)


def seed_of(bench: Bench, person: str, seed: int) -> int:
    """Of one person's training, by the seed of everybody's."""
    return (seed * SEEDS + bench.seed_of(person)) % (1 << 63)


def without_masks(face: Face) -> Face:
    """The whole photo counts in the loss; what augmentation puts around it still does not."""
    return replace(face, face_mask=torch.ones_like(face.face_mask), hair_mask=torch.zeros_like(face.hair_mask))


def paint_words(bench: Bench, words: Mapping[str, Tensor], prompts: Sequence[str], sampling: Sampling) -> Painted:
    """All prompts with all seeds; the noise of a picture depends on its prompt's number and its seed only."""
    at_once = sampling.at_once
    for seed in sampling.seeds:
        for first in range(0, len(prompts), at_once):
            part = prompts[first : first + at_once]
            pictures = sample_pictures(
                bench.backend,
                part,
                words,
                size=sampling.size,
                cfg=sampling.cfg,
                steps=sampling.steps,
                seed=seed * NOISES + first,
                negative=sampling.negative,
            )
            for number, picture in enumerate(pictures, first):
                yield number, seed, picture


def _write(identity: Identity, dated: bool, path: Path) -> None:
    """Without the date, the same training gives the same file on another day."""
    header = {name: value for name, value in identity.header.items() if dated or name != "date"}
    save_identity(replace(identity, header=header), path, replace=True)

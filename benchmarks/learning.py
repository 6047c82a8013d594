"""Many people learned by the pack's own training loop, some at a time, each with a seed of their own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from torch import Tensor

from stableidentity_core.backends.protocol import DiffusionBackend
from stableidentity_core.face.portrait import Face
from stableidentity_core.methods.trained import TrainedProjector
from stableidentity_core.text.names import NameSpace
from stableidentity_core.train import TrainConfig, TrainingRun, train_together
from stableidentity_core.train.session import Person, TrainingSession, unchecked

Words = dict[str, Tensor]  # of one person, {text space: [2, D]}
SEEDS = 100_003  # more than there are people: no seed of a benchmark shares a person's seed with another


def seed_of(seed: int, person: int) -> int:
    """The seed of the person of this number, whatever other people are learned together with them."""
    return seed * SEEDS + person


def new_run(
    backend: DiffusionBackend,
    name_spaces: Sequence[NameSpace],
    face: Face,
    config: TrainConfig,
    start: TrainedProjector | None = None,
) -> TrainingRun:
    """A training of one person; the gradient of a benchmark's model is not checked again for each of them."""
    person = Person(trigger="<person>", faces=[face])
    session = TrainingSession(backend, [person], config, name_spaces=name_spaces, start=start, check=unchecked)
    return session.runs[0]


def learn(
    backend: DiffusionBackend,
    name_spaces: Sequence[NameSpace],
    faces: Sequence[Face],
    config: TrainConfig,
    at_once: int,
) -> list[Words]:
    """Everybody's words after training."""
    return words_after(backend, name_spaces, faces, config, at_once, [config.steps])[config.steps]


def words_after(
    backend: DiffusionBackend,
    name_spaces: Sequence[NameSpace],
    faces: Sequence[Face],
    config: TrainConfig,
    at_once: int,
    steps: Collection[int],
    start: TrainedProjector | None = None,
) -> dict[int, list[Words]]:
    """Everybody's words after each of these numbers of steps, of one training of as many as the last of them.

    At a constant learning rate they are, at each step, those of a training of so many steps.

    Args:
        config: settings; each person's seed is made from its seed, see `seed_of`.
        at_once: people whose views the frozen model takes in one pass.
        steps: 0 stands for the words before training.
        start: a projector to start from, instead of afresh.
    """
    config = replace(config, steps=max(1, *steps))
    words: dict[int, list[Words]] = {step: [] for step in steps}
    for first in range(0, len(faces), at_once):
        runs = [
            new_run(backend, name_spaces, face, replace(config, seed=seed_of(config.seed, person)), start)
            for person, face in enumerate(faces[first : first + at_once], first)
        ]
        _note(words, runs)
        if any(steps):
            with runs[0].computing():
                for _reports in train_together(runs):
                    _note(words, runs)
    return words


def _note(words: dict[int, list[Words]], runs: Sequence[TrainingRun]) -> None:
    step = runs[0].step
    if step in words:
        words[step] += [run.words() for run in runs]

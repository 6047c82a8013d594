"""Steps of a training that are scored by pictures of the host's own sampler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...stableidentity_core.encode import FaceEncoder
from ...stableidentity_core.errors import MissingFileError
from ...stableidentity_core.evaluate.likeness import Likeness, check_judge, check_keep
from ...stableidentity_core.evaluate.metrics.instruments import FindFaces
from ...stableidentity_core.evaluate.networks import face_finder
from ...stableidentity_core.evaluate.networks.aligned import aligned_already
from ...stableidentity_core.evaluate.networks.faces import SIZE, recogniser_of
from ...stableidentity_core.identity import Identity
from ...stableidentity_core.suite.judging import PROMPTS, SEED, about
from ...stableidentity_core.text.prompts import SLOT
from ...stableidentity_core.train.pictures import PERSON
from ...stableidentity_core.train.scoring import Keep, StepScoring
from ...stableidentity_core.train.session import Person
from ...stableidentity_core.weights.face_nets import DETECTORS
from .face_nets import detector, missing
from .measuring import AUTO, NO_DETECTOR
from .mini_world import DRAWN_SIDE, judges_drawn_people
from .models import HostBackend
from .painting import Painter
from .progress import TrainingProgress

Words = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class HostScoring:
    """Who judges steps, and by which pictures; see `scoring_in_host`."""

    recogniser: FaceEncoder
    find: FindFaces
    painters: Sequence[Painter]  # of one picture each
    every: int
    keep: Keep

    def as_dict(self) -> dict[str, str]:
        """All that the choice of a step depends on, for the key of a stored training."""
        return self._step_scoring([], lambda words: []).as_dict()

    def pictures(self, steps: int) -> int:
        """To be painted of each person in a training of so many steps."""
        return len(self.painters) * -(-steps // self.every)

    def of(self, backend: HostBackend, people: Sequence[Person], progress: TrainingProgress) -> StepScoring:
        """For people who are trained together."""

        def score(words: Sequence[Words]) -> list[float]:
            with backend.networks.lent():
                return [
                    self._score(one, like, own, progress) for one, like, own in zip(people, likes, words, strict=True)
                ]

        likes = [self._likeness([face.image for face in person.faces]) for person in people]
        return self._step_scoring(people, score)

    def _score(self, person: Person, likeness: Likeness, words: Words, progress: TrainingProgress) -> float:
        """nan where painting failed, which the log tells."""
        identity, made = Identity(trigger=person.trigger, words=words, header={}), []
        for painter in self.painters:
            picture = painter(identity)
            if picture is None:
                return float("nan")
            made.append(picture)
        progress.painted(made)
        return likeness(torch.cat(made).movedim(-1, 1))

    def _likeness(self, photos: Sequence[Tensor]) -> Likeness:
        return Likeness(recogniser_of(self.recogniser, {}), self.find, photos)

    def _step_scoring(self, people: Sequence[Person], score: Any) -> StepScoring:
        side = self.painters[0].side
        painted = f"{side} px, {self.painters[0].sampling}"
        return StepScoring(score=score, about=about(self._likeness([]), painted), every=self.every, keep=self.keep)


def scoring_in_host(
    model: Any,
    clip: Any,
    vae: Any,
    *,
    recogniser: FaceEncoder | None,
    people: Sequence[Person],
    side: int,
    every: int,
    keep: Keep,
) -> HostScoring | None:
    """Scores steps where a recogniser is connected. Drawn people are not looked for: each picture is their face.

    Raises:
        StableIdentityError: the best step is to be kept, and there is no recogniser; or it is the training's encoder.
        MissingFileError: no face detector is installed.
    """
    check_keep(
        keep, recogniser, "Connect Load Face Encoder, or the output recogniser of Load Mini World, to recogniser"
    )
    if recogniser is None:
        return None
    for person in people:
        check_judge(recogniser, person.faces)
    painters = [
        Painter(model, clip, vae, prompt=prompt.replace(SLOT, PERSON), side=side, seed=SEED + number)
        for number, prompt in enumerate(PROMPTS)
    ]
    return HostScoring(recogniser=recogniser, find=_finder(recogniser), painters=painters, every=every, keep=keep)


def _finder(recogniser: FaceEncoder) -> FindFaces:
    if judges_drawn_people(recogniser):
        return aligned_already(DRAWN_SIDE)
    network = detector(AUTO, False)
    if network is None:
        raise MissingFileError(f"{NO_DETECTOR} {missing(DETECTORS[0])} Or disconnect recogniser.")
    return face_finder(network, SIZE)

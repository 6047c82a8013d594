"""Task and result of the demo, with ComfyUI or without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .core import Face, Identity, TrainConfig, portrait
from .look import PROMPTS, caption
from .painter import paint
from .person import unseen_person
from .preset import SAMPLING_STEPS, TRAIN, celebrity_for, trigger_of

ROWS = ("person", "celebrity", "untrained")
TEMPLATES = tuple(caption(look, "{}") for look in PROMPTS)
Progress = Callable[[str, int], None]  # current activity, and units of work done since the last call


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the demo should do; an invalid number of steps raises an error."""

    person: int
    steps: int = TRAIN.steps

    def __post_init__(self):
        assert self.config.steps == self.steps

    @property
    def config(self) -> TrainConfig:
        return replace(TRAIN, steps=self.steps)

    @property
    def trigger(self) -> str:
        return trigger_of(self.person)

    @property
    def celebrity(self) -> str:
        return celebrity_for(self.person)

    @property
    def work(self) -> int:
        """Units of work: training steps, and sampling steps for each picture."""
        return self.steps + len(ROWS) * len(PROMPTS) * SAMPLING_STEPS


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """The demo's result."""

    host: str
    identity: Identity
    pictures: dict[str, Tensor]  # row of ROWS -> [12, 3, 128, 128] in 0..1, in the order of PROMPTS
    train_seconds: float


def photo_of(person: int) -> Face:
    """The single photo of a person, with the painter's exact masks."""
    drawn = paint(unseen_person(person))
    image = torch.from_numpy(drawn.image.copy()).movedim(-1, 0) / 255
    return portrait(image, torch.from_numpy(drawn.face_mask), torch.from_numpy(drawn.hair_mask))

"""Scores of the words in the course of a training, and which step's words are kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from torch import Tensor, nn

from ..errors import DamagedFileError, StableIdentityError
from ..files.json_text import parse_object

Keep = Literal["last", "best"]
KEEPS: tuple[Keep, ...] = get_args(Keep)
LAST: Keep = "last"
BEST: Keep = "best"
EVERY = 25  # steps between two scores, unless somebody asks for another number
Words = Mapping[str, Tensor]  # {text space: [2, D]} of one person


@dataclass(frozen=True, kw_only=True, eq=False)
class StepScoring:
    """How words are scored while they are learned.

    Attributes:
        score: words of each person of a training, in their order -> a score each, higher is better; nan where there is
            none. It must give the same score for the same words, and must not draw from the training's random numbers.
        about: what the scores depend on, in words, such as the recogniser; for headers and checkpoints.
        every: steps between two scores; the last step is scored in any case.
        keep: the step whose words are the result: the last, or the best of those that are scored.

    Raises:
        StableIdentityError: no such `keep`, or `every` is not a whole number from 1.
    """

    score: Callable[[Sequence[Words]], Sequence[float]]
    about: Mapping[str, str]
    every: int = EVERY
    keep: Keep = BEST

    def __post_init__(self):
        if self.keep not in KEEPS:
            raise StableIdentityError(f"keep is {self.keep!r:.40}, needed one of {', '.join(KEEPS)}.")
        if not isinstance(self.every, int) or isinstance(self.every, bool) or self.every < 1:
            raise StableIdentityError(f"score_every is {self.every!r:.40}, needed a whole number of at least 1.")

    def as_dict(self) -> dict[str, str]:
        """All that the result depends on."""
        return {"keep": self.keep, "score_every": str(self.every), **self.about}


@dataclass(kw_only=True, eq=False)
class ScoredSteps:
    """The scores of one person's training so far, and the projector at the best step where that one is to be kept.

    Attributes:
        scoring: `StepScoring.as_dict`.
        scores: {step: score}; None where there is none.
        best: the projector's state at the best step, on the CPU; empty before the first score.
    """

    scoring: Mapping[str, str]
    scores: dict[int, float | None] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_step(self) -> int | None:
        """The earliest with the highest score; None without any score."""
        known = [(score, -step) for step, score in self.scores.items() if score is not None]
        return -max(known)[1] if known else None

    def add(self, step: int, score: float, projector: nn.Module) -> None:
        """Note the score of a step; the projector is as it is after that step."""
        self.scores[step] = round(score, 6) if math.isfinite(score) else None
        if self.scoring["keep"] == BEST and self.best_step == step:
            state = projector.state_dict()
            self.best = {name: value.detach().cpu().clone() for name, value in state.items()}

    def kept_step(self, last: int) -> int:
        """The step whose words are the result of a training of `last` steps."""
        best = self.best_step if self.scoring["keep"] == BEST else None
        return last if best is None else best

    def header(self, last: int) -> dict[str, str]:
        """Entries of an identity's header."""
        kept = self.kept_step(last)
        score = self.scores.get(kept)
        known = {} if score is None else {"kept_score": f"{score:.6g}"}
        scores = json.dumps({str(step): value for step, value in sorted(self.scores.items())})
        return {**self.scoring, "kept_step": str(kept), **known, "scores": scores}

    def as_text(self) -> str:
        """For a checkpoint's header; `best` goes into its tensors."""
        return json.dumps({"scoring": dict(self.scoring), "scores": self.scores}, sort_keys=True)

    def read(self, text: str | None, best: dict[str, Tensor], path: object) -> None:
        """Go on from what a checkpoint holds; None if it was made without scores.

        Raises:
            StableIdentityError: it was scored in another way.
            DamagedFileError: it cannot be read.
        """
        try:
            content = {"scoring": {}, "scores": {}} if text is None else parse_object(text, "its scores")
            found = ScoredSteps(scoring=content["scoring"], scores=_numbers(content["scores"]), best=best)
        except (StableIdentityError, KeyError, AttributeError, TypeError, ValueError) as error:
            raise DamagedFileError(f"its scores cannot be read ({error}).") from error
        if found.scoring != dict(self.scoring):
            raise StableIdentityError(
                f"{path} was made with {_described(found.scoring)}, this training has {_described(self.scoring)}. Give "
                "the same options, or another checkpoint file."
            )
        if self.scoring["keep"] == BEST and (found.best_step is None) != (not best):
            raise DamagedFileError("its best step is missing.")
        self.scores, self.best = found.scores, best


def _numbers(scores: Mapping[str, Any]) -> dict[int, float | None]:
    """Of {"25": 0.61, "50": null}."""
    return {int(step): None if score is None else float(score) for step, score in scores.items()}


def check_unscored(text: str | None, path: object) -> None:
    """Raises StableIdentityError if a checkpoint was made with scores, for a training that has none."""
    if text is not None:
        raise StableIdentityError(
            f"{path} was made while steps were scored by a recogniser, this training has none. Give the same options, "
            "or another checkpoint file."
        )


def _described(scoring: Any) -> str:
    if not isinstance(scoring, Mapping) or not scoring:
        return "no scores"
    return ", ".join(f"{name} {value}" for name, value in sorted(scoring.items()))


def describe_kept(header: Mapping[str, str]) -> str:
    """Which step an identity is of, in words: "step 75 of 100 kept, similarity 0.71 (last step: 0.68)".

    Empty for a training that was not scored.
    """
    try:
        scores = _numbers(parse_object(header["scores"], "scores"))
        kept, last, keep = int(header["kept_step"]), max(scores), header["keep"]
    except (KeyError, ValueError, TypeError, AttributeError, StableIdentityError):
        return ""
    score, best = scores.get(kept), ScoredSteps(scoring={}, scores=scores).best_step
    if score is None:
        return f"step {kept} of {last} kept, similarity not known"
    other = last if keep == BEST else best
    compared = None if other is None or other == kept else scores.get(other)
    of_other = "" if compared is None else f" ({'last step' if keep == BEST else f'step {other}'}: {compared:.2f})"
    return f"step {kept} of {last} kept, similarity {score:.2f}{of_other}"

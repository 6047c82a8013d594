"""Words that are judged while they are learned: a few pictures are painted, and a recogniser says who is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..backends.protocol import DiffusionBackend
from ..evaluate.likeness import Likeness
from ..evaluate.sample import sample_pictures
from ..train.scoring import BEST, EVERY, Keep, StepScoring
from .spec import Sampling

# Not only the plain photo: words that know nothing but the pose of the photo would be the best there.
PROMPTS = ("a photo of {}", "a photo of {} smiling", "a photo of {} in the snow", "a photo of {} on the beach")
SEED = 1 << 40  # of the noise: far from the seeds of a suite, and from those that people type


def word_scoring(
    backend: DiffusionBackend,
    people: Sequence[Likeness],
    sampling: Sampling,
    *,
    every: int = EVERY,
    keep: Keep = BEST,
) -> StepScoring:
    """Scores words by pictures of PROMPTS, painted with always the same noise.

    Args:
        people: what is known of each person of the training, in their order.
        sampling: how to paint; the seeds do not count.
    """

    def score(words: Sequence[Mapping[str, Tensor]]) -> list[float]:
        return [like(_painted(backend, own, sampling)) for like, own in zip(people, words, strict=True)]

    return StepScoring(score=score, about=about(people[0], described(sampling)), every=every, keep=keep)


def about(likeness: Likeness, painted: str) -> dict[str, str]:
    """What scores depend on, for headers and keys."""
    return {"scored_by": likeness.recogniser.name, "score_pictures": f"{len(PROMPTS)} prompts, {painted}"}


def described(sampling: Sampling) -> str:
    negative = f", negative prompt {sampling.negative!r}" if sampling.negative else ""
    return f"{sampling.size} px, DDIM, {sampling.steps} steps, cfg {sampling.cfg:g}{negative}"


def _painted(backend: DiffusionBackend, words: Mapping[str, Tensor], sampling: Sampling) -> Tensor:  # [N, 3, S, S]
    at_once = min(sampling.at_once, len(PROMPTS))
    parts = [
        sample_pictures(
            backend,
            PROMPTS[first : first + at_once],
            words,
            size=sampling.size,
            cfg=sampling.cfg,
            steps=sampling.steps,
            seed=SEED + first,
            negative=sampling.negative,
        )
        for first in range(0, len(PROMPTS), at_once)
    ]
    return torch.cat(parts)

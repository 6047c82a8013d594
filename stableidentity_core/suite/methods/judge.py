"""The option `keep = "best"` of methods that learn: which steps are scored, and by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import StableIdentityError
from ...evaluate.likeness import Likeness, check_judge
from ...evaluate.metrics.face_similarity import FaceSimilarity
from ...train.scoring import EVERY, LAST, StepScoring
from ..bench import Bench
from ..judging import about, described, word_scoring

OPTIONS: Mapping[str, Any] = {"keep": LAST, "score_every": EVERY, "judge": ""}


def check_options(values: Mapping[str, Any], name: str, steps: int) -> None:
    """Raises StableIdentityError for values that cannot be, or where there are no steps to choose from."""
    try:
        StepScoring(score=lambda words: [], about={}, every=values["score_every"], keep=values["keep"])
    except StableIdentityError as error:
        raise StableIdentityError(f"The method {name!r}: {error}") from error
    if values["keep"] != LAST and not steps:
        raise StableIdentityError(f"The method {name!r} keeps the best step, but trains none. Set steps, or no keep.")


def judge_of(bench: Bench, name: str) -> FaceSimilarity:
    """The similarity that decides which step is best.

    Args:
        name: of the metric; empty: that of the last recogniser, so that with two the first one stays impartial.

    Raises:
        StableIdentityError: there is none of this name.
    """
    known = {metric.name: metric for metric in bench.metrics(None) if isinstance(metric, FaceSimilarity)}
    if not known or (name and name not in known):
        raise StableIdentityError(
            f"judge is {name!r:.60}, needed the similarity by a recogniser of [scoring]: {', '.join(known) or 'none'}."
        )
    return known[name] if name else list(known.values())[-1]


def scoring_of(bench: Bench, people: Sequence[str], values: Mapping[str, Any]) -> StepScoring:
    """Scores these people by their photos alone, as a user could.

    Raises:
        StableIdentityError: no such judge, or it is the encoder that they are learned with.
    """
    judge = judge_of(bench, values["judge"])
    for person in people:
        check_judge(judge.recogniser, [bench.face(person, values["encoder"])])
    likenesses = [Likeness(judge.recogniser, judge.vectors.find, [bench.photo(person)]) for person in people]
    return word_scoring(
        bench.backend, likenesses, bench.suite.sampling, every=values["score_every"], keep=values["keep"]
    )


def content_of(bench: Bench, values: Mapping[str, Any]) -> dict[str, str]:
    """What the choice of a step depends on beside its options; part of the keys."""
    judge = judge_of(bench, values["judge"])
    return about(Likeness(judge.recogniser, judge.vectors.find, []), described(bench.suite.sampling))

"""Warnings about trainings whose words are likely to be bad.

The limits are from ordinary trainings in the mini world: the held-out loss fell in each of them, even after one step;
words placed among the names were 1.0 (AdaIN) to 2.6 (Celeb-Basis) times as far from the names' mean as names are. Free
words have a limit of their own, made for SD2.1, whose names lie four times as close together as the mini world's: by
the way that 60 steps carried them there, Textual Inversion's 5,000 steps of 0.005 go some 50 of these distances, and
6,100 of 0.01 some 90. At a rate of 1.0 it was 150 after 30 steps, in the mini world.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from ..methods.registry import get_method
from ..text.names import NameSpace
from .config import TrainConfig, default_config

WARNING = "warning"  # the key in the header of an identity
PROJECTOR_WARNING = "projector_warning"  # in the facts of a projector of many people, and of what it projects
STANDARD_ERRORS = 2.0  # of a change over the held-out draws, below which it may be chance
SLIGHT = 0.01  # of the loss before, below which a change is nothing
AMONG_NAMES, FREE = 5.0, 100.0  # distances of names from their mean, beyond which words are far outside
RATE = 100  # times the method's own


def grew(before: Tensor, after: Tensor) -> bool:
    """Whether the losses [N] on the same N draws rose by more than chance and by more than a negligible amount."""
    change = (after - before).double()
    error = change.std() / len(change) ** 0.5
    return bool(change.mean() > max(STANDARD_ERRORS * error, SLIGHT * before.double().mean()))


def describe_growth(before: Tensor, after: Tensor) -> str:
    """A sentence if the losses [N] rose, otherwise an empty text."""
    if not grew(before, after):
        return ""
    return f"The validation loss rose from {before.mean():.4g} to {after.mean():.4g}: training made it worse."


def distance(words: Tensor, names: NameSpace) -> float:
    """Distance of words [2, D] from the names' mean, divided by the names' root mean square distance from it."""
    spread = (names.embeddings.double() - names.mean.double()).square().sum(dim=(1, 2)).mean().sqrt()
    return ((words.double() - names.mean.double()).norm() / spread).item()


def verdict(before: str | None, after: str | None, warning: str) -> str:
    """How a training ended, in one line: "learned: held-out loss 3.3 to 0.16", "not learned: ...".

    Args:
        before, after: the held-out losses as headers have them; None where they are not known.
        warning: of the same training, empty if there is none.
    """
    if before is None or after is None:
        known = "not measured" if after is None else f"{float(after):.2g} at the end"
        return f"{'doubtful' if warning else 'learned'}: held-out loss {known}"
    change = float(after) - float(before)
    if change >= 0:
        how = "not learned" if warning else "nothing learned"
    elif warning:
        how = "doubtful"
    else:
        how = "learned" if -change > SLIGHT * float(before) else "hardly learned"
    digits = 2 if f"{float(before):.2g}" != f"{float(after):.2g}" else 4
    return f"{how}: held-out loss {float(before):.{digits}g} to {float(after):.{digits}g}"


def warning_of(
    config: TrainConfig,
    words: Mapping[str, Tensor],
    name_spaces: Sequence[NameSpace],
    before: Tensor | None,
    after: Tensor,
) -> str:
    """Warnings about a training, as sentences; empty if there are none.

    Args:
        words: the person's, {text space: [2, D]}.
        before: the held-out losses [N] before training, where they are known.
        after: those after it, on the same draws.
    """
    own = default_config(config.method).learning_rate
    farthest = max(distance(words[names.space], names) for names in name_spaces)
    limit = AMONG_NAMES if get_method(config.method).stays_in_name_space(config.method_settings) else FREE
    found = [describe_growth(before, after)] if before is not None else []
    if farthest > limit:
        found.append(
            f"The words lie {farthest:.3g} times as far from the names' mean as names do, usual is less than "
            f"{limit:g}: prompts may be followed poorly."
        )
    if config.learning_rate >= RATE * own:
        found.append(f"learning_rate is {config.learning_rate / own:,.0f} times the {own:g} of {config.method}.")
    text = " ".join(filter(None, found))
    return text and f"{text} Lower learning_rate ({config.learning_rate:g}), or check the person's pictures."

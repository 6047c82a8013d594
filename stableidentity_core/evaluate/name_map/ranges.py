"""Largest and smallest values of names' and people's words (Table 3), and how they stand to the names (Eq. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from ...text.adain import standardize
from ...text.names import NameSpace
from .points import POSITIONS

COLUMNS = ("min", "max", "mean*", "dev.*")
FOOTNOTE = "* measured in the names' deviations from the names' mean: 0 and 1 in the form of Eq. 4 (AdaIN)"


@dataclass(frozen=True, kw_only=True)
class Range:
    """One word position of the names together, or of one person."""

    low: float
    high: float
    mean: float  # of the standardised word
    deviation: float  # of the standardised word

    def cells(self) -> tuple[str, ...]:
        """As COLUMNS; a rounded -0 counts as 0."""
        return tuple(
            f"{round(value, digits) + 0.0:.{digits}f}"
            for value, digits in ((self.low, 4), (self.high, 4), (self.mean, 2), (self.deviation, 2))
        )


def value_ranges(words: Tensor, names: NameSpace) -> list[Range]:
    """Ranges of words [B, 2, D] at each position, all B together."""
    z = standardize(words, names)
    return [
        Range(
            low=words[:, place].min().item(),
            high=words[:, place].max().item(),
            mean=z[:, place].mean().item(),
            deviation=z[:, place].std(dim=-1, unbiased=False).mean().item(),
        )
        for place in range(len(POSITIONS))
    ]


def range_rows(names: NameSpace, people: Mapping[str, Tensor]) -> dict[str, list[Range]]:
    """By label: the names, then each person's words [2, D]."""
    return range_rows_of_sets(names, {label: words[None] for label, words in people.items()})


def range_rows_of_sets(names: NameSpace, sets: Mapping[str, Tensor]) -> dict[str, list[Range]]:
    """By label: the names, then the words [B, 2, D] of several people together."""
    rows = {f"{len(names.names):,} names": value_ranges(names.embeddings, names)}
    return rows | {label: value_ranges(words, names) for label, words in sets.items()}


def range_table(name_spaces: Sequence[NameSpace], people: Mapping[str, Mapping[str, Tensor]]) -> str:
    """Table 3 in Markdown, one table a text space.

    Args:
        people: {label: {text space: words [2, D]}}.
    """
    tables = [_markdown(names, {label: words[names.space] for label, words in people.items()}) for names in name_spaces]
    return "\n\n".join([*tables, FOOTNOTE])


def _markdown(names: NameSpace, people: Mapping[str, Tensor]) -> str:
    head = [f"{names.space}, width {names.width}", *(f"{place}: {name}" for place in POSITIONS for name in COLUMNS)]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for label, ranges in range_rows(names, people).items():
        lines.append([label, *(cell for one in ranges for cell in one.cells())])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

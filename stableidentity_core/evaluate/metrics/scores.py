"""Metrics applied to samples: a value for each person or one for all, means and their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from ...errors import StableIdentityError
from ...shapes import check_shape
from .base import Metric, Sample


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """The values of some metrics for P people."""

    people: tuple[str, ...]
    values: Mapping[str, Tensor]  # {name of the metric: [P] float64, nan where not defined; or [] of all together}
    notes: Mapping[str, str] = field(default_factory=dict)  # {name of the metric: what tables must say of its value}

    def by_person(self, name: str) -> bool:
        """Whether the metric has a value for each person, not one of all people together."""
        return self.values[name].ndim == 1

    def mean(self, name: str) -> float:
        """Over the people for whom the metric is defined, nan where there are none; or the value of all together."""
        return self.values[name].nanmean().item()

    def standard_error(self, name: str) -> float:
        """Of the mean, over people; nan for fewer than two, and for a value of all together."""
        if not self.by_person(name):
            return float("nan")
        known = self.values[name][~self.values[name].isnan()]
        return (known.std() / len(known) ** 0.5).item() if len(known) > 1 else float("nan")


def score(samples: Sequence[Sample], metrics: Sequence[Metric]) -> Scores:
    """Apply metrics to samples.

    Raises:
        StableIdentityError: no sample, two of one person, or two metrics of one name.
        ShapeError: a metric that gives neither one value a person nor one of all.
    """
    people = tuple(sample.person for sample in samples)
    if not people or len(set(people)) < len(people):
        raise StableIdentityError(
            f"There are {len(people)} samples of {len(set(people))} people, needed one for each of at least one person."
        )
    check_names([metric.name for metric in metrics])
    values = {metric.name: metric(samples).double().cpu() for metric in metrics}
    for name, found in values.items():
        if found.ndim:
            check_shape(found, "p", f"values of the metric {name}", p=len(people))
    return Scores(people=people, values=values, notes=_notes(samples, metrics))


def check_names(names: Sequence[str]) -> None:
    """Raises StableIdentityError if two metrics have one name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise StableIdentityError(
            f"Several metrics have the name {twice[0]!r}, needed different names. Give the networks that they are "
            "measured with different labels."
        )


def _notes(samples: Sequence[Sample], metrics: Sequence[Metric]) -> dict[str, str]:
    makers = {metric.name: getattr(metric, "note", None) for metric in metrics}
    said = {name: make(samples) for name, make in makers.items() if make is not None}
    return {name: note for name, note in said.items() if note}

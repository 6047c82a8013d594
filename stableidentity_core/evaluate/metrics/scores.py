"""Metrics applied to samples: a value for each person, means and their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from ...errors import StableIdentityError
from ...shapes import check_shape
from .base import Metric, Sample


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """The values of some metrics for P people."""

    people: tuple[str, ...]
    values: Mapping[str, Tensor]  # {name of the metric: [P] float64, nan where it is not defined}

    def mean(self, name: str) -> float:
        """Over the people for whom the metric is defined; nan where there are none."""
        return self.values[name].nanmean().item()

    def standard_error(self, name: str) -> float:
        """Of the mean, over people; nan for fewer than two."""
        known = self.values[name][~self.values[name].isnan()]
        return (known.std() / len(known) ** 0.5).item() if len(known) > 1 else float("nan")


def score(samples: Sequence[Sample], metrics: Sequence[Metric]) -> Scores:
    """Apply metrics to samples.

    Raises:
        StableIdentityError: no sample, or two of one person.
        ShapeError: a metric that does not give one value a person.
    """
    people = tuple(sample.person for sample in samples)
    if not people or len(set(people)) < len(people):
        raise StableIdentityError(
            f"There are {len(people)} samples of {len(set(people))} people, needed one for each of at least one person."
        )
    values = {metric.name: metric(samples).double().cpu() for metric in metrics}
    for name, found in values.items():
        check_shape(found, "p", f"values of the metric {name}", p=len(people))
    return Scores(people=people, values=values)

"""What a metric is, and the registry of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar

from torch import Tensor

from ...errors import StableIdentityError
from ...shapes import check_shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Pictures made of one person, to be measured.

    Raises:
        ShapeError: pictures of another shape, or another number of prompts than of pictures.
    """

    person: str  # name or number, different for each person
    pictures: Tensor  # [N, 3, S, S] in 0..1
    prompts: Sequence[str]  # N, with `{}` where the person is named
    photo: Tensor | None = None  # [3, S, S] in 0..1, from which the person was learned
    memo: dict[Any, Any] = field(default_factory=dict)  # what several metrics need is computed once

    def __post_init__(self):
        check_shape(self.pictures, "n 3 s s", f"pictures of {self.person}", n=len(self.prompts))


class Metric(Protocol):
    """One value for each person.

    @register
    class Brightness:
        name, title = "brightness", "brightness"

        def __call__(self, samples):
            return torch.stack([sample.pictures.mean() for sample in samples])
    """

    name: ClassVar[str]  # in files and settings
    title: ClassVar[str]  # in tables

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Samples of P people -> [P], nan where the metric is not defined for a person.

        All samples come in one call, since some metrics compare people with each other.
        """
        ...


METRICS: dict[str, type[Metric]] = {}
Kind = TypeVar("Kind", bound=type[Any])


def register(kind: Kind) -> Kind:
    """Class decorator that gives a metric its place in METRICS.

    Raises:
        StableIdentityError: another metric has the name.
    """
    if METRICS.setdefault(kind.name, kind) is not kind:
        raise StableIdentityError(f"There are two metrics {kind.name!r}, needed different names. Rename one of them.")
    return kind

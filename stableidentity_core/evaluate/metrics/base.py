"""What a metric is, what it is computed from, and the registry of metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from torch import Tensor

from ...errors import StableIdentityError
from ...shapes import check_shape

if TYPE_CHECKING:
    from .instruments import Instruments


class Sample:
    """Pictures made of one person, to be measured.

    Args:
        person: name or number, different for each person.
        pictures: [N, 3, H, W] in 0..1, or a function that reads them each time they are needed.
        prompts: N, with `{}` where the person is named.
        photo: [3, H, W] in 0..1, from which the person was learned.
        features: features that are known already, by their names; those computed later are added to it.

    Raises:
        ShapeError: pictures of another shape, or another number of prompts than of pictures.
    """

    def __init__(
        self,
        *,
        person: str,
        pictures: Tensor | Callable[[], Tensor],
        prompts: Sequence[str],
        photo: Tensor | None = None,
        features: dict[str, Tensor] | None = None,
    ):
        self.person, self.prompts, self.photo = person, prompts, photo
        self.features = {} if features is None else features
        self._pictures = pictures
        if not callable(pictures):
            self._check(pictures)

    @property
    def pictures(self) -> Tensor:  # [N, 3, H, W] in 0..1
        return self._check(self._pictures()) if callable(self._pictures) else self._pictures

    def of(self, feature: Feature) -> Tensor:
        """A feature of this sample, computed at the first call."""
        if feature.name not in self.features:
            self.features[feature.name] = feature(self)
        return self.features[feature.name]

    def _check(self, pictures: Tensor) -> Tensor:
        check_shape(pictures, "n 3 h w", f"pictures of {self.person}", n=len(self.prompts))
        return pictures


class Feature(Protocol):
    """What metrics need of one person's pictures: computed once, and small enough to be kept in a file."""

    @property
    def name(self) -> str:
        """Different for each feature and each network that computes it."""
        ...

    def __call__(self, sample: Sample) -> Tensor:
        """Any shape; a picture without a face is a row of nan."""
        ...


class Metric(Protocol):
    """One value for each person, or one for all people together.

    @register
    class Brightness:
        name, title = "brightness", "brightness"

        def __call__(self, samples):
            return torch.stack([sample.pictures.mean() for sample in samples])

    A metric that needs networks has a class method `made(instruments)`, which gives the metrics to be used: none where
    what it needs is missing, several where there are several networks. One that is computed from features names them
    in `features`, so that the pictures are not needed where these are known. A method `note(samples)` may give a remark
    on the value that tables must show, or "".
    """

    @property
    def name(self) -> str:
        """In files and settings; different for each metric and each network that it is measured with."""
        ...

    @property
    def title(self) -> str:
        """In tables."""
        ...

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        """Samples of P people -> [P], nan where the metric is not defined for a person; or [], of all together.

        All samples come in one call, since some metrics compare people with each other.
        """
        ...


METRICS: dict[str, type[Any]] = {}  # classes of metrics
Kind = TypeVar("Kind", bound=type[Any])


def register(kind: Kind) -> Kind:
    """Class decorator that gives a metric its place in METRICS.

    Raises:
        StableIdentityError: another metric has the name.
    """
    if METRICS.setdefault(kind.name, kind) is not kind:
        raise StableIdentityError(f"There are two metrics {kind.name!r}, needed different names. Rename one of them.")
    return kind


def made_of(instruments: Instruments) -> list[Metric]:
    """All metrics of the registry that can be measured with these instruments, in the order of their names."""
    return [metric for _name, kind in sorted(METRICS.items()) for metric in _made(kind, instruments)]


def _made(kind: type[Any], instruments: Instruments) -> Sequence[Metric]:
    return kind.made(instruments) if hasattr(kind, "made") else [kind()]


def features_of(metrics: Sequence[Metric]) -> dict[str, Feature]:
    """What these metrics are computed from, by name."""
    return {feature.name: feature for metric in metrics for feature in getattr(metric, "features", ())}

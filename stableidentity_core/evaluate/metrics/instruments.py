"""What pictures of people are measured with: a face finder, and networks with the content hashes of their weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundFaces:
    """The largest face of each picture."""

    crops: Tensor  # [N, 3, C, C] in 0..1, aligned as in FFHQ; zeros where there is no face
    boxes: Tensor  # [N, 4] left, top, right, bottom in pixels; nan where there is no face

    @property
    def found(self) -> Tensor:  # [N] bool
        return ~self.boxes.isnan().any(-1)


FindFaces = Callable[[Tensor], FoundFaces]  # of pictures [N, 3, H, W] in 0..1


@dataclass(frozen=True, kw_only=True, eq=False)
class Recogniser:
    """A face recogniser, and the people that it is to recognise.

    Attributes:
        name: with the content hash of its weights.
        embed: crops [N, 3, C, C] in 0..1 -> unit vectors [N, D].
        references: {person: unit vector [D]}; a person without one has no values.
        others: [M, D] of people that nobody asked for; None: for everybody the other people of `references`.
        copied: a similarity above it is that of a copied photo; None where no such value is known.
        label: in the titles of tables with several recognisers.
    """

    name: str
    embed: Callable[[Tensor], Tensor]
    references: Mapping[str, Tensor]
    others: Tensor | None = None
    copied: float | None = None
    label: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class PicturesAndTexts:
    """A pair of encoders into one space, such as CLIP's.

    Attributes:
        pictures: [N, 3, H, W] in 0..1 -> unit vectors [N, D].
        texts: N sentences -> unit vectors [N, D].
        label: in the titles of tables with several pairs.
    """

    name: str
    pictures: Callable[[Tensor], Tensor]
    texts: Callable[[list[str]], Tensor]
    label: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureDistance:
    """How different pictures look, such as LPIPS.

    Attributes:
        between: [A, 3, S, S] and [B, 3, S, S] in 0..1 -> [A, B], at least 0, and 0 for the same picture up to rounding.
        label: in the titles of tables.
    """

    name: str
    between: Callable[[Tensor, Tensor], Tensor]
    label: str = "LPIPS"


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureFeatures:
    """A network whose features describe a set of pictures, such as Inception.

    Attributes:
        features: [N, 3, H, W] in 0..1 -> [N, D].
        label: in the titles of tables where it is not Inception, which FID and KID are defined by.
    """

    name: str
    features: Callable[[Tensor], Tensor]
    label: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Instruments:
    """What is there to measure with; metrics that need more are left out."""

    find_faces: FindFaces | None = None
    recognisers: tuple[Recogniser, ...] = ()  # the first one gives the metrics without a suffix
    clips: tuple[PicturesAndTexts, ...] = ()  # the same
    distance: PictureDistance | None = None
    inception: PictureFeatures | None = None
    compared: Tensor | None = None  # [M, D], features by `inception` of the pictures that FID and KID compare with


def label_of(network: Recogniser | PicturesAndTexts) -> str:
    """What distinguishes the network in titles."""
    return network.label or network.name


def suffix_of(network: Recogniser | PicturesAndTexts) -> str:
    """The label as part of a metric's name, such as `vit_l_14`."""
    return re.sub(r"\W+", "_", label_of(network).lower()).strip("_")

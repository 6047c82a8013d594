"""Fréchet Inception Distance (arXiv 1706.08500): how far pictures are from another set as normal distributions."""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor, nn

from ...optional import optional_import
from .base import register
from .of_sets import OfSets


@register
class Fid(OfSets):
    """Of the pictures of all people, at least 0; too high with fewer pictures than Inception has features."""

    name, title = "fid", "FID"
    needed = 2048

    def distance(self, made: Tensor, compared: Tensor) -> Tensor:
        return frechet_distance(made, compared)


class _Given(nn.Identity):
    """A network whose features are known already."""

    def __init__(self, width: int):
        super().__init__()
        self.num_features = width


def require_torchmetrics() -> ModuleType:
    """The package that computes FID.

    Raises:
        MissingPackageError: it is not installed or broken.
    """
    return optional_import("torchmetrics.image.fid", feature="FID", install="pip install torchmetrics")


def frechet_distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared Fréchet distance of normal distributions with the means and covariances of [N, D] and [M, D] -> [].

    Raises:
        MissingPackageError: torchmetrics is not installed or broken.
    """
    distance = require_torchmetrics().FrechetInceptionDistance(feature=_Given(a.shape[1])).set_dtype(torch.float64)
    distance.update(a.double(), real=True)
    distance.update(b.double(), real=False)
    return distance.compute().clamp(min=0)  # rounding makes it slightly negative for equal sets

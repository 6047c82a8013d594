"""Celeb-Basis: a face as coefficients of the names' principal components (arXiv 2306.00926).

As the published code has it: one basis per position in the name; components of length one, not weighted
by how far the names spread; the mean is added; the coefficients of a word have length one too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn

from ..errors import StableIdentityError
from ..shapes import check_shape
from ..text.names import WORDS, NameSpace
from .base import Projector, Start
from .coefficients import pack_coefficients

COMPONENTS = 512
NO_SPREAD = 1e-10  # share of the largest variance below which a direction is rounding, not names


def principal_components(rows: Tensor) -> Tensor:
    """Directions in which rows [M, D] vary, the widest first: [R, D] float64, orthonormal.

    R is the rank, at most M - 1 and D. Each has its largest value positive, so that another
    machine's linear algebra finds the same ones.
    """
    check_shape(rows, "m d", "rows")
    centred = rows.double() - rows.double().mean(dim=0)
    variances, vectors = torch.linalg.eigh(centred.T @ centred)  # smallest first
    components = vectors.T.flip(0)[: int((variances > NO_SPREAD * variances[-1]).sum())]
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
    return components * largest.sign()


def celeb_basis(name_space: NameSpace, limit: int = COMPONENTS) -> Tensor:  # [2, K, D] float32
    """The first K components of first and of last names; K is `limit`, or as many as both have.

    Raises:
        StableIdentityError: in one position all names have the same word.
    """
    positions = [principal_components(words) for words in name_space.leading.unbind(dim=1)]
    count = min(limit, *map(len, positions))
    if count == 0:
        which = "first" if len(positions[0]) == 0 else "last"
        raise StableIdentityError(
            f"The {which} names of all {len(name_space.leading)} names are the same word in {name_space.space}, so "
            "they have no components. Celeb-Basis needs different ones: leave the list empty for the pack's own names."
        )
    return torch.stack([components[:count] for components in positions]).float()


class SpaceBasis(nn.Module):
    """One text space: [B, F] -> [B, 2, D] by way of K coefficients a word."""

    mean: Tensor  # [2, D]
    components: Tensor  # [2, K, D]

    def __init__(self, feature_width: int, name_space: NameSpace, generator: torch.Generator):
        super().__init__()
        self.register_buffer("mean", name_space.leading.mean(dim=0))
        self.register_buffer("components", celeb_basis(name_space))
        numbers = WORDS * self.components.shape[1]
        # One layer is what the published code trains, declared as N(0, 1) and left so.
        self.weight = nn.Parameter(torch.randn(numbers, feature_width, generator=generator))
        self.bias = nn.Parameter(torch.zeros(numbers))

    def coefficients(self, features: Tensor) -> Tensor:  # [B, F] -> [B, 2, K], each word's of length one
        unit = F.normalize(features, dim=-1)
        hidden = F.leaky_relu(F.linear(unit, self.weight, self.bias), negative_slope=0.2)
        return F.normalize(rearrange(hidden, "b (n k) -> b n k", n=WORDS), dim=-1)

    def compose(self, coefficients: Tensor) -> Tensor:  # [B, 2, K] -> [B, 2, D]
        return self.mean + einsum(coefficients, self.components, "b n k, n k d -> b n d")

    def forward(self, features: Tensor) -> Tensor:
        return self.compose(self.coefficients(features))


class CelebBasisProjector(Projector):
    """Celeb-Basis; its 2 x 512 coefficients per text space are all that a person is.

    Args:
        feature_width: F of the face encoder.
        name_spaces: one NameSpace per text space of the model.
        generator: source of the initial weights; the global random state is not used.

    Raises:
        StableIdentityError: names without any spread.
    """

    method = "celeb_basis"
    title = "Celeb-Basis"
    # From the noise alone at all times, which is alpha 0; the published code has 800 steps for two people and AdamW's
    # rate is 0.005 times a batch of 2.
    defaults = {"steps": 400, "learning_rate": 1e-2, "batch_size": 2, "alpha": 0.0}

    def __init__(self, feature_width: int, name_spaces: Sequence[NameSpace], generator: torch.Generator | None = None):
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        bases = {ns.space: SpaceBasis(feature_width, ns, generator) for ns in name_spaces}
        super().__init__(feature_width, bases)
        self.bases = bases  # the same modules, with their type
        self.names = min(len(ns.leading) for ns in name_spaces)

    @classmethod
    def create(cls, start: Start, settings: Mapping[str, Any]) -> CelebBasisProjector:
        return cls(start.feature_width, start.name_spaces, start.generator)

    @classmethod
    def empty(
        cls, feature_width: int, name_spaces: Sequence[NameSpace], settings: Mapping[str, Any]
    ) -> CelebBasisProjector:
        return cls(feature_width, name_spaces)

    def coefficients(self, features: Tensor) -> dict[str, Tensor]:
        """Features [B, F] -> {text space: [B, 2, K]}."""
        check_shape(features, "b f", "face features", f=self.feature_width)
        return {name: basis.coefficients(features) for name, basis in self.bases.items()}

    def fixed(self) -> dict[str, Tensor]:
        # The mean stands for the names; the last digits of components depend on the machine's linear algebra.
        return {name: value for name, value in self.named_buffers() if name.endswith(".mean")}

    def facts(self, feature: Tensor) -> dict[str, str]:
        super().facts(feature)
        with torch.no_grad():
            found = {space: value[0] for space, value in self.coefficients(feature).items()}
        return {
            "names": str(self.names),
            "components": json.dumps({space: value.shape[-1] for space, value in found.items()}, sort_keys=True),
            "coefficients": pack_coefficients(found),
        }

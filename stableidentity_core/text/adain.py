"""Words as seen from the names of their space: standardised, mixed and drawn there (Eq. 4).

Eq. 4 writes a word as `std * z + mean`, with the names' mean and deviation per position and dimension,
and a `z` that has mean 0 and variance 1 over the dimensions of each word. All below works on `z`, in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import StableIdentityError
from ..shapes import check_shape
from .names import NameSpace

# Below this share of its parts' size a sum is rounding: words hold 24 bits.
CANCELLED = 1e-5


def standardize(words: Tensor, names: NameSpace) -> Tensor:
    """Words [B, 2, D] -> distance from the names' mean in their deviations, [B, 2, D] float64.

    Raises:
        StableIdentityError: in some dimension all names have the same value.
    """
    check_shape(words, "b 2 d", f"words of {names.space}", d=names.width)
    flat = int((names.std == 0).sum())
    if flat:
        raise StableIdentityError(
            f"The {len(names.names)} names have one and the same value in {flat} of {names.std.numel()} places, so "
            "nothing can be measured by their deviation there. Give Celebrity Name Space more names, with different "
            "first and last names."
        )
    return (words.double() - names.mean.double()) / names.std.double()


def unit_words(z: Tensor) -> Tensor:
    """Each word of [..., D] with mean 0 and variance 1 over its dimensions, as Eq. 4 wants it."""
    centred = z - z.mean(dim=-1, keepdim=True)
    size = centred.square().mean(dim=-1, keepdim=True).sqrt()
    if (size <= CANCELLED).any():
        raise StableIdentityError(
            "Nothing is left of the words once they are measured by the names: they lie at the names' mean, or "
            "opposite people cancel each other. Mix other people or other weights."
        )
    return centred / size


def into_space(z: Tensor, names: NameSpace) -> Tensor:
    """AdaIN, Eq. 4: standardised words [..., 2, D] -> words of the space, float32."""
    return (names.std.double() * z + names.mean.double()).float()


def mix_words(words: Tensor, weights: Tensor, names: NameSpace) -> Tensor:
    """People's words [K, 2, D] and weights [K] that sum to 1 -> one person's words [2, D] float32.

    Each person's standardised words are first brought to unit variance, so that people count by their weights and
    not by the size of their words; the weighted sum is brought to it again, for a mean of people is shorter than
    any of them and would be an average nobody. The result has the form of Eq. 4 whatever the words had.

    Raises:
        StableIdentityError: the weighted people cancel each other.
    """
    check_shape(weights, "k", "weights", k=words.shape[0])
    z = unit_words(standardize(words, names))
    return into_space(unit_words(torch.einsum("k,knd->nd", weights.double(), z)), names)


def draw_words(draws: Tensor, names: NameSpace) -> Tensor:
    """One normal number a name [M] -> the words of somebody new, [2, D] float32.

    The sum of the standardised names, each times its number, is a draw from the normal distribution that has the
    names' covariance, also between first and last name. It is brought to the form of Eq. 4.
    """
    check_shape(draws, "m", "draws", m=len(names.names))
    z = torch.einsum("m,mnd->nd", draws.double(), standardize(names.embeddings, names))
    return into_space(unit_words(z / len(draws) ** 0.5), names)

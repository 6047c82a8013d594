"""Who is in the pictures, by the unit vectors of a face recogniser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import StableIdentityError
from .base import Sample, register


@dataclass(frozen=True, kw_only=True, eq=False)
class Recogniser:
    """A face recogniser and the people that it is to recognise.

    Attributes:
        embed: pictures [N, 3, S, S] in 0..1 -> unit vectors [N, D].
        references: {person: unit vector [D]}.
        others: [M, D] of people that nobody asked for.
    """

    embed: Callable[[Tensor], Tensor]
    references: Mapping[str, Tensor]
    others: Tensor

    def embeddings(self, sample: Sample) -> Tensor:  # [N, D]
        if self not in sample.memo:
            sample.memo[self] = self.embed(sample.pictures)
        return sample.memo[self]

    def similarities(self, sample: Sample) -> Tensor:
        """Cosine [N] of each picture to the person's reference.

        Raises:
            StableIdentityError: there is none of this person.
        """
        if sample.person not in self.references:
            raise StableIdentityError(
                f"The recogniser has no reference of {sample.person!r}; it has {len(self.references)} of others."
            )
        return self.embeddings(sample) @ self.references[sample.person]


@dataclass(frozen=True, eq=False)
class _ByRecogniser:
    recogniser: Recogniser

    def of_sample(self, sample: Sample) -> Tensor:  # []
        raise NotImplementedError

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        return torch.stack([self.of_sample(sample) for sample in samples])


@register
class FaceSimilarity(_ByRecogniser):
    """Mean cosine of the pictures to the person's reference, -1 to 1."""

    name, title = "face_similarity", "face similarity"

    def of_sample(self, sample: Sample) -> Tensor:
        return self.recogniser.similarities(sample).mean()


@register
class OtherSimilarity(_ByRecogniser):
    """Mean cosine of the pictures to the references of other people, -1 to 1."""

    name, title = "other_people_similarity", "similarity to other people"

    def of_sample(self, sample: Sample) -> Tensor:
        return (self.recogniser.embeddings(sample) @ self.recogniser.others.T).mean(-1).mean()


@register
class Rank1(_ByRecogniser):
    """Share of the pictures that are more similar to the person than to every one of the others, 0 to 1."""

    name, title = "rank_1", "rank-1"

    def of_sample(self, sample: Sample) -> Tensor:
        closest = (self.recogniser.embeddings(sample) @ self.recogniser.others.T).amax(-1)
        return (self.recogniser.similarities(sample) > closest).float().mean()

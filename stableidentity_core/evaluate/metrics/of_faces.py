"""What metrics of faces have in common: a value for each person, by the vectors of a recogniser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .base import Feature, Sample
from .features import FaceDistances, FaceVectors, PhotoDistances
from .instruments import FindFaces, Instruments, PictureDistance, Recogniser, label_of, suffix_of

if TYPE_CHECKING:
    from typing_extensions import Self


class OfFaces:
    """A metric that exists once for each recogniser.

    Args:
        recogniser: who is in a picture.
        find: finds the largest face of each picture.
        first: whether it is the recogniser that the tables are about; with another one, name and title get a suffix.
    """

    name = title = ""

    def __init__(self, recogniser: Recogniser, find: FindFaces, *, first: bool = True):
        self.recogniser = recogniser
        self.vectors = FaceVectors(find, recogniser)
        self.features: tuple[Feature, ...] = (self.vectors,)
        if not first:
            self.name, self.title = f"{self.name}_{suffix_of(recogniser)}", f"{self.title} ({label_of(recogniser)})"

    @classmethod
    def made(cls, instruments: Instruments) -> Sequence[Self]:
        find = instruments.find_faces
        if find is None:
            return ()
        return [cls(each, find, first=not number) for number, each in enumerate(instruments.recognisers)]

    def of_sample(self, sample: Sample) -> Tensor:  # []
        raise NotImplementedError

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        return torch.stack([self.of_sample(sample) for sample in samples])

    def similarities(self, sample: Sample) -> Tensor:
        """Cosine [N] of each picture to the person's reference; nan without a face or a reference."""
        return self.to(self.reference(sample), sample)

    def reference(self, sample: Sample) -> Tensor:  # [D]
        vectors = sample.of(self.vectors)
        found = self.recogniser.references.get(sample.person)
        return vectors.new_full(vectors.shape[1:], torch.nan) if found is None else found.to(vectors)

    def to(self, references: Tensor, sample: Sample) -> Tensor:
        """Cosines of each picture to one reference [D] -> [N], or to several [M, D] -> [N, M]."""
        vectors = sample.of(self.vectors)
        return vectors @ (references.to(vectors).T if references.ndim == 2 else references.to(vectors))

    def others(self, sample: Sample) -> Tensor:
        """References [M, D] of all other people; M may be 0."""
        if self.recogniser.others is not None:
            return self.recogniser.others
        rest = [vector for person, vector in self.recogniser.references.items() if person != sample.person]
        return torch.stack(rest) if rest else sample.of(self.vectors)[:0]


class OfFacePairs(OfFaces):
    """A metric of faces that needs the distances between them too."""

    def __init__(self, recogniser: Recogniser, find: FindFaces, distance: PictureDistance, *, first: bool = True):
        super().__init__(recogniser, find, first=first)
        self.distances = FaceDistances(find, distance)
        self.photo_distances = PhotoDistances(find, distance)

    @classmethod
    def made(cls, instruments: Instruments) -> Sequence[Self]:
        find, distance = instruments.find_faces, instruments.distance
        if find is None or distance is None:
            return ()
        return [cls(each, find, distance, first=not number) for number, each in enumerate(instruments.recognisers)]


def mean_of_known(values: Tensor) -> Tensor:  # []
    """The mean of what is not nan; nan if nothing is known."""
    return values[~values.isnan()].mean()


def pairs(matrix: Tensor) -> Tensor:  # [N, N] -> [N (N - 1) / 2]
    """The values of all pairs i < j."""
    row, column = torch.triu_indices(len(matrix), len(matrix), offset=1)
    return matrix[row, column]

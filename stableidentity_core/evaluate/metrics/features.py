"""What metrics are computed from: faces, vectors and distances of one person's pictures."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .base import Sample
from .instruments import FindFaces, PictureDistance, PictureFeatures, PicturesAndTexts, Recogniser

BOXES, CROPS, PHOTO_BOX, PHOTO_CROP = "face_boxes", "face_crops", "photo_box", "photo_crop"
PERSON = "a person"  # in texts, in place of the words that were learned


@dataclass(frozen=True, eq=False)
class FaceBoxes:
    """Boxes [N, 4] of the largest faces; nan where none was found."""

    find: FindFaces
    name = BOXES

    def __call__(self, sample: Sample) -> Tensor:
        return _find(sample, self.find)[0]


@dataclass(frozen=True, eq=False)
class FaceVectors:
    """Unit vectors [N, D] of the largest faces; nan where none was found."""

    find: FindFaces
    recogniser: Recogniser

    @property
    def name(self) -> str:
        return f"face_vectors:{self.recogniser.name}"

    def __call__(self, sample: Sample) -> Tensor:
        crops, found = _crops(sample, self.find)
        vectors = self.recogniser.embed(crops)
        return vectors if found.all() else torch.where(found[:, None].to(vectors.device), vectors, torch.nan)


@dataclass(frozen=True, eq=False)
class FaceDistances:
    """Distances [N, N] between the largest faces; nan for pairs without two faces."""

    find: FindFaces
    distance: PictureDistance

    @property
    def name(self) -> str:
        return f"face_distances:{self.distance.name}"

    def __call__(self, sample: Sample) -> Tensor:
        crops, found = _crops(sample, self.find)
        distances = torch.full((len(crops), len(crops)), torch.nan)
        if found.any():
            faces = crops[found]
            distances[found[:, None] & found] = self.distance.between(faces, faces).float().cpu().flatten()
        return distances


@dataclass(frozen=True, eq=False)
class PhotoDistances:
    """Distances [N] of the largest faces to that of the photo; nan without a face or a photo."""

    find: FindFaces
    distance: PictureDistance

    @property
    def name(self) -> str:
        return f"photo_distances:{self.distance.name}"

    def __call__(self, sample: Sample) -> Tensor:
        crops, found = _crops(sample, self.find)
        distances = torch.full((len(crops),), torch.nan)
        photo = _photo_crop(sample, self.find)
        if photo is not None and found.any():
            distances[found] = self.distance.between(photo, crops[found])[0].float().cpu()
        return distances


@dataclass(frozen=True, eq=False)
class PictureVectors:
    """Unit vectors [N, D] of whole pictures."""

    clip: PicturesAndTexts

    @property
    def name(self) -> str:
        return f"picture_vectors:{self.clip.name}"

    def __call__(self, sample: Sample) -> Tensor:
        return self.clip.pictures(sample.pictures)


@dataclass(frozen=True, eq=False)
class TextVectors:
    """Unit vectors [N, D] of the prompts, with "a person" in place of the words that were learned."""

    clip: PicturesAndTexts

    @property
    def name(self) -> str:
        return f"text_vectors:{self.clip.name}"

    def __call__(self, sample: Sample) -> Tensor:
        return self.clip.texts([prompt.replace("{}", PERSON) for prompt in sample.prompts])


@dataclass(frozen=True, eq=False)
class PhotoVector:
    """The unit vector [1, D] of the photo; [1, 1] nan without a photo."""

    clip: PicturesAndTexts

    @property
    def name(self) -> str:
        return f"photo_vector:{self.clip.name}"

    def __call__(self, sample: Sample) -> Tensor:
        return torch.full((1, 1), torch.nan) if sample.photo is None else self.clip.pictures(sample.photo[None])


@dataclass(frozen=True, eq=False)
class WholePictureFeatures:
    """Features [N, D] by which sets of pictures are compared."""

    network: PictureFeatures

    @property
    def name(self) -> str:
        return f"picture_features:{self.network.name}"

    def __call__(self, sample: Sample) -> Tensor:
        return self.network.features(sample.pictures)


def _find(sample: Sample, find: FindFaces) -> tuple[Tensor, Tensor]:
    """Boxes and crops, found once for all features; the crops are too large to be kept in a file."""
    if CROPS not in sample.features:
        faces = find(sample.pictures)
        sample.features[BOXES], sample.features[CROPS] = faces.boxes, faces.crops
    return sample.features[BOXES], sample.features[CROPS]


def _crops(sample: Sample, find: FindFaces) -> tuple[Tensor, Tensor]:
    """Crops [N, 3, C, C], and which of them show a face [N]."""
    boxes, crops = _find(sample, find)
    return crops, ~boxes.isnan().any(-1)


def _photo_crop(sample: Sample, find: FindFaces) -> Tensor | None:
    """The face of the photo [1, 3, C, C], or None."""
    if sample.photo is None:
        return None
    if PHOTO_CROP not in sample.features:
        faces = find(sample.photo[None])
        sample.features[PHOTO_BOX], sample.features[PHOTO_CROP] = faces.boxes, faces.crops
    return None if sample.features[PHOTO_BOX].isnan().any() else sample.features[PHOTO_CROP]

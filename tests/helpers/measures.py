"""Samples, a face finder and recognisers without networks, for tests of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from helpers.make import rand
from stableidentity_core.evaluate.metrics import FoundFaces, Recogniser, Sample


def sample(person: str = "anna", count: int = 3, *, faces: Sequence[bool] | None = None, **more: Any) -> Sample:
    """Random pictures; one without a face is black."""
    shown = torch.tensor([True] * count if faces is None else faces)
    pictures = 0.5 + rand(len(shown), 3, 4, 4) / 2
    return Sample(
        person=person, pictures=pictures * shown[:, None, None, None], prompts=["a photo of {}"] * len(shown), **more
    )


def found_in(pictures: torch.Tensor) -> FoundFaces:
    """A picture that is not black is a face."""
    shown = pictures.flatten(1).amax(1) > 0
    boxes = torch.where(shown[:, None], torch.tensor([0.0, 0.0, *pictures.shape[:1:-1]]), torch.nan)
    return FoundFaces(crops=pictures, boxes=boxes)


def recogniser(
    embeddings: torch.Tensor, reference: torch.Tensor, others: torch.Tensor | None = None, **more: Any
) -> Recogniser:
    """Knows the embeddings beforehand, and one person, Anna."""
    given = {"name": "given", "embed": lambda crops: embeddings[: len(crops)], "references": {"anna": reference}}
    return Recogniser(**{**given, **more}, others=others)

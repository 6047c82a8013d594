"""How well the networks that look at pictures do on people that they were not trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mini_world.evaluators import LookReader
from mini_world.look import CHOICES
from mini_world.training import dataset
from mini_world.training.autoencoder import to_tensor

LOOKS = 7  # of each person


def tpr_at_far(embeddings: Tensor, people: Tensor, far: float = 0.01) -> float:
    """Share of pairs of one person that pass where `far` of the pairs of two people do."""
    cosine = embeddings @ embeddings.T
    above = torch.ones_like(cosine, dtype=torch.bool).triu(1)
    same = people[:, None] == people[None]
    strangers = cosine[above & ~same]
    threshold = strangers.kthvalue(int((1 - far) * len(strangers))).values
    return (cosine[above & same] > threshold).float().mean().item()


@torch.no_grad()
def recognition(model: Callable[[Tensor], Tensor], data: Path, split: str) -> tuple[float, float]:
    """TPR at 1 % FAR of people that were never trained on: of photos without sunglasses, and over all looks."""
    pictures, records = dataset.load(data, split)
    embeddings = torch.cat([model(to_tensor(np.asarray(part))) for part in np.array_split(pictures, 40)])
    embeddings, people = F.normalize(embeddings.float(), dim=-1), torch.arange(len(embeddings)) // LOOKS
    looks = [record["look"] for record in records]
    plain = torch.tensor([look["style"] == "photo" and look["glasses"] != "sunglasses" for look in looks])
    return tpr_at_far(embeddings[plain], people[plain]), tpr_at_far(embeddings, people)


@torch.no_grad()
def reading(model: LookReader, data: Path) -> dict[str, float]:
    """Share of each part of the look that is read from held-out pictures."""
    pictures, records = dataset.load(data, "held_out")
    usable = [index for index, record in enumerate(records) if not record["view"]]
    logits = model(to_tensor(pictures[usable]))
    return {
        part: sum(
            CHOICES[part][choice] == records[index]["look"][part]
            for choice, index in zip(value.argmax(-1).tolist(), usable, strict=True)
        )
        / len(usable)
        for part, value in logits.items()
    }

"""Embeddings of names as a smooth function of a person's appearance.

Stable Diffusion has seen so many faces that every face has a place in its embedding space. A few hundred drawn
names would be memorised, with nothing in between. So during training, the embedding of a name is computed from
the person's factors, and the same function gives words to people without a name, each seen once. Only the
embeddings of the known names are shipped.
"""

from __future__ import annotations

from dataclasses import asdict, fields

import torch
from torch import Tensor, nn

from mini_world.person import BEARDS, EYE_COLOURS, HAIR_COLOURS, HAIR_STYLES, Geometry, colouring_of, geometry_of

CATEGORIES = {
    "woman": (False, True),
    "hair": HAIR_STYLES,
    "hair_colour": HAIR_COLOURS,
    "beard": BEARDS,
    "eye_colour": EYE_COLOURS,
    "freckles": (False, True),
}
COLOURING = sum(map(len, CATEGORIES.values())) + 1
GEOMETRY = [field.name for field in fields(Geometry)]
HIDDEN, SCALE = 256, 0.05


def colouring_vector(colouring: dict) -> list[float]:  # [COLOURING]
    """One-hot categories, and the skin's darkness in -1..1."""
    chosen = [float(colouring[key] == option) for key, options in CATEGORIES.items() for option in options]
    return [*chosen, 2 * colouring["skin"] - 1]


def geometry_vector(geometry: dict) -> list[float]:  # [16]
    return [geometry[name] for name in GEOMETRY]


class NameRows(nn.Module):
    """Two functions from factors to words, and the factors of all known names.

    Args:
        firsts: row in the vocabulary -> first name.
        lasts: the same for last names; a word may be both.
        rows: size of the vocabulary.
        width: of the embeddings.
    """

    first_rows: Tensor  # [firsts]
    last_rows: Tensor  # [lasts]
    colourings: Tensor  # [firsts, COLOURING]
    geometries: Tensor  # [lasts, 16]

    def __init__(self, firsts: dict[int, str], lasts: dict[int, str], rows: int, width: int):
        super().__init__()
        self.first = _function(COLOURING, width)
        self.last = _function(len(GEOMETRY), width)
        self.rows, self.width = rows, width
        buffers = {
            "first_rows": torch.tensor(list(firsts)),
            "last_rows": torch.tensor(list(lasts)),
            "colourings": torch.tensor([colouring_vector(asdict(colouring_of(name))) for name in firsts.values()]),
            "geometries": torch.tensor([geometry_vector(asdict(geometry_of(name))) for name in lasts.values()]),
        }
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self) -> Tensor:
        """The name embeddings to add to the embeddings of all words [rows, D]."""
        added = torch.zeros(self.rows, self.width)
        added = added.index_add(0, self.first_rows, SCALE * self.first(self.colourings).float())
        return added.index_add(0, self.last_rows, SCALE * self.last(self.geometries).float())

    def words(self, colourings: Tensor, geometries: Tensor) -> Tensor:  # [B, C], [B, 16] -> [B, 2, D]
        """The two words of any person."""
        return SCALE * torch.stack([self.first(colourings), self.last(geometries)], 1).float()


def _function(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, width), nn.LayerNorm(width))

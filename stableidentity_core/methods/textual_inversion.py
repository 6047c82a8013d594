"""Textual Inversion: the words themselves are what is learned (arXiv 2208.01618)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..shapes import check_shape
from ..text.names import WORDS, NameSpace
from ..text.start_words import start_words
from .base import Projector, Start


class FreeWords(nn.Module):
    """One text space: [B, 0] -> the two words, B times."""

    def __init__(self, start: Tensor):  # [2, D]
        super().__init__()
        check_shape(start, f"{WORDS} d", "words to start from")
        self.words = nn.Parameter(start.clone())

    def forward(self, features: Tensor) -> Tensor:  # [B, 2, D]
        return self.words.expand(len(features), -1, -1)


class TextualInversionProjector(Projector):
    """Two free words per text space; the face is seen by the loss alone, so features have no width.

    Args:
        start: {text space: [2, D]}, see `start_words`.
    """

    method = "textual_inversion"
    title = "Textual Inversion"
    needs_face = False
    in_name_space = False
    # Of the paper: 5,000 steps, batch 4, base rate 0.005, from the noise alone at all times, which is alpha 0. The
    # paper multiplies the rate by batch size and GPUs (0.04); the published configuration for Stable Diffusion has
    # 6,100 steps, batch 2, rate 0.01.
    defaults = {"steps": 5000, "learning_rate": 5e-3, "batch_size": 4, "alpha": 0.0}

    def __init__(self, start: Mapping[str, Tensor]):
        super().__init__(0, {space: FreeWords(words) for space, words in start.items()})

    @classmethod
    def create(cls, start: Start, settings: Mapping[str, Any]) -> TextualInversionProjector:
        return cls({space.name: start_words(space) for space in start.text_spaces})

    @classmethod
    def empty(
        cls, feature_width: int, name_spaces: Sequence[NameSpace], settings: Mapping[str, Any]
    ) -> TextualInversionProjector:
        return cls({names.space: torch.zeros(WORDS, names.width) for names in name_spaces})

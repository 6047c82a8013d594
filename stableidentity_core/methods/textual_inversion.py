"""Textual Inversion: the words themselves are what is learned (arXiv 2208.01618)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ..errors import StableIdentityError
from ..shapes import check_shape
from .base import WORDS, Projector

START = "person face"  # what the free words are at first, one token each


def start_words(space: str, tokenize: Callable[[str], list[int]], embed_tokens: Callable[[Tensor], Tensor]) -> Tensor:
    """The embeddings [2, D] float32 of "person" and "face" in a text space.

    Args:
        space: name of the text space.
        tokenize: text -> ids without start and end tokens.
        embed_tokens: ids [2] -> embeddings [2, D].
    """
    ids = tokenize(START)
    if len(ids) != WORDS:
        raise StableIdentityError(
            f"{START!r} is {len(ids)} tokens in {space}, needed {WORDS}: Textual Inversion starts from them. "
            "Connect a CLIP with CLIP's own vocabulary."
        )
    with torch.no_grad():
        return embed_tokens(torch.tensor(ids)).detach().float().cpu().clone()


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
    needs_face = False

    def __init__(self, start: Mapping[str, Tensor]):
        super().__init__(0, {space: FreeWords(words) for space, words in start.items()})

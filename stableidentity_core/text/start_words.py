"""Two ordinary words to start from, where no name is meant."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import StableIdentityError
from .space import WORDS, TextSpace

START = "person face"  # one token each


def start_words(space: TextSpace) -> Tensor:
    """The embeddings [2, D] float32 of "person" and "face" in a text space, on the CPU.

    Raises:
        StableIdentityError: they are not one token each.
    """
    ids = space.tokenize(START)
    if len(ids) != WORDS:
        raise StableIdentityError(
            f"{START!r} is {len(ids)} tokens in {space.name}, needed {WORDS}. Connect a CLIP with the vocabulary that "
            "its model was made with."
        )
    with torch.no_grad():
        return space.embed(torch.tensor(ids)).detach().float().cpu().clone()

"""Putting learned words among the token embeddings of a prompt.

The vocabulary matrix is never touched: words are scattered into the looked-up embeddings, so
gradients reach the words and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..devices import moved
from ..errors import StableIdentityError
from ..shapes import check_shape

SLOT = "{}"
BELOW = 0  # the id below a word, which nothing looks at; the end token there would be taken for the prompt's end


@dataclass(frozen=True, kw_only=True)
class TextSpace:
    """One text encoder as the method sees it: the space in which words live."""

    name: str  # "clip_l", "clip_h" or "clip_g", the key of embedding files
    width: int
    start: int
    end: int
    pad: int
    length: int = 77


@dataclass(frozen=True, kw_only=True)
class PromptRows:
    """Tokenised prompts with room for the words."""

    token_ids: Tensor  # [B, L] int64, including start, end and padding
    positions: Tensor  # [B, N] int64, where the N words go


def prompt_rows(
    templates: Sequence[str], space: TextSpace, tokenize: Callable[[str], list[int]], words: int = 2
) -> PromptRows:
    """Tokenise templates whose single `{}` is to hold `words` consecutive words.

    `tokenize` returns ids without start and end tokens. CLIP's BPE never merges across white
    space, so the text before and after the slot can be tokenised apart.

    Raises:
        StableIdentityError: a template without exactly one slot, or too long for one window.
    """
    rows, positions = [], []
    for template in templates:
        if template.count(SLOT) != 1:
            raise StableIdentityError(
                f"Template {template!r} has {template.count(SLOT)} slots '{SLOT}', needed exactly 1."
            )
        before, after = (tokenize(part) for part in template.split(SLOT))
        first = 1 + len(before)
        ids = [space.start, *before, *[BELOW] * words, *after, space.end]
        if len(ids) > space.length:
            raise StableIdentityError(
                f"Template {template!r} needs {len(ids)} tokens, {space.name} takes {space.length}; shorten it."
            )
        rows.append(ids + [space.pad] * (space.length - len(ids)))
        positions.append(list(range(first, first + words)))
    return PromptRows(token_ids=torch.tensor(rows), positions=torch.tensor(positions))


def place_words(
    embeddings: Tensor,  # [B, L, D]
    words: Tensor,  # [B, N, D]
    positions: Tensor,  # [B, N] int64
) -> Tensor:  # [B, L, D]
    """Return the embeddings with the words at their positions; inputs are left unchanged."""
    sizes = check_shape(embeddings, "b l d", "embeddings")
    check_shape(words, "b n d", "words", b=sizes["b"], d=sizes["d"])
    check_shape(positions, "b n", "positions", b=sizes["b"], n=words.shape[1])
    index = moved(positions, embeddings.device).unsqueeze(-1).expand(-1, -1, sizes["d"])
    return embeddings.scatter(1, index, words.to(embeddings))

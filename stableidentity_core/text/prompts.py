"""Prompts with room for learned words.

The vocabulary matrix is never touched: words are scattered into the looked-up embeddings, so
gradients reach the words and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..devices import to_device
from ..errors import StableIdentityError
from ..shapes import check_shape
from .space import TextSpace

SLOT = "{}"
BELOW = 0  # placeholder id at a word's position, unused; the end token would be taken for the end of the prompt


@dataclass(frozen=True, kw_only=True)
class PromptRows:
    """Tokenised prompts with room for the words."""

    token_ids: Tensor  # [B, L] int64, including prefix, suffix and padding
    positions: Tensor  # [B, N] int64, where the N words go; N = 0 without a slot


def tokenize_templates(templates: Sequence[str], space: TextSpace, words: int = 2) -> PromptRows:
    """Tokenise templates in which each `{}` is a slot for `words` consecutive words.

    A template may have any number of slots, also none, as a negative prompt has; all templates of one call must have
    the same number. The words of the slots stand in the order of the slots.

    The text between slots is tokenised by itself, which changes nothing: CLIP's BPE never merges across white space.

    Raises:
        StableIdentityError: templates with different numbers of slots, or of different lengths where the text encoder
            takes rows without padding; or one that is too long for the encoder's window.
    """
    rows, positions = [], []
    for template in templates:
        ids, slots = _tokens(template, space, words)
        rows.append(space.layout.row(ids, f"Template {template!r} of {space.name}"))
        positions.append([len(space.layout.prefix) + place for place in slots])
    _check_equal([template.count(SLOT) for template in templates], "slots '{}'")
    _check_equal([len(row) for row in rows], f"tokens in {space.name}")
    return PromptRows(
        token_ids=torch.tensor(rows), positions=torch.tensor(positions, dtype=torch.int64).reshape(len(rows), -1)
    )


def _tokens(template: str, space: TextSpace, words: int) -> tuple[list[int], list[int]]:
    """Ids of a template, and the places of its words among them."""
    first, *others = template.split(SLOT)
    ids, places = list(space.tokenize(first)), []
    for part in others:
        places += range(len(ids), len(ids) + words)
        ids += [BELOW] * words + space.tokenize(part)
    return ids, places


def _check_equal(counts: Sequence[int], what: str) -> None:
    if len(set(counts)) > 1:
        raise StableIdentityError(
            f"The {len(counts)} templates have {', '.join(map(str, sorted(set(counts))))} {what}, needed the same "
            "number in all of them. Encode those that differ separately."
        )


def place_words(
    embeddings: Tensor,  # [B, L, D]
    words: Tensor,  # [B, N, D]
    positions: Tensor,  # [B, N] int64
) -> Tensor:  # [B, L, D]
    """Return the embeddings with the words at their positions; inputs are left unchanged."""
    sizes = check_shape(embeddings, "b l d", "embeddings")
    check_shape(words, "b n d", "words", b=sizes["b"], d=sizes["d"])
    check_shape(positions, "b n", "positions", b=sizes["b"], n=words.shape[1])
    index = to_device(positions, embeddings.device).unsqueeze(-1).expand(-1, -1, sizes["d"])
    return embeddings.scatter(1, index, words.to(embeddings))

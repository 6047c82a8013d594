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
from .names import celebrity_names
from .space import WORDS, TextSpace
from .stand_in import StandIn, find_stand_in

SLOT = "{}"
BELOW = 0  # placeholder id at a word's position, unused; the end token would be taken for the end of the prompt


@dataclass(frozen=True, kw_only=True)
class PromptRows:
    """Tokenised prompts with room for the words."""

    token_ids: Tensor  # [B, L] int64, including prefix, suffix and padding
    positions: Tensor  # [B, N] int64, where the N words go; N = 0 without a slot
    lengths: Tensor | None = None  # [B] int64, tokens that count in each row; None where all of them do


def tokenize_templates(templates: Sequence[str], space: TextSpace, words: int = 2) -> PromptRows:
    """Tokenise templates in which each `{}` is a slot for `words` consecutive words.

    A template may have any number of slots, also none, as a negative prompt has; all templates of one call must have
    the same number. The words of the slots stand in the order of the slots.

    The text between slots is tokenised by itself, which changes nothing in CLIP: its BPE never merges across white
    space. Where tokens depend on their surroundings, a name stands in for the words, see `stand_in`.

    Raises:
        StableIdentityError: templates with different numbers of slots; or one that is too long for the encoder's
            window, or in which no name can stand in for the words.
    """
    counts = sorted({template.count(SLOT) for template in templates})
    if len(counts) > 1:
        raise StableIdentityError(
            f"The {len(templates)} templates have {', '.join(map(str, counts))} slots '{SLOT}', needed the same number "
            "in all of them. Encode those that differ separately."
        )
    return joined_rows([_row(template, space, words) for template in templates])


def joined_rows(rows: Sequence[PromptRows]) -> PromptRows:
    """Rows of one text space as one batch; where the encoder takes them without padding, `lengths` says what counts."""
    sizes = [size for row in rows for size in _lengths(row)]
    longest = max(row.token_ids.shape[1] for row in rows)
    ids = [torch.nn.functional.pad(row.token_ids, (0, longest - row.token_ids.shape[1]), value=BELOW) for row in rows]
    return PromptRows(
        token_ids=torch.cat(ids),
        positions=torch.cat([row.positions for row in rows]),
        lengths=torch.tensor(sizes) if len(set(sizes)) > 1 else None,
    )


def _lengths(rows: PromptRows) -> list[int]:
    return [rows.token_ids.shape[1]] * len(rows.token_ids) if rows.lengths is None else rows.lengths.tolist()


def _row(template: str, space: TextSpace, words: int) -> PromptRows:
    ids, slots = (_tokens_in_context if space.contextual else _tokens)(template, space, words)
    row = space.layout.row(ids, f"Template {template!r} of {space.name}")
    places = [len(space.layout.prefix) + place for place in slots]
    return PromptRows(token_ids=torch.tensor([row]), positions=torch.tensor([places], dtype=torch.int64))


def _tokens(template: str, space: TextSpace, words: int) -> tuple[list[int], list[int]]:
    """Ids of a template, and the places of its words among them."""
    first, *others = template.split(SLOT)
    ids, places = list(space.tokenize(first)), []
    for part in others:
        places += range(len(ids), len(ids) + words)
        ids += [BELOW] * words + space.tokenize(part)
    return ids, places


def _tokens_in_context(template: str, space: TextSpace, words: int) -> tuple[list[int], list[int]]:
    """The same, tokenised with a name in each slot."""
    count = template.count(SLOT)
    if not count:
        return space.tokenize(template), []

    def tokens(name: StandIn) -> list[int]:
        return space.tokenize(template.replace(SLOT, name.name))

    name = find_stand_in(
        celebrity_names(),
        space.tokenize,
        lambda candidate: len(candidate.places(tokens(candidate))) == count,
        count,
        f"Template {template!r} of {space.name}",
    )
    ids, places = tokens(name), []
    for number, place in enumerate(name.places(ids)):
        begin = place + number * (words - WORDS)
        ids[begin : begin + WORDS] = [BELOW] * words
        places += range(begin, begin + words)
    return ids, places


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

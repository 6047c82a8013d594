"""Words among token embeddings."""

from __future__ import annotations

import pytest
import torch

from helpers.make import randn
from stableidentity_core.errors import ShapeError
from stableidentity_core.text import place_words

POSITIONS = torch.tensor([[1, 2], [5, 6], [4, 0]])


def by_loop(embeddings: torch.Tensor, words: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    rows = [[embeddings[b, i] for i in range(embeddings.shape[1])] for b in range(embeddings.shape[0])]
    for b in range(positions.shape[0]):
        for n in range(positions.shape[1]):
            rows[b][int(positions[b, n])] = words[b, n]
    return torch.stack([torch.stack(row) for row in rows])


def test_equals_a_loop_over_rows():
    embeddings, words = randn(3, 7, 5), randn(3, 2, 5, seed=1)
    # Copies of the same numbers: no tolerance.
    assert torch.equal(place_words(embeddings, words, POSITIONS), by_loop(embeddings, words, POSITIONS))


def test_input_is_left_as_it_was():
    embeddings = randn(3, 7, 5)
    before = embeddings.clone()
    place_words(embeddings, randn(3, 2, 5, seed=1), POSITIONS)
    assert torch.equal(embeddings, before)


def test_gradient_reaches_the_words_whole_and_the_table_nowhere_below_them():
    table = randn(3, 7, 5).requires_grad_(True)
    words = randn(3, 2, 5, seed=1).requires_grad_(True)
    weights = randn(3, 7, 5, seed=2)
    (place_words(table, words, POSITIONS) * weights).sum().backward()
    assert torch.equal(words.grad, torch.stack([weights[b, POSITIONS[b]] for b in range(3)]))
    for b in range(3):
        assert not table.grad[b, POSITIONS[b]].any()


def test_words_take_the_precision_of_the_embeddings():
    placed = place_words(randn(1, 7, 5).half(), randn(1, 2, 5), torch.tensor([[1, 2]]))
    assert placed.dtype == torch.float16


@pytest.mark.parametrize(
    "words,positions",
    [
        (randn(3, 2, 6), POSITIONS),  # another width
        (randn(2, 2, 5), POSITIONS),  # another batch
        (randn(3, 1, 5), POSITIONS),  # fewer words than places
        (randn(2, 5), POSITIONS),  # no batch
    ],
)
def test_shapes_that_do_not_fit_are_refused(words, positions):
    with pytest.raises(ShapeError, match="needed"):
        place_words(randn(3, 7, 5), words, positions)

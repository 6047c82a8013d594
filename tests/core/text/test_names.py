"""Which names count, and their statistics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.in_use import bytes_in_use
from helpers.make import randn, some_names
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.text import NameSpace, build_name_space, celebrity_names
from stableidentity_core.text.names import parse_names


def test_comments_blank_lines_and_repeats_are_dropped():
    text = "# a list\n\nTom Cruise\n  Emma Watson  \n# Brad Pitt\nTom Cruise\r\nTom Hanks"
    assert parse_names(text) == ("Tom Cruise", "Emma Watson", "Tom Hanks")


def test_only_names_of_exactly_two_tokens_count(backend):
    given = ["Tom Cruise", "Cher", "Arnold Schwarzenegger", "Emma Watson", "Robert Downey Jr"]
    counts = {name: len(backend.text_spaces[0].tokenize(name)) for name in given}
    assert 1 in counts.values() and max(counts.values()) > 2, counts  # both ways of not counting are there
    made = build_name_space(backend.text_spaces[0], given)
    assert made.names == tuple(name for name in given if counts[name] == 2)
    table = backend.texts["clip_h"].model.get_input_embeddings().weight
    for name, pair in zip(made.names, made.embeddings, strict=True):
        assert torch.equal(pair, table[backend.text_spaces[0].tokenize(name)])
    assert not made.embeddings.requires_grad


def test_too_few_usable_names_are_told_with_their_token_counts(backend):
    with pytest.raises(StableIdentityError, match=r"Of 2 names only 1 .* 'Cher' \(1\)"):
        build_name_space(backend.text_spaces[0], ["Tom Cruise", "Cher"])


def test_tokenizers_that_are_gone_leave_no_words_in_memory(backend):
    """They left 0.6 MB each, as one is loaded with every text encoder; ten times less is noise."""
    if bytes_in_use() is None:
        pytest.skip("glibc does not tell what is in use")
    space, tokenizer = backend.text_spaces[0], backend.texts["clip_h"].tokenizer

    def build_one() -> None:
        own = type(tokenizer).from_pretrained(tokenizer.name_or_path)
        build_name_space(replace(space, tokenize=lambda text: own(text, add_special_tokens=False)["input_ids"]))

    seen = []
    for _ in range(5):
        build_one()
        seen.append(bytes_in_use())
    assert seen[-1] - seen[1] < 3 * 60_000, seen


def test_statistics_equal_numpys_unbiased_ones():
    names = some_names(count=7, width=5)
    values = names.embeddings.numpy().astype(np.float64)
    # Float32 sums of 7 values against float64.
    # Float32 sums against float64.
    np.testing.assert_allclose(names.mean.numpy(), values.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(names.std.numpy(), values.std(axis=0, ddof=1), rtol=1e-5, atol=1e-6)
    assert names.mean.shape == names.std.shape == (2, 5)
    assert names.value_range == (values.min(), values.max())


@pytest.mark.parametrize("shape", [(4, 3, 8), (4, 16), (5, 2, 8)])
def test_embeddings_of_another_shape_are_refused(shape):
    with pytest.raises(StableIdentityError, match="name embeddings has shape"):
        NameSpace(space="clip_h", names=("a b",) * 4, embeddings=randn(*shape))


def test_one_name_has_no_deviation_and_is_refused():
    with pytest.raises(StableIdentityError, match="at least 2 names, found 1"):
        NameSpace(space="clip_h", names=("a b",), embeddings=randn(1, 2, 8))


def test_the_packs_list_has_326_names_of_exactly_two_clip_tokens(backend):
    listed = celebrity_names()
    longer = {name: count for name in listed if (count := len(backend.text_spaces[0].tokenize(name))) != 2}
    assert not longer
    assert len(listed) >= 326


def test_the_packs_list_is_sorted_and_without_repeats(backend):
    listed = celebrity_names()
    assert list(listed) == sorted(listed, key=str.casefold)  # as a reader sorts: Lea before LeBron
    # CLIP is blind to case, so that "Al Gore" and "al gore" would count twice.
    assert len({tuple(backend.text_spaces[0].tokenize(name)) for name in listed}) == len(listed)

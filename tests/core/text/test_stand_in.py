"""Tokens that depend on what stands around them, with a byte-level tokenizer in small."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

import pytest
import torch

from helpers.make import some_space
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.text import TextSpace, build_name_space, celebrity_names, tokenize_templates
from stableidentity_core.text.prompts import BELOW
from stableidentity_core.text.stand_in import stand_ins, tokens_in_sentence

KNOWN: dict[str, int] = {}


def tokenize(text: str) -> list[int]:
    """As byte-level BPE reads: the space before a word is part of it, and punctuation is by itself."""
    return [KNOWN.setdefault(part, len(KNOWN)) for part in re.findall(r" ?\w+|\s|[^\w\s]", text)]


def space_of(read: Callable[[str], list[int]] = tokenize) -> TextSpace:
    table = torch.randn(5000, 4, generator=torch.Generator().manual_seed(0))
    plain = some_space("qwen", 4, read, window=None)
    return TextSpace(
        name=plain.name,
        width=4,
        layout=plain.layout,
        tokenize=read,
        embed=lambda ids: table[ids],
        contextual=True,
    )


def test_a_name_is_read_with_the_space_before_it():
    assert tokens_in_sentence(tokenize, "Tom Cruise") == tokenize(" Tom Cruise") != tokenize("Tom Cruise")


def test_a_name_that_merges_with_the_text_around_it_is_none():
    assert tokens_in_sentence(lambda text: [hash(text)], "Tom Cruise") == []


@pytest.mark.parametrize("template", ["a photo of {} in the snow", "{}, smiling", "a photo ({})", "{} and {}"])
def test_placed_words_stand_where_a_name_would(template):
    """With the name's own tokens put back, the row is the host's: that of the prompt with the name in it."""
    made = tokenize_templates([template], space_of())
    name = next(stand_ins(tokenize, celebrity_names()))
    whole = [98, *tokenize(template.replace("{}", name.name)), 99]
    row = made.token_ids[0].tolist()
    places = made.positions[0].tolist()
    assert len(places) == 2 * template.count("{}") and all(row[place] == BELOW for place in places)
    assert [token for at, token in enumerate(row) if at not in places] == [
        token for at, token in enumerate(whole) if at not in places
    ]
    assert len(row) == len(whole)


def test_another_name_stands_in_where_the_prompt_has_the_first_one():
    first = next(stand_ins(tokenize, celebrity_names())).name
    made = tokenize_templates([f"{first} with {{}}"], space_of())
    assert made.positions.tolist() == [[4, 5]]


def test_a_text_encoder_without_two_token_names_is_refused_in_a_sentence():
    with pytest.raises(StableIdentityError, match=r"no place for two words.*of 0 names of two tokens"):
        tokenize_templates(["a {}"], space_of(lambda text: [1 + len(text)]))


def test_few_names_are_warned_of(caplog):
    with caplog.at_level(logging.WARNING):
        build_name_space(space_of(), ["Tom Cruise", "Emma Watson", "Cher"])
    assert "only 2 of 3 names are two tokens in qwen" in caplog.text


def test_names_are_looked_up_as_they_stand_in_running_text():
    space = space_of()
    found = build_name_space(space, ["Tom Cruise", "Emma Watson"])
    assert torch.equal(found.embeddings[0], space.embed(torch.tensor(tokenize(" Tom Cruise"))))

"""Prompts with room for the words."""

from __future__ import annotations

import pytest
import torch

from helpers.make import randn, some_space
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.text import PromptLayout, place_words, tokenize_templates
from stableidentity_core.text.prompts import joined_rows
from stableidentity_core.train.templates import TEMPLATES


def rows(backend, templates, words=2):
    return tokenize_templates(templates, backend.text_spaces[0], words)


@pytest.mark.parametrize("template", ["{}", "{} smiling", "a photo of {}", "a photo of {}, in the snow"])
def test_equal_to_tokenizing_a_two_token_name_in_the_slot(backend, template):
    """The real tokenizer over the whole prompt, with a name in the slot, is the measure for all but the slot."""
    name = "tom cruise"
    whole = (
        backend.texts["clip_h"]
        .tokenizer(template.format(name), padding="max_length", max_length=77, return_tensors="pt")
        .input_ids[0]
    )
    made = rows(backend, [template])
    first = 1 + len(backend.text_spaces[0].tokenize(template.split("{}")[0]))
    assert made.positions.tolist() == [[first, first + 1]]
    assert whole[made.positions[0]].tolist() == backend.text_spaces[0].tokenize(name)
    outside = torch.ones(77, dtype=torch.bool)
    outside[made.positions[0]] = False
    assert torch.equal(made.token_ids[0][outside], whole[outside])


def test_each_prompt_of_a_batch_has_its_own_places(backend):
    made = rows(backend, ["{}", "a photo of a {}"], words=3)
    assert made.token_ids.shape == (2, 77)
    assert made.positions.tolist() == [[1, 2, 3], [5, 6, 7]]


def test_a_template_may_have_no_slot_or_several(backend):
    space = backend.text_spaces[0]
    none = rows(backend, ["a photo", ""])
    assert none.positions.shape == (2, 0)
    assert none.token_ids[0].tolist() == space.layout.row(space.tokenize("a photo"))
    two = rows(backend, ["{} and {}", "a photo of {} with {}"])
    assert two.positions.tolist() == [[1, 2, 4, 5], [4, 5, 7, 8]]
    named = space.layout.row(space.tokenize("a photo of tom cruise with emma watson"))
    outside = [place for place in range(77) if place not in two.positions[1].tolist()]
    assert [two.token_ids[1][place].item() for place in outside] == [named[place] for place in outside]


def test_words_of_two_people_go_to_their_own_slots(backend):
    made = rows(backend, ["{} and {}"])
    words = randn(1, 4, 5)
    placed = place_words(torch.zeros(1, 77, 5), words, made.positions)
    assert torch.equal(placed[0, [1, 2, 4, 5]], words[0]) and placed[0].count_nonzero(dim=1).count_nonzero() == 4


@pytest.mark.parametrize("template,counts", [("a photo", "0, 1"), ("a {} and a {}", "1, 2")])
def test_templates_with_different_numbers_of_slots_are_refused_with_the_counts(backend, template, counts):
    with pytest.raises(StableIdentityError, match=f"2 templates have {counts} slots"):
        rows(backend, ["a {}", template])


def test_rows_of_an_encoder_without_padding_say_how_long_each_is():
    space = some_space(window=None)
    made = tokenize_templates(["a photo of {}", "the photo of {}"], space)
    assert made.token_ids.shape == (2, 7) and made.positions.tolist() == [[4, 5], [4, 5]]
    assert made.lengths is None
    mixed = tokenize_templates(["a photo of {}", "{}"], space)
    assert mixed.lengths is not None and mixed.lengths.tolist() == [7, 4]
    again = joined_rows([mixed, tokenize_templates(["{}"], space)])
    assert again.lengths is not None and again.lengths.tolist() == [7, 4, 4]
    assert torch.equal(again.token_ids[2], mixed.token_ids[1]) and again.positions.tolist() == [[4, 5], [1, 2], [1, 2]]


def test_rows_without_a_limit_are_filled_up_to_the_least_length():
    layout = PromptLayout(prefix=(8,), suffix=(9,), pad=0, least=5)
    assert layout.row([1]) == [8, 1, 9, 0, 0] and layout.row([1, 2, 3, 4]) == [8, 1, 2, 3, 4, 9]


def test_exactly_77_tokens_fit_and_78_do_not(backend):
    filling = "cat " * 73  # + start + 2 words + end = 77
    assert rows(backend, [filling + "{}"]).positions.tolist() == [[74, 75]]
    with pytest.raises(StableIdentityError, match=r"of clip_h needs 78 tokens, the text encoder takes 77"):
        rows(backend, [filling + "cat {}"])


def test_81_templates_three_media_with_one_slot_each_fit(backend):
    assert len(TEMPLATES) == 81 == 3 * 27
    for medium in ("photo", "illustration", "depiction"):
        assert any(f" {medium} " in template for template in TEMPLATES)
    assert not any("a illustration" in template or "{medium}" in template for template in TEMPLATES)
    made = rows(backend, TEMPLATES)  # raises unless each has one slot and fits
    assert made.token_ids.shape == (81, 77)
    end = (made.token_ids == backend.text_spaces[0].layout.suffix[0]).int().argmax(dim=1)
    assert (made.positions[:, 1] < end).all()

"""Prompts with room for the words."""

from __future__ import annotations

import pytest
import torch

from stableidentity_core.errors import StableIdentityError
from stableidentity_core.text import tokenize_templates
from stableidentity_core.train.templates import TEMPLATES


def rows(backend, templates, words=2):
    return tokenize_templates(templates, backend.text_spaces[0], lambda text: backend.tokenize("clip_h", text), words)


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
    first = 1 + len(backend.tokenize("clip_h", template.split("{}")[0]))
    assert made.positions.tolist() == [[first, first + 1]]
    assert whole[made.positions[0]].tolist() == backend.tokenize("clip_h", name)
    outside = torch.ones(77, dtype=torch.bool)
    outside[made.positions[0]] = False
    assert torch.equal(made.token_ids[0][outside], whole[outside])


def test_each_prompt_of_a_batch_has_its_own_places(backend):
    made = rows(backend, ["{}", "a photo of a {}"], words=3)
    assert made.token_ids.shape == (2, 77)
    assert made.positions.tolist() == [[1, 2, 3], [5, 6, 7]]


@pytest.mark.parametrize("template,found", [("a photo", 0), ("a {} and a {}", 2)])
def test_other_than_one_slot_is_refused_with_the_count(backend, template, found):
    with pytest.raises(StableIdentityError, match=f"has {found} slots"):
        rows(backend, ["a {}", template])


def test_exactly_77_tokens_fit_and_78_do_not(backend):
    filling = "cat " * 73  # + start + 2 words + end = 77
    assert rows(backend, [filling + "{}"]).positions.tolist() == [[74, 75]]
    with pytest.raises(StableIdentityError, match=r"needs 78 tokens, clip_h takes 77"):
        rows(backend, [filling + "cat {}"])


def test_81_templates_three_media_with_one_slot_each_fit(backend):
    assert len(TEMPLATES) == 81 == 3 * 27
    for medium in ("photo", "illustration", "depiction"):
        assert any(f" {medium} " in template for template in TEMPLATES)
    assert not any("a illustration" in template or "{medium}" in template for template in TEMPLATES)
    made = rows(backend, TEMPLATES)  # raises unless each has one slot and fits
    assert made.token_ids.shape == (81, 77)
    end = (made.token_ids == backend.text_spaces[0].end).int().argmax(dim=1)
    assert (made.positions[:, 1] < end).all()

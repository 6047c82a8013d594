"""Looks and the sentences that say them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mini_world.look import CHOICES, PROMPTS, Look, caption, draw_look
from mini_world.person import generator

EVERY_OPTION = [(part, option) for part, options in CHOICES.items() for option in options]


def drawn(number: int) -> tuple[Look, frozenset[str]]:
    return draw_look(generator("test look", number))


def test_the_captions_of_the_demo():
    assert [caption(look, "anna") for look in PROMPTS] == [
        "a photo of anna",
        "a photo of anna wearing a red hat in the snow",
        "a photo of anna wearing sunglasses on the beach",
        "a photo of anna smiling in a forest",
        "a photo of anna wearing glasses and a suit in the city",
        "a photo of anna wearing a crown in front of a purple wall",
        "a photo of anna surprised at night",
        "a photo of anna wearing a blue hat and a yellow shirt in front of a pink wall",
        "a photo of anna sad at sunset",
        "a pencil sketch of anna",
        "a sepia photo of anna wearing a black hat",
        "a photo of anna wearing a red shirt looking left in front of a blue wall",
    ]


def test_articles():
    assert "an orange shirt" in caption(Look(shirt="orange shirt"), "anna")
    assert "wearing glasses" in caption(Look(glasses="glasses"), "anna")


@pytest.mark.parametrize("part,option", EVERY_OPTION)
def test_an_option_is_told_unless_it_is_the_usual(part, option):
    text = caption(replace(Look(), **{part: option}), "anna")
    usual = getattr(Look(), part) == option
    assert (text == "a photo of anna") is usual
    if not usual:
        shown = {"scene": option.split()[0], "style": option}.get(part, option)
        assert shown in text


def test_options_of_one_part_differ_in_words():
    for part, options in CHOICES.items():
        texts = {caption(replace(Look(), **{part: option}), "anna") for option in options}
        assert len(texts) == len(options)


def test_a_template_has_one_slot_and_never_a_second():
    for number in range(50):
        look, mentions = drawn(number)
        template = caption(look, "{}", mentions)
        assert template.count("{}") == 1
        assert template.replace("{}", "anna") == caption(look, "anna", mentions)


def test_what_is_not_mentioned_is_not_told():
    look = Look(hat="red hat", glasses="glasses", scene="snow", expression="sad")
    assert caption(look, "anna", frozenset({"hat"})) == "a photo of anna wearing a red hat"
    assert caption(look, "anna", frozenset()) == "a photo of anna"


def test_drawn_looks_are_repeatable_and_say_what_they_show():
    assert [drawn(number) for number in range(20)] == [drawn(number) for number in range(20)]
    for number in range(200):
        look, mentions = drawn(number)
        unusual = {part for part in CHOICES if getattr(look, part) != getattr(Look(), part)}
        assert unusual - {"shirt"} == mentions - {"shirt"}, "only the shirt may be worn without a word"


def test_every_option_is_drawn():
    seen = {(part, getattr(drawn(number)[0], part)) for number in range(1500) for part in CHOICES}
    assert seen == set(EVERY_OPTION)

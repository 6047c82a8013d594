"""When pictures are painted during a training, and by which prompt."""

from __future__ import annotations

import pytest

from stableidentity_core.errors import StableIdentityError
from stableidentity_core.train.pictures import check_picture_prompt, picture_prompt, picture_steps


@pytest.mark.parametrize(
    ("steps", "pictures", "after"),
    [
        (450, 0, []),
        (450, 1, [450]),
        (450, 3, [150, 300, 450]),
        (10, 4, [2, 5, 8, 10]),
        (3, 100, [1, 2, 3]),
        (1, 5, [1]),
    ],
)
def test_pictures_are_spread_evenly_and_the_last_is_at_the_end(steps, pictures, after):
    assert picture_steps(steps, pictures) == after


@pytest.mark.parametrize(
    "text",
    ["a photo of <person>", "a photo of <anna>", "(<person>:1.2), <person> again", "  embedding:<person> smiling"],
)
def test_the_person_is_named_by_either_word(text):
    check_picture_prompt(text)
    assert picture_prompt(text, "<anna>") == text.strip().replace("<person>", "<anna>")
    assert picture_prompt(text.replace("<anna>", "<person>"), "<person>")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "nobody appears"),
        ("a photo of a person", "Write <person>"),
        ("a photo of <person", "<person>"),
        ("<person> and <Person >", "<Person >"),
        ("embedding: <person> embedding:", "without a name"),
        ("(" * 101 + "<person>", "nested"),
    ],
)
def test_bad_prompts_are_refused_whoever_is_learned(text, told):
    with pytest.raises(StableIdentityError, match=told):
        check_picture_prompt(text)
        picture_prompt(text, "<anna>")


def test_somebody_else_in_the_prompt_is_refused():
    check_picture_prompt("<anna> and <ben>")
    with pytest.raises(StableIdentityError, match="contains <ben>, but the person who is learned is <anna>"):
        picture_prompt("<anna> and <ben>", "<anna>")

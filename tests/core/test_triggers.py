"""Triggers in prompts."""

from __future__ import annotations

import pytest

from stableidentity_core.errors import StableIdentityError
from stableidentity_core.identity import find_triggers, normalize_trigger
from stableidentity_core.identity.prompt import check_triggers, replace_triggers
from stableidentity_core.identity.triggers import triggers_of


@pytest.mark.parametrize(
    "given,trigger", [("anna", "<anna>"), ("<anna>", "<anna>"), (" anna ", "<anna>"), ("a.B_c-1", "<a.B_c-1>")]
)
def test_one_form_with_brackets(given, trigger):
    assert normalize_trigger(given) == trigger
    assert normalize_trigger(trigger) == trigger
    assert find_triggers(f"a photo of {trigger}") == [trigger]


@pytest.mark.parametrize(
    "given", ["", "<>", "a b", "<anna", "anna>", "<<anna>>", "ann\u00e4", "a/b", "a:1.2", "(a)", "a" * 65]
)
def test_other_forms_are_refused_as_they_were_given(given):
    with pytest.raises(StableIdentityError) as error:
        normalize_trigger(given)
    assert repr(given) in str(error.value)


def test_every_trigger_is_outside_clips_vocabulary(backend):
    """diffusers refuses a token that is one already."""
    vocabulary = backend.texts["clip_h"].tokenizer.get_vocab()
    for bare in ("a", "tom", "cruise", "3", "-", ".", "_"):
        trigger = normalize_trigger(bare)
        assert trigger not in vocabulary and f"{trigger}</w>" not in vocabulary
        assert len(backend.tokenize("clip_h", trigger)) > 1


def test_all_are_found_in_order_with_repeats():
    text = "<anna> and <bob-2>, (<anna>:1.2) but not <lora:x:1> nor a < b > c nor <3"
    assert find_triggers(text) == ["<anna>", "<bob-2>", "<anna>"]


def test_known_and_present_passes():
    assert check_triggers("<anna> and <bob>", ["<anna>", "<bob>", "<carl>"], required=["<anna>"]) is None
    assert check_triggers("no one", ["<anna>"]) is None
    assert check_triggers("a <lora:x:1> of <anna>", ["<anna>"]) is None


@pytest.mark.parametrize("typed", ["<ana>", "<Anna>", "<anna >", "<anna b>"])
def test_an_unknown_one_is_named_with_those_there_are(typed):
    with pytest.raises(StableIdentityError, match=rf"names {typed}, but the identities here are: <anna>, <bob>\."):
        check_triggers(f"photo of {typed}", ["<bob>", "<anna>"])


@pytest.mark.parametrize("typed", ["<anna:1.2>", "<anna: 1.2>", "<anna:1.2 >"])
def test_a_weight_inside_the_brackets_is_told_where_it_belongs(typed):
    with pytest.raises(StableIdentityError, match=rf"says {typed}, .* Type \(<anna>:1\.2\)\."):
        check_triggers(f"photo of {typed}", ["<bob>", "<anna>"])


def test_brackets_of_other_packs_are_left_alone():
    assert check_triggers("<lora:anna:1.2> <hypernet:x> <carl:1.2> of <anna>", ["<anna>"]) is None


def test_a_missing_one_is_named_with_the_prompt():
    with pytest.raises(StableIdentityError, match=r"does not contain <anna>, .* Prompt: 'a photo of anna'"):
        check_triggers("a photo of anna", ["<anna>"], required=["<anna>"])


def test_a_long_prompt_is_shortened_in_the_message():
    with pytest.raises(StableIdentityError) as error:
        check_triggers("very " * 200, ["<anna>"], required=["<anna>"])
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    "text,expected",
    [
        ("photo of <anna>", "photo of W1"),
        ("photo of <anna>'s hat", "photo of W1 's hat"),
        ("(<anna>:1.2)", "( W1 :1.2)"),
        ("<anna><bob>", "W1 W2"),
        ("<anna> and <bob>", "W1 and W2"),
        ("<anna>,<anna>", "W1 , W1"),
        ("<carl> and  <lora:x:1>", "<carl> and <lora:x:1>"),
        ("", ""),
    ],
)
def test_replacing_sets_words_apart_and_leaves_the_rest(text, expected):
    replaced = replace_triggers(text, {"<anna>": "W1", "<bob>": "W2"})
    assert " ".join(replaced.split()) == expected


def test_what_is_not_replaced_keeps_its_white_space():
    assert replace_triggers("a  <carl>\n b", {"<anna>": "W1"}) == "a  <carl>\n b"


@pytest.mark.parametrize(
    ("given", "people", "triggers"),
    [
        (["anna"], 1, ["<anna>"]),
        (["anna, ben"], 2, ["<anna>", "<ben>"]),
        (["<anna>,<ben>,carl"], 3, ["<anna>", "<ben>", "<carl>"]),
        (["anna", "ben"], 2, ["<anna>", "<ben>"]),
    ],
)
def test_triggers_of_several_people(given, people, triggers):
    assert triggers_of(given, people) == triggers


@pytest.mark.parametrize(
    ("given", "people", "message"),
    [
        (
            ["anna"],
            2,
            r"are 2 faces and 1 trigger \(<anna>\), .*: such as person-1, person-2\.",
        ),
        (["anna, ben"], 1, r"is 1 face and 2 triggers \(<anna>, <ben>\)"),
        (["anna", "ben"], 40, r"are 40 faces and 2 triggers .*person-3, \.\.\."),
        (["anna, ben, anna"], 3, r"Of 3 people several have the trigger <anna>"),
        (["anna", "<anna>"], 2, "several have the trigger <anna>"),
        (["anna, "], 2, "trigger ' ' must be"),
        (["anna, b n"], 2, "trigger ' b n' must be"),
    ],
)
def test_triggers_that_do_not_fit_the_people_are_refused(given, people, message):
    with pytest.raises(StableIdentityError, match=message):
        triggers_of(given, people)

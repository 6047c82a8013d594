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
        assert len(backend.text_spaces[0].tokenize(trigger)) > 1


def test_all_are_found_in_order_with_repeats():
    text = "<anna> and <bob-2>, (<anna>:1.2) but not <lora:x:1> nor a < b > c nor <3"
    assert find_triggers(text) == ["<anna>", "<bob-2>", "<anna>"]


def test_known_and_present_passes():
    assert check_triggers("<anna> and <bob>", ["<anna>", "<bob>", "<carl>"], required=["<anna>"]) is None
    assert check_triggers("no one", ["<anna>"]) is None
    assert check_triggers("a <lora:x:1> of <anna>", ["<anna>"]) is None


@pytest.mark.parametrize("typed", ["<ana>", "<br>", "<\u5b89\u5a1c>"])
def test_an_unknown_one_is_named_with_those_there_are(typed):
    said = rf"contains {typed}, but the connected identities are: <anna>, <bob>\."
    with pytest.raises(StableIdentityError, match=said):
        check_triggers(f"photo of {typed}", ["<bob>", "<anna>"])


@pytest.mark.parametrize("typed", ["<anna:1.2>", "<anna: 1.2>", "<anna:1.2 >"])
def test_a_weight_inside_the_brackets_is_told_where_it_belongs(typed):
    with pytest.raises(StableIdentityError, match=rf"contains {typed}, .* Type \(<anna>:1\.2\)\."):
        check_triggers(f"photo of {typed}", ["<bob>", "<anna>"])


@pytest.mark.parametrize(
    "text",
    [
        "<lora:anna:1.2> <hypernet:x> <carl:1.2> of <anna>",
        "<lora: anna>",
        "<b>bold</b> <anna>",
        "<B>bold</b > <anna>",
        "5 < x > 3",
        "a<b and c>d",
        "<3 <anna> >_<",
        "anna -> ben",
        "\u00abLe Monde\u00bb and \u300a\u4e09\u4f53\u300b",
        "[anna], (anna), {anna}",
        "\uff1c\u5b89\u5a1c\uff1e",
        "<<anna>>",
        "<anna>\u200b",
    ],
)
def test_what_is_not_spelled_as_a_trigger_is_text(text):
    assert check_triggers(text, ["<anna>", "<ben>"]) is None


@pytest.mark.parametrize(
    "typed",
    [
        "<Anna>",
        "<\u0430nna>",  # Cyrillic
        "<\u00e1nna>",
        "\uff1canna\uff1e",
        "\ufe64anna\ufe65",
        "&lt;anna&gt;",
        "&#60;anna&#x3E;",
        "<anna&gt;",
        "<an\u200bna>",
        "<\ufeffanna>",
        "<an\u00adna>",
        "<anna\u00a0>",
        "<anna >",
        "< anna>",
        "<anna b>",
        "<dear anna>",
        "<anna/>",
        "</anna>",
        "\u2039anna\u203a",
        "\u00abanna\u00bb",
        "\u3008Anna\u3009",
        "\u300aanna\u300b",
        "\u27e8anna\u27e9",
        "\\<anna\\>",
        "<anna",
        "anna>",
        "<anna,",
    ],
)
@pytest.mark.parametrize("text", ["{}", "photo of {} and <ben>", "<ben> and ({}:1.2)"])
def test_what_was_meant_for_a_trigger_is_told_with_the_right_spelling(typed, text):
    with pytest.raises(StableIdentityError, match=r"The prompt contains .*Type <anna>") as error:
        check_triggers(text.format(typed), ["<anna>", "<ben>"])
    assert "\u200b" not in str(error.value)


@pytest.mark.parametrize(
    "typed", ["<anna|ben>", "<anna, ben>", "<anna & Ben>", "\uff1canna\uff0fben\uff1e", "<{anna|ben}>"]
)
def test_two_people_in_one_pair_of_brackets(typed):
    with pytest.raises(StableIdentityError, match="Type <anna> <ben>"):
        check_triggers(f"photo of {typed}", ["<anna>", "<ben>"])


def test_a_character_that_cannot_be_told_apart_is_named():
    for typed, name in (("<an\u200bna>", "ZERO WIDTH SPACE"), ("<\u0430nna>", "CYRILLIC SMALL LETTER A")):
        with pytest.raises(StableIdentityError, match=name):
            check_triggers(typed, ["<anna>"])


@pytest.mark.parametrize(
    "text", ["embedding:", "a embedding: ", "(embedding::1.2)", "embedding:(b:1.1)", "embedding:)"]
)
def test_an_embedding_without_a_name(text):
    """The host's nodes break off there."""
    with pytest.raises(StableIdentityError, match="contains 'embedding:' without a name"):
        check_triggers(f"{text} <anna>" if text == "embedding:)" else text, ["<anna>"])


@pytest.mark.parametrize(
    ("text", "what"), [("(" * 3000 + "a" + ")" * 3000, "3000 levels of nested brackets"), ("\ud800 <anna>", "half a")]
)
def test_a_prompt_that_no_node_could_read(text, what):
    with pytest.raises(StableIdentityError, match=what) as error:
        check_triggers(text, ["<anna>"])
    assert len(str(error.value).encode()) < 400


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
        ("embedding:<anna>", "W1"),
        ("(embedding:<anna>:1.2), embedding:<bob>", "( W1 :1.2), W2"),
        ("photo,Embedding: <anna>", "photo, W1"),
        ("embedding:(<anna>:1.2)", "( W1 :1.2)"),
        ("embedding:<carl> embedding:carl", "embedding:<carl> embedding:carl"),
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
            r"are 2 faces and 1 trigger \(<anna>\), .*, such as person-1, person-2\.",
        ),
        (["anna, ben"], 1, r"is 1 face and 2 triggers \(<anna>, <ben>\)"),
        (["anna", "ben"], 40, r"are 40 faces and 2 triggers .*person-3, \.\.\."),
        (["anna, ben, anna"], 3, r"Of 3 people, several have the trigger <anna>"),
        (["anna", "<anna>"], 2, "several have the trigger <anna>"),
        (["anna, "], 2, "trigger ' ' must be"),
        (["anna, b n"], 2, "trigger ' b n' must be"),
    ],
)
def test_triggers_that_do_not_fit_the_people_are_refused(given, people, message):
    with pytest.raises(StableIdentityError, match=message):
        triggers_of(given, people)

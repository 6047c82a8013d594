"""What others wrote into names and headers is shown, and steers no terminal."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from stableidentity_core.console.printable import printable, printable_line


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[31mred\x1b[0m",
        "\x1b]0;title\x07",
        "\x9b2J",  # the same in one byte
        "a\rb",
        "a\x08\x08",
        "\x7f",
        "\u202egnp.exe",  # right to left
        "\u2066isolated\u2069",
        "an\u200bna",
        "an\u2060na",
        "\ufeffanna",
        "an\u00adna",
        "a\u3164b",
        "a\ufe0fb",
        "a\U000e0041b",
        "a\u2028b",
        "a\u00a0b",
        "\udcff",  # an undecodable byte of a path
        "\x00",
        "\t",
    ],
    ids=ascii,
)
def test_what_is_not_shown_is_escaped(text):
    shown = printable(text)
    assert shown != text and shown.isprintable() and "\\" in shown
    shown.encode()  # with no half of a surrogate pair left
    assert all(char in shown for char in text if char.isascii() and char.isalnum())


@pytest.mark.parametrize(
    "text", ["anna", "Zoë Ångström", "<anna>", "安娜", "Анна", "a b_c-d.e", "🙂", "two\nlines", "\\x1b"]
)
def test_what_is_shown_stays(text):
    assert printable(text) == text


def test_one_line_stays_one_line():
    assert printable_line("a\nError: b\r\n") == "a\\nError: b\\r\\n"


def test_no_character_of_any_kind_that_steers_is_left():
    steering = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    kept = printable("".join(map(chr, range(sys.maxunicode + 1))))
    assert not {char for char in kept if unicodedata.category(char) in steering} - {"\n"}

"""Escaping untrusted text, such as names and headers of files, before it reaches a terminal."""

from __future__ import annotations

import re

# Invisible although Python calls them printable: fillers, joiners and variation selectors.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def printable(text: str) -> str:
    """The text with every character escaped that a terminal interprets or does not show; only newlines are kept.

    Escaped are control characters (so that no ANSI sequence is left), bidirectional controls, zero-width and filler
    characters, unusual spaces, and the lone surrogates that stand for undecodable bytes of a path.
    """
    return "".join(char if _is_shown(char) else _escaped(char) for char in text)


def printable_line(text: str) -> str:
    """The same, in one line."""
    return printable(text).replace("\n", "\\n")


def _is_shown(char: str) -> bool:
    return char == "\n" or (char.isprintable() and not _INVISIBLE.match(char))


def _escaped(char: str) -> str:
    return ascii(char)[1:-1]

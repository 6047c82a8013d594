"""Text of others, such as names and headers of files, before it reaches a terminal."""

from __future__ import annotations

import re

# Drawn as nothing though Python calls them printable: fillers, joiners, and what selects the form of a character.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def printable(text: str) -> str:
    """The text with everything escaped that a terminal obeys or does not show; only line ends stay.

    That is control characters (so that no ANSI sequence is left), those that turn the direction of writing, zero-width
    and filling ones, unusual spaces, and the lone surrogates that stand for undecodable bytes of a path.
    """
    return "".join(char if _is_shown(char) else _escaped(char) for char in text)


def printable_line(text: str) -> str:
    """The same in one line."""
    return printable(text).replace("\n", "\\n")


def _is_shown(char: str) -> bool:
    return char == "\n" or (char.isprintable() and not _UNSEEN.match(char))


def _escaped(char: str) -> str:
    return ascii(char)[1:-1]

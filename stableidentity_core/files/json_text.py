"""JSON in file headers, which is untrusted."""

from __future__ import annotations

import json
from typing import Any

from ..errors import StableIdentityError


def parse_json(text: str, what: str) -> Any:
    """Any JSON value.

    Raises:
        StableIdentityError: not JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StableIdentityError(f"{what} is not valid JSON: {str(error) or type(error).__name__}.") from error


def parse_object(text: str, what: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        StableIdentityError: anything else.
    """
    value = parse_json(text, what)
    if not isinstance(value, dict):
        raise StableIdentityError(f"{what} is a {type(value).__name__}, needed a JSON object.")
    return value


def parse_texts(text: str, what: str) -> dict[str, str]:
    """A JSON object whose values are strings.

    Raises:
        StableIdentityError: anything else.
    """
    values = parse_object(text, what)
    for key, value in values.items():
        if not isinstance(value, str):
            raise StableIdentityError(f"{what} has a {type(value).__name__} under {key!r}, needed a string.")
    return values


def parse_whole(text: str, what: str) -> int:
    """An integer, 0 or more.

    Raises:
        StableIdentityError: anything else.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise StableIdentityError(f"{what} is {text[:40]!r}, needed an integer.")
    return int(text)

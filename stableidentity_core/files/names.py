"""Validation of user-chosen file names: no paths, and valid on every operating system."""

from __future__ import annotations

import re
from enum import Enum

from ..errors import StableIdentityError

_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
_SUPERSCRIPTS = str.maketrans("\u00b9\u00b2\u00b3", "123")
MAX_NAME = 100
MAX_NAME_BYTES = 200


class IfExists(Enum):
    """What to do if a file with other words has the name."""

    NUMBER = "add a number"
    REPLACE = "replace"
    STOP = "stop"


def safe_file_name(name: str) -> str:
    """Check a user's file name and return it.

    Allowed are letters, digits, `.`, `_` and `-`, because `embedding:<name>` ends at whitespace and
    brackets; other names are rejected rather than silently changed.
    """
    name = name.strip()
    problem = None
    if not name:
        problem = "is empty"
    elif len(name) > MAX_NAME:
        problem = f"has {len(name)} characters, at most {MAX_NAME} are allowed"
    elif not re.fullmatch(r"[\w.-]+", name):
        bad = "".join(dict.fromkeys(re.findall(r"[^\w.-]", name)))
        problem = f"contains {bad!r}"
    elif len(name.encode()) > MAX_NAME_BYTES:  # file systems count bytes and allow 255, ending included
        problem = f"has {len(name.encode())} bytes, at most {MAX_NAME_BYTES} are allowed"
    elif name.startswith(".") or name.endswith("."):
        problem = "starts or ends with a dot"
    elif _device(name) in _RESERVED:
        problem = "is a reserved name on Windows"
    if problem:
        shown = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 3]}..."
        raise StableIdentityError(
            f"The name {shown!r} {problem}. Use letters, digits, '_', '-' and inner dots, such as 'anna-2026'."
        )
    return name


def _device(name: str) -> str:
    """The device that Windows reads a name as: it ignores everything after a dot, and `COM\u00b9` is COM1."""
    return name.split(".")[0].lower().translate(_SUPERSCRIPTS)

"""What became of one input: accepted, refused in the pack's own words, or anything else, which is a fault."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stableidentity_core.errors import StableIdentityError

CORE = "stableidentity_core"
ACCEPTED, REFUSED, FOREIGN = "accepted", "refused", "foreign exception"
CONTROL = {chr(code) for code in (*range(32), 127, *range(128, 160))} - set("\n\r\t")


class Refused(Exception):
    """The pack refused by other means than an exception: an exit code, or a line in the log."""


@dataclass(frozen=True)
class Verdict:
    kind: str
    label: str
    root: str = ""
    message: str = ""
    trace: str = ""


def judge(label: str, act: Callable[[], object]) -> Verdict:
    """Do it, and tell what became of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            act()
    except Refused:
        return Verdict(REFUSED, label)
    except StableIdentityError as error:
        return _in_our_words(label, error)
    except BaseException as error:
        return foreign(label, error)
    return Verdict(ACCEPTED, label)


def foreign(label: str, error: BaseException) -> Verdict:
    trace = "".join(traceback.format_exception(error))
    return Verdict(FOREIGN, label, _root(error), _safe(f"{type(error).__name__}: {error}")[:400], _safe(trace))


def check_said(text: str) -> None:
    """Raise when a text for people would do something to their terminal."""
    found = sorted(CONTROL & set(text))
    assert not found, f"control characters {found} in {text[:300]!r}"


def _in_our_words(label: str, error: StableIdentityError) -> Verdict:
    text = str(error)
    if len(text) > 10 and not CONTROL & set(text):
        return Verdict(REFUSED, label)
    what = "an empty message" if len(text) <= 10 else "control characters in the message"
    return Verdict(FOREIGN, label, f"{what}, {_place(error)}", _safe(repr(text))[:400], "")


def _root(error: BaseException) -> str:
    return f"{type(error).__name__} in {_place(error)}"


def _place(error: BaseException) -> str:
    """The deepest function of the pack on the way, else the deepest of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if CORE in Path(frame.filename).parts]
    last = (own or list(frames))[-1] if frames else None
    if last is None:
        return "nowhere"
    parts = Path(last.filename).parts
    start = parts.index(CORE) if CORE in parts else len(parts) - 1
    return f"{'/'.join(parts[start:])}:{last.name}"


def _safe(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()

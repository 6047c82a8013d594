"""Triggers in prompts."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ..errors import StableIdentityError
from .lookalikes import check_lookalikes, shortened

_TRIGGER = re.compile(r"<([A-Za-z0-9_.-]{1,64})>")
# ComfyUI's prefix for a file name, typed before a trigger by mistake.
_PREFIX = re.compile(r"embedding:\s*(?=[(\s]*(<[A-Za-z0-9_.-]{1,64}>))", re.IGNORECASE)

# A prompt segment, as split by weights, that begins with the prefix but has no name.
_NAMELESS = re.compile(r"(?:^|[\s()])embedding:\s*(?=$|[()]|:\s*[0-9.]+\s*\)|embedding:)")
MAX_DEPTH = 100  # ComfyUI's parser recurses once per level


def normalize_trigger(trigger: str) -> str:
    """`anna` or `<anna>` -> `<anna>`, the form used in prompts and as the key in the file.

    The brackets keep every trigger out of CLIP's vocabulary, since diffusers rejects known tokens:
    CLIP never merges letters and punctuation into one token.
    """
    bare = trigger.strip()
    bare = bare[1:-1] if bare.startswith("<") and bare.endswith(">") else bare
    if not _TRIGGER.fullmatch(f"<{bare}>"):
        raise StableIdentityError(
            f"The trigger {shortened(trigger)!r} must be 1 to 64 letters (a-z), digits, '.', '_' or '-', such as "
            "'anna'."
        )
    return f"<{bare}>"


def find_triggers(text: str) -> list[str]:
    """Everything spelled like a trigger in a prompt, in order, with repeats."""
    return [match.group(0) for match in _TRIGGER.finditer(text)]


def check_triggers(text: str, known: Collection[str], required: Collection[str] = ()) -> None:
    """Raise if a prompt contains unknown or misspelled triggers, cannot be parsed, or lacks a required trigger.

    Angle brackets not spelled like a trigger, such as `5 < x > 3`, `<b>bold</b>` or `<lora:name:1>`, are plain text.
    """
    _check_parsable(text, known)
    check_lookalikes(text, known)
    found = find_triggers(text)
    missing = [trigger for trigger in required if trigger not in found]
    if missing:
        raise StableIdentityError(
            f"The prompt does not contain {', '.join(missing)}, so that identity would have no effect. "
            f"Type the trigger where the person should appear. Prompt: {shortened(text)!r}"
        )


def _check_parsable(text: str, known: Collection[str]) -> None:
    """Raise if the host's prompt nodes would fail on the text."""
    depth = deepest = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        deepest = max(deepest, depth)
    problem = None
    if _NAMELESS.search(_without_prefix(text, known)):
        problem = "contains 'embedding:' without a name after it. Type embedding:NAME or a trigger, or remove it"
    elif deepest > MAX_DEPTH:
        problem = f"has {deepest} levels of nested brackets, at most {MAX_DEPTH} are allowed. Remove some"
    elif re.search("[\ud800-\udfff]", text):
        problem = "contains half a character (a lone surrogate). Delete it and type it again"
    if problem:
        raise StableIdentityError(f"The prompt {problem}. Prompt: {shortened(text)!r}")


def replace_triggers(text: str, replacements: Mapping[str, str], spaced: bool = True) -> str:
    """Replace each known trigger with its word; `embedding:<anna>` counts as `<anna>`.

    Args:
        spaced: surround each word by spaces, as file names need.
    """
    space, around = (" ", r"\s*") if spaced else ("", "")

    def substitute(match: re.Match[str]) -> str:
        word = replacements.get(match.group(1))
        return match.group(0) if word is None else f"{space}{word}{space}"

    return re.sub(rf"{around}(<[A-Za-z0-9_.-]{{1,64}}>){around}", substitute, _without_prefix(text, replacements))


def _without_prefix(text: str, known: Collection[str]) -> str:
    return _PREFIX.sub(lambda match: "" if match.group(1) in known else match.group(0), text)

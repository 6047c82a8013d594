"""Triggers in prompts."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ..errors import StableIdentityError
from .meant import check_meant, shortened

_TRIGGER = re.compile(r"<([A-Za-z0-9_.-]{1,64})>")
# ComfyUI's way of naming a file, put before a trigger out of habit.
_PREFIX = re.compile(r"embedding:\s*(?=[(\s]*(<[A-Za-z0-9_.-]{1,64}>))", re.IGNORECASE)

# A segment of the prompt, as weights cut it, that begins so and names nothing.
_NAMELESS = re.compile(r"(?:^|[\s()])embedding:\s*(?=$|[()]|:\s*[0-9.]+\s*\)|embedding:)")
MAX_DEPTH = 100  # ComfyUI calls itself once for each


def normalize_trigger(trigger: str) -> str:
    """`anna` or `<anna>` -> `<anna>`, the one form used in prompts and as key of the file.

    The brackets keep every trigger outside CLIP's vocabulary, where diffusers would refuse it:
    CLIP never joins letters and punctuation into one token.
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
    """All that is spelled as a trigger in a prompt, in order, repeats included."""
    return [match.group(0) for match in _TRIGGER.finditer(text)]


def check_triggers(text: str, known: Collection[str], required: Collection[str] = ()) -> None:
    """Raise when a prompt names someone unknown or in a way that nobody understands, or leaves out someone required.

    Angle brackets that are no trigger's spelling, such as `5 < x > 3`, `<b>bold</b>` or `<lora:name:1>`, are text.
    """
    _check_sayable(text, known)
    check_meant(text, known)
    found = find_triggers(text)
    missing = [trigger for trigger in required if trigger not in found]
    if missing:
        raise StableIdentityError(
            f"The prompt does not contain {', '.join(missing)}, so that identity would have no effect. "
            f"Type the trigger where the person is meant. Prompt: {shortened(text)!r}"
        )


def _check_sayable(text: str, known: Collection[str]) -> None:
    """Raise when the host's prompt nodes would break off at the text."""
    depth = deepest = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        deepest = max(deepest, depth)
    problem = None
    if _NAMELESS.search(_without_prefix(text, known)):
        problem = "says 'embedding:' without a name behind it. Type embedding:NAME or a trigger, or remove it"
    elif deepest > MAX_DEPTH:
        problem = f"has {deepest} brackets within each other, at most {MAX_DEPTH} are possible. Remove some"
    elif re.search("[\ud800-\udfff]", text):
        problem = "holds half a character (a lone surrogate). Delete it and type it again"
    if problem:
        raise StableIdentityError(f"The prompt {problem}. Prompt: {shortened(text)!r}")


def replace_triggers(text: str, replacements: Mapping[str, str]) -> str:
    """Replace each known trigger by a word of its own, with white space around it; `embedding:<anna>` is `<anna>`."""

    def substitute(match: re.Match[str]) -> str:
        return f" {replacements[match.group(1)]} " if match.group(1) in replacements else match.group(0)

    return re.sub(r"\s*(<[A-Za-z0-9_.-]{1,64}>)\s*", substitute, _without_prefix(text, replacements))


def _without_prefix(text: str, known: Collection[str]) -> str:
    return _PREFIX.sub(lambda match: "" if match.group(1) in known else match.group(0), text)

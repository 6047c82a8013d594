"""Triggers in prompts."""

from __future__ import annotations

import re
from collections.abc import Collection

from ..errors import StableIdentityError

_TRIGGER = re.compile(r"<([A-Za-z0-9_.-]{1,64})>")
# Also what was meant for a trigger; `<lora:name:1>` of other packs is not.
_MEANT = re.compile(r"<[\w .-]{1,64}>")
_WEIGHT_INSIDE = re.compile(r"(<[A-Za-z0-9_.-]{1,64}):\s*([0-9.]+)\s*>")


def normalize_trigger(trigger: str) -> str:
    """`anna` or `<anna>` -> `<anna>`, the one form used in prompts and as key of the file.

    The brackets keep every trigger outside CLIP's vocabulary, where diffusers would refuse it:
    CLIP never joins letters and punctuation into one token.
    """
    bare = trigger.strip()
    bare = bare[1:-1] if bare.startswith("<") and bare.endswith(">") else bare
    if not _TRIGGER.fullmatch(f"<{bare}>"):
        raise StableIdentityError(
            f"The trigger {trigger!r} must be 1 to 64 letters (a-z), digits, '.', '_' or '-', such as 'anna'."
        )
    return f"<{bare}>"


def find_triggers(text: str) -> list[str]:
    """All triggers that stand in a prompt, in order, repeats included."""
    return [match.group(0) for match in _TRIGGER.finditer(text)]


def check_triggers(text: str, known: Collection[str], required: Collection[str] = ()) -> None:
    """Raise when a prompt names someone unknown or leaves out someone required."""
    found = find_triggers(text)
    offered = ", ".join(sorted(known)) or "none"
    unknown = [trigger for trigger in dict.fromkeys(_MEANT.findall(text)) if trigger not in known]
    if unknown:
        raise StableIdentityError(
            f"The prompt names {', '.join(unknown)}, but the identities here are: {offered}. "
            f"Mend the spelling or connect the identity. Prompt: {_short(text)!r}"
        )
    inside = next((match for match in _WEIGHT_INSIDE.finditer(text) if f"{match.group(1)}>" in known), None)
    if inside:
        raise StableIdentityError(
            f"The prompt says {inside.group(0)}, which is no trigger: a weight stands outside the angle brackets. "
            f"Type ({inside.group(1)}>:{inside.group(2)}). Prompt: {_short(text)!r}"
        )
    missing = [trigger for trigger in required if trigger not in found]
    if missing:
        raise StableIdentityError(
            f"The prompt does not contain {', '.join(missing)}, so that identity would have no effect. "
            f"Type the trigger where the person is meant. Prompt: {_short(text)!r}"
        )


def replace_triggers(text: str, replacements: dict[str, str]) -> str:
    """Replace each known trigger by a word of its own, with white space around it."""

    def substitute(match: re.Match[str]) -> str:
        return f" {replacements[match.group(1)]} " if match.group(1) in replacements else match.group(0)

    return re.sub(r"\s*(<[A-Za-z0-9_.-]{1,64}>)\s*", substitute, text)


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."

"""Pictures that are painted while a person is learned: when, and by which prompt."""

from __future__ import annotations

from ..errors import StableIdentityError
from ..identity.lookalikes import shortened
from ..identity.prompt import check_triggers, find_triggers

PERSON = "<person>"  # in a picture's prompt: whoever is learned
MOST = 100


def picture_steps(steps: int, pictures: int) -> list[int]:
    """The steps after which to paint, evenly spread, the last one after the last step; at most one each step."""
    return sorted({max(1, round(steps * number / pictures)) for number in range(1, pictures + 1)})


def check_picture_prompt(text: str) -> None:
    """Raise unless a prompt can be one of a picture, whatever the triggers of the people are.

    Raises:
        StableIdentityError: nobody is in it, or ComfyUI could not parse it.
    """
    named = find_triggers(text)
    if not named:
        raise StableIdentityError(
            f"picture_prompt is {shortened(text)!r}, in which nobody appears. Write {PERSON} where the person should, "
            f"such as 'a photo of {PERSON}'."
        )
    check_triggers(text, {PERSON, *named})


def picture_prompt(text: str, trigger: str) -> str:
    """The prompt for one person: `<person>` is replaced by their trigger, which may also be written itself.

    Args:
        trigger: "<anna>".

    Raises:
        StableIdentityError: the person is not in it, or somebody else is.
    """
    check_picture_prompt(text)
    if others := sorted({*find_triggers(text)} - {PERSON, trigger}):
        raise StableIdentityError(
            f"picture_prompt contains {', '.join(others)}, but the person who is learned is {trigger}. Write {PERSON}, "
            f"which is each person in turn. Prompt: {shortened(text)!r}"
        )
    check_triggers(text, {PERSON, trigger})
    return text.replace(PERSON, trigger).strip()

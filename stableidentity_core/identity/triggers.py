"""The triggers of several people, from one text or a list of texts."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import StableIdentityError
from .prompt import normalize_trigger


def split_triggers(text: str) -> list[str]:
    """`anna, ben` -> `<anna>`, `<ben>`.

    Raises:
        StableIdentityError: one of them is not a valid trigger.
    """
    return [normalize_trigger(one) for one in text.split(",")]


def triggers_of(given: Sequence[str], people: int) -> list[str]:
    """One trigger per person.

    Args:
        given: one text per person, or a single text with commas.
        people: the number of people.

    Raises:
        StableIdentityError: an invalid trigger, a wrong number of triggers, or two people with the same one.
    """
    triggers = split_triggers(given[0]) if len(given) == 1 else [normalize_trigger(one) for one in given]
    if len(triggers) != people:
        raise StableIdentityError(
            f"There {_counted(people, 'face', 'faces')} and {len(triggers)} "
            f"{'trigger' if len(triggers) == 1 else 'triggers'} ({', '.join(triggers)}), needed one per person, "
            f"{_example(people)}. Connect several photos of the same person to one Prepare Face."
        )
    check_different(triggers)
    return triggers


def check_different(triggers: Sequence[str]) -> None:
    """Raise if two people have the same trigger, since a prompt could not distinguish them."""
    twice = sorted({trigger for trigger in triggers if triggers.count(trigger) > 1})
    if twice:
        raise StableIdentityError(
            f"Of {len(triggers)} people, several have the trigger {', '.join(twice)} ({', '.join(triggers)}), needed "
            "a different one per person."
        )


def _counted(count: int, one: str, more: str) -> str:
    return f"is 1 {one}" if count == 1 else f"are {count} {more}"


def _example(people: int) -> str:
    names = ", ".join(f"person-{number}" for number in range(1, min(people, 3) + 1))
    return f"such as {names}" + (", ..." if people > 3 else "")

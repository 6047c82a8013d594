"""The triggers of several people: one text or a list, one for each."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import StableIdentityError
from .prompt import normalize_trigger


def split_triggers(text: str) -> list[str]:
    """`anna, ben` -> `<anna>`, `<ben>`; of one person it is a list of one.

    Raises:
        StableIdentityError: one that is no trigger.
    """
    return [normalize_trigger(one) for one in text.split(",")]


def triggers_of(given: Sequence[str], people: int) -> list[str]:
    """A trigger for each of so many people.

    Args:
        given: a text for each person, or one text with commas for all.
        people: how many there are.

    Raises:
        StableIdentityError: no trigger, another number of triggers than of people, or one that stands for two.
    """
    triggers = split_triggers(given[0]) if len(given) == 1 else [normalize_trigger(one) for one in given]
    if len(triggers) != people:
        raise StableIdentityError(
            f"There {_counted(people, 'face', 'faces')} and {len(triggers)} "
            f"{'trigger' if len(triggers) == 1 else 'triggers'} ({', '.join(triggers)}), needed one for each person: "
            f"{_example(people)}. Photos of one and the same person go into one Prepare Face."
        )
    check_different(triggers)
    return triggers


def check_different(triggers: Sequence[str]) -> None:
    """Raise when a trigger stands for two people, whom a prompt could not tell apart."""
    twice = sorted({trigger for trigger in triggers if triggers.count(trigger) > 1})
    if twice:
        raise StableIdentityError(
            f"Of {len(triggers)} people several have the trigger {', '.join(twice)} ({', '.join(triggers)}), needed "
            "one of their own for each."
        )


def _counted(count: int, one: str, more: str) -> str:
    return f"is 1 {one}" if count == 1 else f"are {count} {more}"


def _example(people: int) -> str:
    names = ", ".join(f"person-{number}" for number in range(1, min(people, 3) + 1))
    return f"such as {names}" + (", ..." if people > 3 else "")

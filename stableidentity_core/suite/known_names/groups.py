"""Names that a model may know, and names made of them that it cannot know."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from ...errors import StableIdentityError

FEWEST, MOST = 4, 100  # names of a group
CELEBRITIES, NEW, SCRAMBLED = "celebrities", "new names", "scrambled"
TRIES = 20  # to find new names, for each choice of last names
Groups = Mapping[str, Sequence[str]]


def name_groups(names: Sequence[str], count: int, seed: int = 0) -> Groups:
    """`count` of the names, as many new ones of their first and last names, and as many with the letters mixed.

    Args:
        names: "First Last"; of more words, the first and the last one count for the new names. Names of one word have
            no such parts and are left out.

    Raises:
        StableIdentityError: fewer than 4 names are asked for, more than 100, or more than there are; or their parts
            make too few names that are not in the list.
    """
    known = [name for name in dict.fromkeys(names) if len(name.split()) > 1]
    if not FEWEST <= count <= MOST:
        raise StableIdentityError(f"The number of names is {count}, needed {FEWEST} to {MOST}.")
    if len(known) < count:
        raise StableIdentityError(
            f"There are {len(known)} different names of a first and a last name, needed {count}. Give more, or ask for "
            "fewer."
        )
    draw = random.Random(seed)
    chosen = draw.sample(known, count)
    return {
        CELEBRITIES: chosen,
        NEW: _recombined(chosen, known, draw),
        SCRAMBLED: [" ".join(_scrambled(word, draw) for word in name.split()) for name in chosen],
    }


def _recombined(names: Sequence[str], known: Sequence[str], draw: random.Random) -> list[str]:
    """The first name of each with the last name of another, so that nobody of the list comes out, and nobody twice.

    The last names are those of the same people if possible, and else those of the whole list.
    """
    taken = {" ".join(_ends(name)) for name in known} | set(known)
    firsts, lasts = [_ends(name)[0] for name in names], [_ends(name)[1] for name in names]
    everybody = sorted({_ends(name)[1] for name in known}) * len(names)
    for pool in (lasts, everybody):
        for _try in range(TRIES):
            made = _paired(firsts, draw.sample(pool, len(pool)), taken)
            if len(made) == len(names):
                return made
    raise StableIdentityError(
        f"No {len(names)} new names could be made of the first and last names in the list: too few of them differ. "
        "Give more different names, or ask for fewer."
    )


def _paired(firsts: Sequence[str], lasts: list[str], taken: set[str]) -> list[str]:
    """Each first name with the first last name that makes a new name; fewer where none is left for one."""
    made: list[str] = []
    for first in firsts:
        last = next(
            (
                last
                for last in lasts
                if last != first and f"{first} {last}" not in taken and f"{first} {last}" not in made
            ),
            None,
        )
        if last is None:
            break
        lasts.remove(last)
        made.append(f"{first} {last}")
    return made


def _ends(name: str) -> tuple[str, str]:
    words = name.split()
    return words[0], words[-1]


def _scrambled(word: str, draw: random.Random) -> str:
    """The letters in another order, a capital first."""
    letters = list(word.lower())
    draw.shuffle(letters)
    return "".join(letters).capitalize()

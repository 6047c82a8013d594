"""Names that a model may know, and names made of them that it cannot know."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from ...errors import StableIdentityError

FEWEST, MOST = 4, 100  # names of a group
CELEBRITIES, NEW, SCRAMBLED = "celebrities", "new names", "scrambled"
TRIES = 200  # to find new names
Groups = Mapping[str, Sequence[str]]


def name_groups(names: Sequence[str], count: int, seed: int = 0) -> Groups:
    """`count` of the names, as many new ones of their first and last names, and as many with the letters mixed.

    Args:
        names: "First Last"; of more words, the first and the last one count for the new names.

    Raises:
        StableIdentityError: fewer than 4 names are asked for, more than 100, or more than there are.
    """
    known = list(dict.fromkeys(names))
    if not FEWEST <= count <= MOST:
        raise StableIdentityError(f"The number of names is {count}, needed {FEWEST} to {MOST}.")
    if len(known) < count:
        raise StableIdentityError(
            f"There are {len(known)} different names, needed {count}. Give more, or ask for fewer."
        )
    draw = random.Random(seed)
    chosen = draw.sample(known, count)
    return {
        CELEBRITIES: chosen,
        NEW: _recombined(chosen, set(known), draw),
        SCRAMBLED: [" ".join(_scrambled(word, draw) for word in name.split()) for name in chosen],
    }


def _recombined(names: Sequence[str], known: set[str], draw: random.Random) -> list[str]:
    """The first name of each with the last name of another, so that nobody of the list comes out where possible."""
    firsts, lasts = [name.split()[0] for name in names], [name.split()[-1] for name in names]
    tries = []
    for _try in range(TRIES):
        draw.shuffle(lasts)
        tries.append([f"{first} {last}" for first, last in zip(firsts, lasts, strict=True)])
    return min(tries, key=lambda made: sum(name in known for name in made) + len(made) - len(set(made)))


def _scrambled(word: str, draw: random.Random) -> str:
    """The letters in another order, a capital first."""
    letters = list(word.lower())
    draw.shuffle(letters)
    return "".join(letters).capitalize()

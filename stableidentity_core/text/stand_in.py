"""Names in running text, and names that stand in for learned words while a prompt is tokenised.

Where tokens depend on their surroundings, neither a name nor the text around a slot can be tokenised by itself. So the
whole prompt is tokenised with a real name of two tokens in each slot, and the words then take the place of its tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import StableIdentityError
from .space import WORDS

BEFORE, AFTER = "a photo of", "in the rain"
Tokenize = Callable[[str], list[int]]


class NoStandInError(StableIdentityError):
    """No name can stand in for the words of a prompt."""


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """A name, and the pairs of tokens as which it is read in different places of a text."""

    name: str
    pairs: frozenset[tuple[int, ...]]

    def places(self, ids: Sequence[int]) -> list[int]:
        """Where the name begins among these tokens, in order."""
        return [at for at in range(len(ids) - WORDS + 1) if tuple(ids[at : at + WORDS]) in self.pairs]


def tokens_in_sentence(tokenize: Tokenize, name: str) -> list[int]:
    """A name's tokens in running text, the space before it included; empty if they merge with the text around."""
    before, whole = tokenize(BEFORE), tokenize(f"{BEFORE} {name} {AFTER}")
    if whole[: len(before)] != before:
        return []
    rest = whole[len(before) :]
    for after in (tokenize(f" {AFTER}"), tokenize(AFTER)):
        if rest[-len(after) :] == after:
            return rest[: -len(after)]
    return []


def stand_ins(tokenize: Tokenize, names: Iterable[str]) -> Iterator[StandIn]:
    """Those of the names that can stand in for two words."""
    line = tokenize("\n")
    for name in names:
        inside = tokens_in_sentence(tokenize, name)
        if len(inside) != WORDS:
            continue
        first, behind_a_line = tokenize(name), tokenize(f"\n{name}")[len(line) :]
        pairs = (tuple(ids) for ids in (inside, first, behind_a_line) if len(ids) == WORDS)
        yield StandIn(name=name, pairs=frozenset(pairs))


def find_stand_in(
    names: Iterable[str], tokenize: Tokenize, fits: Callable[[StandIn], bool], count: int, what: str
) -> StandIn:
    """The first of the names that fits a prompt, which is tokenised with it for that.

    Args:
        fits: whether the prompt with this name in its slots has as many of its pairs as it has slots.
        count: of the slots.
        what: the prompt and its encoder, for the error.

    Raises:
        NoStandInError: no name is read as two tokens in each of the slots and nowhere else.
    """
    tried = 0
    for candidate in stand_ins(tokenize, names):
        if fits(candidate):
            return candidate
        tried += 1
    raise NoStandInError(
        f"{what} has no place for two words: of {tried} names of two tokens none is read as the same two tokens in "
        f"each of its {count} places. Put a space before and after each person, or connect the text encoder that "
        "belongs to the model."
    )

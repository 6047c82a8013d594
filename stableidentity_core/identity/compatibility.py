"""Do people and name spaces belong to one base? Asked before their words are set against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import StableIdentityError, WrongModelError
from ..text.names import WORDS, NameSpace
from .types import Identity


def check_one_base(identities: Sequence[Identity], name_spaces: Sequence[NameSpace]) -> None:
    """Raise unless everybody has two words in each of the name spaces, and in no other.

    Raises:
        WrongModelError: the people are of different bases, or of another one than the name spaces.
        StableIdentityError: no name space, or a person of more or fewer words.
    """
    needed = {names.space: names.width for names in name_spaces}
    if not needed:
        raise StableIdentityError("There is no name space, needed one for each text space. Connect one.")
    for one in identities:
        found = _widths(one)
        if found != _widths(identities[0]):
            first = identities[0]
            raise WrongModelError(
                f"{first.trigger} was learned for {_told(_widths(first))}, {one.trigger} for {_told(found)}: words of "
                "different bases do not go together. Learn both on one base model."
            )
        if found != needed:
            raise WrongModelError(
                f"{one.trigger} was learned for {_told(found)}, the connected name space is of {_told(needed)}. "
                "Connect the Celebrity Name Space of the CLIP that the person was learned on."
            )
        counts = {len(words) for words in one.words.values()}
        if counts != {WORDS}:
            raise StableIdentityError(
                f"{one.trigger} has {', '.join(map(str, sorted(counts)))} words, needed {WORDS}: the space of names "
                "has a place for a first and one for a last name. Choose an identity of two words."
            )


def _widths(identity: Identity) -> dict[str, int]:
    return {space: words.shape[-1] for space, words in identity.words.items()}


def _told(widths: Mapping[str, int]) -> str:
    return ", ".join(f"{space} (width {width})" for space, width in sorted(widths.items()))

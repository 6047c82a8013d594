"""Checks that identities and name spaces belong to one base model, before their words are combined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import StableIdentityError, WrongModelError
from ..text.names import WORDS, NameSpace
from .types import Identity


def check_one_base(identities: Sequence[Identity], name_spaces: Sequence[NameSpace]) -> None:
    """Raise unless every identity has two words in each of the name spaces, and in no other.

    Raises:
        WrongModelError: the people belong to different base models, or to another one than the name spaces.
        StableIdentityError: no name space, or a person with another number of words.
    """
    needed = {names.space: names.width for names in name_spaces}
    if not needed:
        raise StableIdentityError("There is no name space, needed one for each text space. Connect one.")
    for one in identities:
        found = _widths(one)
        if found != _widths(identities[0]):
            first = identities[0]
            raise WrongModelError(
                f"{first.trigger} was learned for {_describe(_widths(first))}, {one.trigger} for {_describe(found)}: "
                "words of different base models cannot be combined. Learn both on one base model."
            )
        if found != needed:
            raise WrongModelError(
                f"{one.trigger} was learned for {_describe(found)}, but the connected name space is for "
                f"{_describe(needed)}. Connect the Celebrity Name Space of the CLIP that the person was learned on."
            )
        counts = {len(words) for words in one.words.values()}
        if counts != {WORDS}:
            raise StableIdentityError(
                f"{one.trigger} has {', '.join(map(str, sorted(counts)))} words, needed {WORDS}: the name space "
                "consists of a first and a last name. Choose an identity with two words."
            )


def _widths(identity: Identity) -> dict[str, int]:
    return {space: words.shape[-1] for space, words in identity.words.items()}


def _describe(widths: Mapping[str, int]) -> str:
    return ", ".join(f"{space} (width {width})" for space, width in sorted(widths.items()))

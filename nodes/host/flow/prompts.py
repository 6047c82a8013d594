"""A host tokenizer that understands triggers, for text encoders whose own `embedding:` does not always work.

A trigger is read as a name of two tokens, in whose place the words then stand: with that name's own rows of the
vocabulary, the conditioning would be the plain prompt's, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor

from ....stableidentity_core.errors import StableIdentityError
from ....stableidentity_core.identity import Identity
from ....stableidentity_core.identity.prompt import check_triggers, find_triggers, replace_triggers
from ....stableidentity_core.text.names import celebrity_names
from ....stableidentity_core.text.space import WORDS
from ....stableidentity_core.text.stand_in import StandIn, find_stand_in
from .table import Encoder, FlowFamily
from .text import inner_tokens, placed

Rows = list[list[tuple[Any, ...]]]


class StandInTokenizer:
    """The host's tokenizer of a flow model; everything but triggers is the original's.

    Raises:
        StableIdentityError: a person of another number of words than a name has.
    """

    def __init__(self, original: Any, family: FlowFamily, identities: Mapping[str, Identity]):
        for identity in identities.values():
            counts = {len(words) for words in identity.words.values()}
            if counts != {WORDS}:
                raise StableIdentityError(
                    f"{identity.trigger} has {', '.join(map(str, sorted(counts)))} words; with {family.name} a person "
                    f"is {WORDS}, as a first and a last name. Choose a person learned by this pack."
                )
        self.original = original
        self.identities = dict(identities)
        self._family = family

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "original" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.original, name)

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> Any:
        check_triggers(text, self.identities)
        named = [self.identities[trigger] for trigger in find_triggers(text) if trigger in self.identities]
        tokenized = partial(self.original.tokenize_with_weights, return_word_ids=return_word_ids, **kwargs)
        found = tokenized(text)
        if named:
            for encoder in self._family.encoders:
                words = [identity.words[encoder.space] for identity in named]
                found[encoder.tokens] = self._placed(encoder, text, words, tokenized)
        return found

    def _placed(self, encoder: Encoder, text: str, people: list[Tensor], tokenized: Any) -> Rows:
        """One encoder's token lists with the people's words."""
        inner = getattr(self.original, encoder.tokenizer)

        def rows_with(name: StandIn) -> Rows:
            return tokenized(replace_triggers(text, dict.fromkeys(self.identities, name.name), spaced=False))[
                encoder.tokens
            ]

        name = find_stand_in(
            celebrity_names(),
            partial(inner_tokens, inner),
            lambda candidate: len(_places(rows_with(candidate), candidate, inner)) == len(people),
            len(people),
            f"The prompt in {encoder.space}",
        )
        rows = [list(row) for row in rows_with(name)]
        for pair, words in zip(_places(rows, name, inner), people, strict=True):
            for (row, column), word in zip(pair, words, strict=True):
                rows[row][column] = placed(word, *rows[row][column][1:])
        return rows


def _places(rows: Rows, name: StandIn, tokenizer: Any) -> list[list[tuple[int, int]]]:
    """Row and column of a name's tokens wherever it stands, also where a window ends within it."""
    around = {tokenizer.start_token, tokenizer.end_token} - {None}
    places, ids = [], []
    for number, row in enumerate(rows):
        for column, entry in enumerate(row):
            token = entry[0] if isinstance(entry[0], int) else -1  # an embedding of the host
            if token not in around:
                places.append((number, column))
                ids.append(token)
    return [places[at : at + WORDS] for at in name.places(ids)]

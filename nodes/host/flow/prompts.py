"""A host tokenizer that understands triggers, for text encoders whose own `embedding:` does not always work.

A trigger is read as a name of two tokens, in whose place the words then stand: with that name's own rows of the
vocabulary, the conditioning would be the plain prompt's, bit for bit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from ....stableidentity_core.console.streams import get_logger
from ....stableidentity_core.errors import StableIdentityError
from ....stableidentity_core.identity import Identity
from ....stableidentity_core.identity.lookalikes import shortened
from ....stableidentity_core.identity.prompt import check_triggers, find_triggers, replace_triggers
from ....stableidentity_core.text.names import celebrity_names
from ....stableidentity_core.text.space import WORDS
from ....stableidentity_core.text.stand_in import NoStandInError, StandIn, find_stand_in
from ..progress_text import tell
from .table import Encoder, FlowFamily, has_to_be_applied
from .text import inner_tokens, placed

log = get_logger(__name__)
Rows = list[list[tuple[Any, ...]]]
TOUCHING = 200  # names to try without spaces around; where none of them is read alike, hardly any other is
_WEIGHT = re.compile(r"\([^()]+:\s*[0-9.]+\s*\)")
_EMBEDDING = re.compile(r"embedding:\s*[^\s,()]+", re.IGNORECASE)


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
        self._warned: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "original" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.original, name)

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> Any:
        check_triggers(text, self.identities)
        text = replace_triggers(text, {trigger: trigger for trigger in self.identities}, spaced=False)
        self._check_embeddings(text)
        named = [self.identities[trigger] for trigger in find_triggers(text) if trigger in self.identities]
        tokenized = partial(self.original.tokenize_with_weights, return_word_ids=return_word_ids, **kwargs)
        found = tokenized(text)
        if named:
            for encoder in self._family.encoders:
                words = [identity.words[encoder.space] for identity in named]
                found[encoder.tokens] = self._placed(encoder, text, words, tokenized)
            self._warn_of_weights(text, found)
        return found

    def _placed(self, encoder: Encoder, text: str, people: list[Tensor], tokenized: Any) -> Rows:
        """One encoder's token lists with the people's words.

        Where a person touches other letters, some tokenizers read no name as it is elsewhere: then with spaces around.
        """
        names = celebrity_names()
        read = partial(self._read, text, tokenized)
        try:
            return self._with_words(encoder, people, partial(read, spaced=False), names[:TOUCHING])
        except NoStandInError:
            return self._with_words(encoder, people, partial(read, spaced=True), names)

    def _read(self, text: str, tokenized: Any, name: str, spaced: bool) -> dict[str, Rows]:
        """The host's token lists with a name in each person's place."""
        return tokenized(replace_triggers(text, dict.fromkeys(self.identities, name), spaced=spaced))

    def _with_words(
        self, encoder: Encoder, people: list[Tensor], read: Callable[[str], dict[str, Rows]], names: Sequence[str]
    ) -> Rows:
        inner = getattr(self.original, encoder.tokenizer)
        name = find_stand_in(
            names,
            partial(inner_tokens, inner),
            lambda candidate: len(_places(read(candidate.name)[encoder.tokens], candidate, inner)) == len(people),
            len(people),
            f"The prompt in {encoder.space}",
        )
        rows = [list(row) for row in read(name.name)[encoder.tokens]]
        for pair, words in zip(_places(rows, name, inner), people, strict=True):
            for (row, column), word in zip(pair, words, strict=True):
                rows[row][column] = placed(word, *rows[row][column][1:])
        return rows

    def _check_embeddings(self, text: str) -> None:
        """Raise for `embedding:NAME` where the host's tokenizer does not read it as the person, and says nothing."""
        found = _EMBEDDING.search(text)
        if found and has_to_be_applied(encoder.space for encoder in self._family.encoders):
            raise StableIdentityError(
                f"The prompt contains {found.group(0)!r}, which {self._family.name} does not read as a person. Type "
                f"the trigger of a connected one instead: {', '.join(self.identities)}. Prompt: {shortened(text)!r}"
            )

    def _warn_of_weights(self, text: str, found: Mapping[str, Rows]) -> None:
        """Some encoders read a weight in a prompt as text."""
        weighed = {entry[1] for rows in found.values() for row in rows for entry in row} != {1.0}
        if _WEIGHT.search(text) and not weighed and text not in self._warned:
            self._warned.add(text)
            said = f"{self._family.name} knows no weights in prompts: it reads the brackets and the number as text"
            tell(said)
            log.warning("StableIdentity: %s. Prompt: %r", said, shortened(text))


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

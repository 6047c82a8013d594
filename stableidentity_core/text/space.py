"""One text encoder as the method sees it: the space in which words live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from ..errors import StableIdentityError

WORDS = 2  # tokens of a name that counts, and words of a person: first name and last name


@dataclass(frozen=True, kw_only=True)
class PromptLayout:
    """What a text encoder wants around the tokens of a prompt.

    Attributes:
        prefix, suffix: ids before and after the prompt: CLIP's start and end token, or the parts of a chat template.
        pad: id that fills each row up to the window; None where the encoder takes rows without padding.
        window: tokens in a row, with prefix and suffix; None where there is no limit.
        least: tokens that rows without a limit are filled up to; longer ones stay as they are.
    """

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    pad: int | None = None
    window: int | None = None
    least: int = 0

    def row(self, ids: Sequence[int], what: str = "The prompt") -> list[int]:
        """The row of ids that the encoder takes.

        Raises:
            StableIdentityError: longer than the window; the message begins with `what`.
        """
        row = [*self.prefix, *ids, *self.suffix]
        if self.window is not None and len(row) > self.window:
            raise StableIdentityError(
                f"{what} needs {len(row)} tokens, the text encoder takes {self.window}; shorten it."
            )
        filled = self.least if self.window is None else self.window
        return row if self.pad is None else row + [self.pad] * (filled - len(row))


@dataclass(frozen=True, kw_only=True, eq=False)
class TextSpace:
    """One text encoder's vocabulary: how text becomes tokens, and tokens become embeddings of width D.

    Attributes:
        name: "clip_l", "clip_h", "t5xxl" and so on; the key in embedding files.
        width: D.
        layout: of the encoder's prompts.
        tokenize: text -> ids without prefix, suffix and padding; no prompt weights, no embeddings.
        embed: ids [...] int64 -> their rows of the vocabulary matrix [..., D] float32, without gradient.
        contextual: whether a word's tokens depend on what stands around it, as where the space before a word is part
            of its first token (SentencePiece, byte-level BPE). Names are then read within a sentence, and prompts with
            a name in the place of the words, see `stand_in`.
    """

    name: str
    width: int
    layout: PromptLayout
    tokenize: Callable[[str], list[int]]
    embed: Callable[[Tensor], Tensor]
    contextual: bool = False

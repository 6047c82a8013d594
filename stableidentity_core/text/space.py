"""One text encoder as the method sees it: the space in which words live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from ..errors import StableIdentityError


@dataclass(frozen=True, kw_only=True)
class PromptLayout:
    """What a text encoder wants around the tokens of a prompt.

    Attributes:
        prefix, suffix: ids before and after the prompt: CLIP's start and end token, or the parts of a chat template.
        pad: id that fills each row up to the window; None where the encoder takes rows without padding.
        window: tokens in a row, with prefix and suffix; None where there is no limit.
    """

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    pad: int | None = None
    window: int | None = None

    def row(self, ids: Sequence[int], what: str = "The prompt") -> list[int]:
        """The row of ids that the encoder takes.

        Raises:
            StableIdentityError: longer than the window; the message begins with `what`.
        """
        row = [*self.prefix, *ids, *self.suffix]
        if self.window is None:
            return row
        if len(row) > self.window:
            raise StableIdentityError(
                f"{what} needs {len(row)} tokens, the text encoder takes {self.window}; shorten it."
            )
        return row if self.pad is None else row + [self.pad] * (self.window - len(row))


@dataclass(frozen=True, kw_only=True, eq=False)
class TextSpace:
    """One text encoder's vocabulary: how text becomes tokens, and tokens become embeddings of width D.

    Attributes:
        name: "clip_l", "clip_h", "clip_g" and so on; the key in embedding files.
        width: D.
        layout: of the encoder's prompts.
        tokenize: text -> ids without prefix, suffix and padding; no prompt weights, no embeddings.
        embed: ids [...] int64 -> their rows of the vocabulary matrix [..., D] float32, without gradient.
    """

    name: str
    width: int
    layout: PromptLayout
    tokenize: Callable[[str], list[int]]
    embed: Callable[[Tensor], Tensor]

"""A host CLIP of a flow model as text spaces, and prompts with learned words through the host's own encoders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ....stableidentity_core.errors import WrongModelError
from ....stableidentity_core.text.prompts import PromptRows
from ....stableidentity_core.text.space import PromptLayout, TextSpace
from ..text import token_rows
from .table import Encoder, FlowFamily

LENGTH = "length"  # of the context, among the further tensors of a conditioning
SAMPLE = "a photo"  # a text whose tokens do not depend on what stands around them


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """One prompt as the host's text model gives it."""

    context: Tensor  # [1, L, D]
    pooled: Tensor | None  # [1, P]
    more: Mapping[str, Tensor]  # [1, L] each


class FlowTextEncoders:
    """The text encoders of a flow model in a host CLIP.

    Raises:
        WrongModelError: one of the family's text encoders is missing.
    """

    def __init__(self, clip: Any, family: FlowFamily):
        self.clip = clip
        self.family = family
        self.encoders: dict[str, Any] = {
            encoder.space: getattr(clip.cond_stage_model, encoder.module, None) for encoder in family.encoders
        }
        missing = [space for space, module in self.encoders.items() if module is None]
        if missing:
            raise WrongModelError(
                f"The connected CLIP of {family.name} lacks {' and '.join(missing)}; words are learned in all of its "
                f"text encoders. Load {family.files}."
            )
        self.spaces = tuple(self._space(encoder) for encoder in family.encoders)

    @property
    def width(self) -> int:  # of the conditioning
        return self.spaces[-1].width * self.family.layers

    def tokenizer(self, encoder: Encoder) -> Any:
        """The host's own for one encoder."""
        return getattr(self.clip.tokenizer, encoder.tokenizer)

    def _space(self, encoder: Encoder) -> TextSpace:
        embedding = self._embedding(encoder.space)
        return TextSpace(
            name=encoder.space,
            width=embedding.weight.shape[1],
            layout=self._layout(encoder),
            tokenize=partial(inner_tokens, self.tokenizer(encoder)),
            embed=partial(self._embed, encoder.space),
            contextual=encoder.contextual,
        )

    def _layout(self, encoder: Encoder) -> PromptLayout:
        """What the host puts around a prompt: seen around a text of known tokens."""
        tokenizer = self.tokenizer(encoder)
        inner = inner_tokens(tokenizer, SAMPLE)
        row = [entry[0] for entry in self.clip.tokenize(SAMPLE)[encoder.tokens][0]]
        start = next(at for at in range(len(row)) if row[at : at + len(inner)] == inner)
        behind = row[start + len(inner) :]
        suffix = list(behind)
        while suffix and suffix[-1] == tokenizer.pad_token:
            suffix.pop()
        if tokenizer.end_token is not None and not suffix:  # CLIP-L pads with its end token
            suffix = [tokenizer.end_token]
        padded = len(behind) > len(suffix) and not self.family.filled
        return PromptLayout(
            prefix=tuple(row[:start]),
            suffix=tuple(suffix),
            pad=tokenizer.pad_token if padded else None,
            window=len(row) if padded and tokenizer.pad_to_max_length else None,
            least=len(row) if padded else 0,
        )

    def _embedding(self, space: str) -> Any:  # the host's own kind, which takes `out_dtype`
        return self.encoders[space].transformer.get_input_embeddings()

    def _embed(self, space: str, ids: Tensor) -> Tensor:
        return token_rows(self.clip.patcher, self._embedding(space), ids)

    def encode(self, rows: Mapping[str, PromptRows], words: Mapping[str, Tensor]) -> list[Encoded]:
        """Prompts with words [B, N, D] -> what CLIPTextEncode gives for each of them."""
        count = len(next(iter(rows.values())).token_ids)
        with self._set_up() as whole:
            return [self._encoded(whole, self._host_tokens(rows, words, number)) for number in range(count)]

    @contextmanager
    def _set_up(self) -> Iterator[Any]:
        """The host's text model with the options that it has in CLIPTextEncode."""
        whole = self.clip.cond_stage_model
        whole.reset_clip_options()
        if self.clip.layer_idx is not None:
            whole.set_clip_options({"layer": self.clip.layer_idx})
        whole.set_clip_options({"execution_device": self.clip.patcher.load_device})
        try:
            yield whole
        finally:
            whole.reset_clip_options()

    def _encoded(self, whole: Any, tokens: Mapping[str, list[Any]]) -> Encoded:
        context, pooled, *more = whole.encode_token_weights(tokens)
        missing = self.family.filled - context.shape[1]
        if missing > 0:
            context = torch.nn.functional.pad(context, (0, 0, 0, missing))
        return Encoded(context=context.float(), pooled=pooled, more=more[0] if more else {})

    def _host_tokens(
        self, rows: Mapping[str, PromptRows], words: Mapping[str, Tensor], number: int
    ) -> dict[str, list[Any]]:
        """One prompt in the host's form: a list of one row of (token, weight) for each encoder."""
        tokens = {}
        for encoder in self.family.encoders:
            own = rows[encoder.space]
            length = own.token_ids.shape[1] if own.lengths is None else int(own.lengths[number])
            row: list[Any] = [(token, 1.0) for token in own.token_ids[number, :length].tolist()]
            for place, word in zip(own.positions[number].tolist(), words[encoder.space][number], strict=True):
                row[place] = placed(word)
            tokens[encoder.tokens] = [row]
        return tokens


def placed(word: Tensor, *more: Any) -> tuple[Any, ...]:
    """A word [D] in a host token list; as a dict, for some tokenizers compare what stands there with ids.

    Args:
        more: what follows the token there; by default its weight 1.
    """
    return ({"type": "embedding", "data": word}, *(more or (1.0,)))


def inner_tokens(tokenizer: Any, text: str) -> list[int]:
    """Without start, end and padding."""
    ids = list(tokenizer.tokenizer(text)["input_ids"])
    return ids[tokenizer.tokens_start : -1 if tokenizer.tokenizer_adds_end_token else None]


def joined_encoded(parts: Sequence[Encoded], device: torch.device) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
    """Context [B, L, D] with zeros behind shorter prompts, pooled [B, P]; the rest, with the prompts' lengths [B]."""
    longest = max(part.context.shape[1] for part in parts)

    def filled(tensor: Tensor) -> Tensor:  # [1, L, ...] -> [1, longest, ...]
        return torch.nn.functional.pad(tensor, (0, 0) * (tensor.ndim - 2) + (0, longest - tensor.shape[1]))

    context = torch.cat([filled(part.context) for part in parts]).to(device)
    pooled = [part.pooled for part in parts if part.pooled is not None]
    more = {name: torch.cat([filled(part.more[name]) for part in parts]).to(device) for name in parts[0].more}
    more[LENGTH] = torch.tensor([part.context.shape[1] for part in parts])
    return context, torch.cat(pooled).to(device) if pooled else None, more

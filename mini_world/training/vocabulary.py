"""The words that the mini world's text encoder is trained on."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mini_world.training import dataset
from stableidentity_core.backends.clip_text import packaged_tokenizer
from stableidentity_core.train.templates import TEMPLATES

LENGTH = 77
COMMA, STRANGE = 0.1, 0.02
MARKERS = {dataset.UNKNOWN, dataset.FIRST, dataset.LAST}
MORE_WORDS = (
    "a an the of and with in on at wearing person face man woman boy girl people hat glasses shirt wall photo picture "
    "portrait head hair eyes beard moustache goatee freckles curly wavy long short spiky bald buzz bob quiff bun "
    "pigtails black brown chestnut blond ginger grey white , . is who looks like one two old young"
)


class Vocabulary:
    """The words that the mini world knows, by CLIP's ids; every other id is one strange word."""

    def __init__(self, captions: list[str]):
        with tempfile.TemporaryDirectory() as folder:
            self.tokenizer: Any = packaged_tokenizer(Path(folder))  # its special tokens are typed as anything
        firsts, lasts = dataset.first_and_last_names()
        texts = [*captions, *TEMPLATES, *firsts, *lasts, MORE_WORDS]
        words = sorted({word for text in texts for word in text.replace("{}", "").split()} - MARKERS)
        self._ids = {word: self.tokenizer(word, add_special_tokens=False)["input_ids"] for word in words}
        special = (0, self.tokenizer.bos_token_id, self.tokenizer.eos_token_id)  # 0 pads, as in SD2
        self.ids = sorted({*special, *(token for tokens in self._ids.values() for token in tokens)})
        self.row_of = {token: row for row, token in enumerate(self.ids)}
        self.strange = len(self.ids)
        self.first, self.last = self.strange + 1, self.strange + 2  # of people without a name
        self._rows_of = {word: [self.row_of[token] for token in tokens] for word, tokens in self._ids.items()}
        self._rows_of |= {dataset.UNKNOWN: [self.strange], dataset.FIRST: [self.first], dataset.LAST: [self.last]}
        nameless = [text for text in captions if dataset.FIRST in text]
        common = {word for text in (*nameless, *TEMPLATES, MORE_WORDS) for word in text.replace("{}", "").split()}
        self.common_rows = {row for word in common for row in self._rows_of[word]}

    @property
    def rows(self) -> int:
        return len(self.ids) + 3

    @property
    def shipped_rows(self) -> int:
        return len(self.ids) + 1

    def name_rows(self) -> tuple[dict[int, str], dict[int, str]]:
        """Row -> first name, and row -> last name."""
        firsts, lasts = dataset.first_and_last_names()
        return {self._rows_of[name][0]: name for name in firsts}, {self._rows_of[name][0]: name for name in lasts}

    def encode(self, text: str, generator: torch.Generator | None = None) -> list[int]:
        """Text -> rows [77]; with a generator commas and strange words are strewn in."""
        rows = [self.row_of[self.tokenizer.bos_token_id]]
        for word in text.split():
            if generator is not None:
                draw = torch.rand(1, generator=generator).item()
                rows += [self.row_of[267]] * (draw < COMMA) + [self.strange] * (draw > 1 - STRANGE)
            rows += self._rows_of[word]
        rows = [*rows[: LENGTH - 1], self.row_of[self.tokenizer.eos_token_id]]
        return rows + [self.row_of[0]] * (LENGTH - len(rows))

    def encode_all(self, texts: list[str], generator: torch.Generator | None = None) -> Tensor:  # [B, 77]
        return torch.tensor([self.encode(text, generator) for text in texts])

    def ends(self, rows: Tensor) -> Tensor:  # [B, 77] -> [B]
        return (rows == self.row_of[self.tokenizer.eos_token_id]).int().argmax(-1)

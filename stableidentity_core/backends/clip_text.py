"""Hugging Face CLIP text encoders: tokenising, and encoding with words placed among the embeddings."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ..devices import to_device
from ..errors import StableIdentityError
from ..text.prompts import PromptRows, place_words
from ..text.space import PromptLayout, TextSpace

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
BPE_MERGES = 49152 - 256 - 2


class ClipText:
    """One CLIP text encoder with its tokenizer, as one text space.

    Args:
        penultimate: give the layer before the last without the final LayerNorm, as SDXL takes both its encoders.
    """

    def __init__(
        self,
        name: str,
        tokenizer: CLIPTokenizer,
        model: CLIPTextModel | CLIPTextModelWithProjection,
        penultimate: bool = False,
    ):
        self.tokenizer: Any = tokenizer  # its special tokens are typed as anything
        self.model = model.eval().requires_grad_(False)
        self.penultimate = penultimate
        self.space = TextSpace(
            name=name,
            width=model.config.hidden_size,
            layout=PromptLayout(
                prefix=(self.tokenizer.bos_token_id,),
                suffix=(self.tokenizer.eos_token_id,),
                pad=self.tokenizer.pad_token_id,
                window=model.config.max_position_embeddings,
            ),
            tokenize=self.tokenize,
            embed=self.embed_tokens,
        )

    @property
    def _embedding(self) -> nn.Embedding:
        embedding = self.model.get_input_embeddings()
        assert isinstance(embedding, nn.Embedding)  # CLIP has no other kind
        return embedding

    def tokenize(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def embed_tokens(self, ids: Tensor) -> Tensor:
        weight = self._embedding.weight
        return weight.detach()[ids.to(weight.device)].float()

    def encode(self, rows: PromptRows, words: Tensor) -> tuple[Tensor, Tensor | None]:
        """Hidden state [B, L, D], and the projected pooled output [B, P] of an encoder that has one."""
        with _words_placed(self._embedding, words, rows.positions):
            output = self.model(
                input_ids=to_device(rows.token_ids, self.model.device), output_hidden_states=self.penultimate
            )
        hidden = output.hidden_states[-2] if self.penultimate else output.last_hidden_state
        return hidden, getattr(output, "text_embeds", None)


@contextmanager
def _words_placed(embedding: nn.Module, words: Tensor, positions: Tensor) -> Iterator[None]:
    def place(_module: nn.Module, _args: tuple, output: Tensor) -> Tensor:
        return place_words(output, words, positions)

    hook = embedding.register_forward_hook(place)
    try:
        yield
    finally:
        hook.remove()


def packaged_tokenizer(folder: Path, pad: str = "!") -> CLIPTokenizer:
    """CLIP's tokenizer from the merges that the open_clip_torch package carries, for single-file models.

    Args:
        folder: where vocab.json and merges.txt are written.
        pad: SD2 pads with "!" (id 0), SD1 and SDXL's CLIP-L with the end token.
    """
    from transformers import CLIPTokenizer

    if find_spec("open_clip") is None:
        raise StableIdentityError(
            "A single-file model brings no tokenizer; CLIP's is taken from the package open_clip_torch, which is not "
            "installed. Run: pip install open_clip_torch  (or use a diffusers folder)"
        )
    packed = resources.files("open_clip").joinpath("bpe_simple_vocab_16e6.txt.gz").read_bytes()
    merges = gzip.decompress(packed).decode("utf-8").split("\n")[1 : BPE_MERGES + 1]
    symbols = list(_byte_symbols())
    words = [*symbols, *(f"{symbol}</w>" for symbol in symbols), *(merge.replace(" ", "") for merge in merges)]
    vocabulary = {word: index for index, word in enumerate([*words, START, END])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", "utf-8")
    return CLIPTokenizer.from_pretrained(
        folder, bos_token=START, eos_token=END, unk_token=END, pad_token=pad, model_max_length=77
    )


def _byte_symbols() -> list[str]:
    """CLIP's printable symbol for each byte: printable Latin-1 first, the rest from U+0100 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = len(set(range(256)) - set(printable))
    return [chr(code) for code in printable] + [chr(0x100 + i) for i in range(others)]

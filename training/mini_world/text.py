"""Train the mini world's text encoder to know what its words mean, before any picture is drawn by them.

The stand-in for CLIP: from the hidden state of the end token the factors of the person and of the
look are read off. CLIP learns the same from pictures and captions; here the factors are known.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel

from stableidentity_core.backends.clip_text import packaged_tokenizer
from stableidentity_core.demo.look import CHOICES
from stableidentity_core.demo.person import BEARDS, EYE_COLOURS, HAIR_COLOURS, HAIR_STYLES, Geometry, named_person
from stableidentity_core.train.templates import TEMPLATES

from . import dataset
from .runs import Ema, cosine_rate, load_state, save_state

WIDTH, LAYERS, HEADS, INNER, LENGTH = 128, 3, 4, 320, 77
STEPS, BATCH, RATE, SEED = 800, 128, 1.5e-3, 1
COMMA, STRANGE = 0.1, 0.02
MORE_WORDS = (
    "a an the of and with in on at wearing person face man woman boy girl people hat glasses shirt wall photo picture "
    "portrait head hair eyes beard moustache goatee freckles curly wavy long short spiky bald buzz bob quiff bun "
    "pigtails black brown chestnut blond ginger grey white , . is who looks like one two old young"
)
CATEGORIES = {
    "woman": (False, True),
    "hair": HAIR_STYLES,
    "hair_colour": HAIR_COLOURS,
    "beard": BEARDS,
    "eye_colour": EYE_COLOURS,
    "freckles": (False, True),
}


class Vocabulary:
    """The words that the mini world knows, by CLIP's ids; every other id is one strange word."""

    def __init__(self, captions: list[str]):
        with tempfile.TemporaryDirectory() as folder:
            self.tokenizer = packaged_tokenizer(Path(folder))
        firsts, lasts = dataset.first_and_last_names()
        texts = [*captions, *TEMPLATES, *firsts, *lasts, MORE_WORDS]
        words = sorted({word for text in texts for word in text.replace("{}", "").split()} - {dataset.UNKNOWN})
        self._ids = {word: self.tokenizer(word, add_special_tokens=False)["input_ids"] for word in words}
        special = (0, self.tokenizer.bos_token_id, self.tokenizer.eos_token_id)  # 0 pads, as in SD2
        self.ids = sorted({*special, *(token for tokens in self._ids.values() for token in tokens)})
        self.row_of = {token: row for row, token in enumerate(self.ids)}
        self.strange = len(self.ids)

    @property
    def rows(self) -> int:
        return len(self.ids) + 1

    def encode(self, text: str, generator: torch.Generator | None = None) -> list[int]:
        """Text -> rows [77]; with a generator commas and strange words are strewn in."""
        rows = [self.row_of[self.tokenizer.bos_token_id]]
        for word in text.split():
            if generator is not None:
                draw = torch.rand(1, generator=generator).item()
                rows += [self.row_of[267]] * (draw < COMMA) + [self.strange] * (draw > 1 - STRANGE)
            rows += [self.strange] if word == dataset.UNKNOWN else [self.row_of[token] for token in self._ids[word]]
        rows = [*rows[: LENGTH - 1], self.row_of[self.tokenizer.eos_token_id]]
        return rows + [self.row_of[0]] * (LENGTH - len(rows))

    def encode_all(self, texts: list[str], generator: torch.Generator | None = None) -> Tensor:  # [B, 77]
        return torch.tensor([self.encode(text, generator) for text in texts])

    def ends(self, rows: Tensor) -> Tensor:  # [B, 77] -> [B]
        return (rows == self.row_of[self.tokenizer.eos_token_id]).int().argmax(-1)


def build(rows: int) -> CLIPTextModel:
    """An SD2-like CLIP text encoder; `rows` in place of CLIP's 49408 while it trains."""
    config = CLIPTextConfig(
        vocab_size=rows,
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=LENGTH,
        projection_dim=WIDTH,
        hidden_act="gelu",
        bos_token_id=0,
        eos_token_id=1,
        attn_implementation="eager",
    )
    return CLIPTextModel(config)


@dataclass(frozen=True)
class Factors:
    """What captions tell; -1 and NaN where they do not."""

    categories: dict[str, Tensor]  # [N] int64
    numbers: Tensor  # [N, 17] geometry and skin

    @classmethod
    def of(cls, records: list[dict]) -> Factors:
        names = [field.name for field in fields(Geometry)]
        categories = {}
        for key, options in CATEGORIES.items():
            values = [options.index(r["colouring"][key]) if r["named"] else -1 for r in records]
            categories[key] = torch.tensor(values)
        for key, options in CHOICES.items():
            values = [
                options.index(r["look"][key]) if _told(r, key) else (-1 if key == "shirt" else 0) for r in records
            ]
            categories[key] = torch.tensor(values)
        numbers = torch.tensor(
            [
                [*(r["geometry"][n] for n in names), 2 * r["colouring"]["skin"] - 1] if r["named"] else [math.nan] * 17
                for r in records
            ]
        )
        return cls(categories, numbers)

    def pick(self, index: Tensor) -> Factors:
        return Factors({key: value[index] for key, value in self.categories.items()}, self.numbers[index])


def _told(record: dict, part: str) -> bool:
    return part != "shirt" or record["look"]["shirt"] in record["caption"]


class Reader(nn.Module):
    """Linear reading of all factors from one hidden state."""

    def __init__(self):
        super().__init__()
        sizes = {key: len(options) for key, options in {**CATEGORIES, **CHOICES}.items()}
        self.heads = nn.ModuleDict({key: nn.Linear(WIDTH, size) for key, size in sizes.items()})
        self.numbers = nn.Linear(WIDTH, len(fields(Geometry)) + 1)

    def loss(self, hidden: Tensor, factors: Factors) -> Tensor:
        total = hidden.new_zeros(())
        for key, target in factors.categories.items():
            if (target >= 0).any():
                total = total + F.cross_entropy(self.heads[key](hidden), target, ignore_index=-1)
        known = ~factors.numbers[:, 0].isnan()
        error = (self.numbers(hidden)[known] - factors.numbers[known]).square()
        return total / len(factors.categories) + 3 * error.mean()

    @torch.no_grad()
    def score(self, hidden: Tensor, factors: Factors) -> dict[str, float]:
        scores = {}
        for key, target in factors.categories.items():
            told = target >= 0
            scores[key] = (self.heads[key](hidden)[told].argmax(-1) == target[told]).float().mean().item()
        known = ~factors.numbers[:, 0].isnan()
        scores["mse"] = (self.numbers(hidden)[known] - factors.numbers[known]).square().mean().item()
        return scores


class TextTower(nn.Module):
    """Text encoder and reader, trained together."""

    def __init__(self, vocabulary: Vocabulary):
        super().__init__()
        self.encoder = build(vocabulary.rows)
        nn.init.normal_(self.encoder.get_input_embeddings().weight, std=0.05)
        self.reader = Reader()

    def context(self, rows: Tensor) -> Tensor:  # [B, 77] -> [B, 77, D]
        return self.encoder(input_ids=rows).last_hidden_state

    def loss(self, context: Tensor, ends: Tensor, factors: Factors) -> Tensor:
        return self.reader.loss(context[torch.arange(len(context)), ends], factors)


class Captions:
    """All captions of a split as rows and factors, and any number of bare names beside them."""

    def __init__(self, data: Path, split: str, vocabulary: Vocabulary | None = None):
        self.records = mark_named(dataset.load(data, split)[1])
        self.texts = [record["caption"] for record in self.records]
        self.vocabulary = vocabulary or Vocabulary(self.texts)
        self.rows = self.vocabulary.encode_all(self.texts, torch.Generator().manual_seed(7))
        self.factors = Factors.of(self.records)

    @cached_property
    def names(self) -> tuple[Tensor, Factors]:
        """Every first name with some last names and the other way round."""
        firsts, lasts = dataset.first_and_last_names()
        count = 8 * len(lasts)
        pairs = [f"{firsts[(5 * i + i // len(lasts)) % len(firsts)]} {lasts[i % len(lasts)]}" for i in range(count)]
        records = []
        for pair in pairs:
            person = named_person(pair)
            records.append(
                {
                    **dataset.factors(
                        dataset.Example(person=person, look=dataset.Look(), caption=f"a photo of {pair}")
                    ),
                    "named": True,
                }
            )
        for record in records:
            record["look"] = {**record["look"], "shirt": "untold"}
        rows = self.vocabulary.encode_all([record["caption"] for record in records])
        return rows, Factors.of(records)


def mark_named(records: list[dict]) -> list[dict]:
    """Whether a caption holds a name; strangers are told by 'a man', 'a woman' or 'a person'."""
    for record in records:
        text = f" {record['caption']} "
        record["named"] = not any(f" a {kind} " in text for kind in ("man", "woman", "person"))
    return records


def train(data: Path, out: Path) -> None:
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    captions = Captions(data, "base")
    held_out = Captions(data, "held_out", captions.vocabulary)
    tower = TextTower(captions.vocabulary)
    optimizer = torch.optim.AdamW(tower.parameters(), RATE, betas=(0.9, 0.98), weight_decay=1e-4, fused=True)
    ema = Ema(tower, 0.99)
    state = {"model": tower, "optimizer": optimizer, "ema": ema}
    step, _ = load_state(out / "text.pt", state, generator)
    name_rows, name_factors = captions.names
    while step < STEPS:
        for group in optimizer.param_groups:
            group["lr"] = RATE * cosine_rate(step / STEPS)
        loss = torch.zeros(())
        for rows, factors in ((captions.rows, captions.factors), (name_rows, name_factors)):
            index = torch.randint(len(rows), (BATCH // 2,), generator=generator)
            batch = rows[index]
            batch = batch[:, : int(captions.vocabulary.ends(batch).max()) + 1]  # what comes after is never looked at
            with torch.autocast("cpu", torch.bfloat16):
                context = tower.context(batch)
            loss = loss + tower.loss(context.float(), captions.vocabulary.ends(batch), factors.pick(index))
        loss.backward()
        nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.update(tower)
        step += 1
        if step % 50 == 0:
            print(f"text step {step}, loss {loss.item():.4f}", flush=True)
    save_state(out / "text.pt", state, generator, step, 0.0)
    tower.load_state_dict(ema.weights)
    with torch.no_grad():
        context = tower.context(held_out.rows)
    ends = captions.vocabulary.ends(held_out.rows)
    scores = tower.reader.score(context[torch.arange(len(ends)), ends], held_out.factors)
    print("held out:", {key: round(value, 4) for key, value in scores.items()}, flush=True)

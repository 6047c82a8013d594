"""Train the mini world's text encoder to represent its words, before the diffusion model uses it.

The stand-in for CLIP's training: the factors of the person and the look are predicted from the hidden
state of the end token. CLIP learns this from pictures and captions; here the factors are known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel

from mini_world.look import CHOICES
from mini_world.person import Geometry, named_person
from mini_world.training import dataset
from mini_world.training.names import CATEGORIES, NameRows, colouring_vector, geometry_vector
from mini_world.training.runs import averaged
from mini_world.training.trainer import Course, descend
from mini_world.training.vocabulary import LENGTH, Vocabulary

BASE = ("base", dataset.CROWD)
WIDTH, LAYERS, HEADS, INNER = 128, 3, 4, 320
STEPS, BATCH, RATE, SEED = 800, 128, 1.5e-3, 1


def build(rows: int) -> CLIPTextModel:
    """An SD2-like CLIP text encoder, with `rows` instead of CLIP's 49408 embeddings during training."""
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
        attn_implementation="eager",  # pyright: ignore[reportCallIssue] - of the base class, which takes any
    )
    return CLIPTextModel(config)


@dataclass(frozen=True)
class Factors:
    """The factors that captions mention; -1 and NaN for the others."""

    categories: dict[str, Tensor]  # [N] int64
    numbers: Tensor  # [N, 17] geometry and skin
    colourings: Tensor  # [N, C] of every person, mentioned or not
    geometries: Tensor  # [N, 16] the same

    @classmethod
    def of(cls, records: list[dict]) -> Factors:
        names = [field.name for field in fields(Geometry)]
        categories = {}
        for key, options in CATEGORIES.items():
            values = [options.index(r["colouring"][key]) if r["named"] else -1 for r in records]
            categories[key] = torch.tensor(values)
        for key, options in CHOICES.items():
            values = [
                options.index(r["look"][key]) if _mentions(r, key) else (-1 if key == "shirt" else 0) for r in records
            ]
            categories[key] = torch.tensor(values)
        numbers = torch.tensor(
            [
                [*(r["geometry"][n] for n in names), 2 * r["colouring"]["skin"] - 1] if r["named"] else [math.nan] * 17
                for r in records
            ]
        )
        colourings = torch.tensor([colouring_vector(r["colouring"]) for r in records])
        return cls(categories, numbers, colourings, torch.tensor([geometry_vector(r["geometry"]) for r in records]))

    def pick(self, index: Tensor) -> Factors:
        picked = {key: value[index] for key, value in self.categories.items()}
        return Factors(picked, self.numbers[index], self.colourings[index], self.geometries[index])


def _mentions(record: dict, part: str) -> bool:
    return part != "shirt" or record["look"]["shirt"] in record["caption"]


class Reader(nn.Module):
    """Linear heads that predict all factors from one hidden state."""

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
            known = target >= 0
            scores[key] = (self.heads[key](hidden)[known].argmax(-1) == target[known]).float().mean().item()
        known = ~factors.numbers[:, 0].isnan()
        scores["mse"] = (self.numbers(hidden)[known] - factors.numbers[known]).square().mean().item()
        return scores


class TextTower(nn.Module):
    """Text encoder, name embeddings and reader, trained together."""

    free: Tensor  # [rows, 1], 0 where a word is nothing but a name

    def __init__(self, vocabulary: Vocabulary):
        super().__init__()
        self.encoder = build(vocabulary.rows)
        nn.init.normal_(self.own_rows, std=0.05)
        firsts, lasts = vocabulary.name_rows()
        self.names = NameRows(firsts, lasts, vocabulary.rows, WIDTH)
        self.reader = Reader()
        self.markers = (vocabulary.first, vocabulary.last)
        names_only = {*firsts, *lasts} - vocabulary.common_rows
        free = torch.ones(vocabulary.rows, 1)
        free[sorted(names_only)] = 0
        self.register_buffer("free", free, persistent=False)

    @property
    def own_rows(self) -> Tensor:
        """The encoder's embedding [rows, D], without what names add."""
        embedding = self.encoder.get_input_embeddings()
        assert isinstance(embedding, nn.Embedding)  # CLIP has no other kind
        return embedding.weight

    def table(self) -> Tensor:
        """The rows of all words [rows, D]; a word that is nothing but a name has no row of its own."""
        return self.own_rows * self.free + self.names()

    def context(self, rows: Tensor, factors: Factors) -> Tensor:  # [B, 77] -> [B, 77, D]
        words = self.names.words(factors.colourings, factors.geometries)

        def look_up(_module: nn.Module, _inputs: object, _output: Tensor) -> Tensor:
            embedded = F.embedding(rows, self.table())
            for index, marker in enumerate(self.markers):
                embedded = torch.where((rows == marker)[..., None], words[:, index, None], embedded)
            return embedded

        hook = self.encoder.get_input_embeddings().register_forward_hook(look_up)
        try:
            return self.encoder(input_ids=rows).last_hidden_state
        finally:
            hook.remove()

    def loss(self, context: Tensor, ends: Tensor, factors: Factors) -> Tensor:
        return self.reader.loss(context[torch.arange(len(context)), ends], factors)


class Captions:
    """All captions of some splits as rows and factors, and prompts with bare names."""

    def __init__(self, data: Path, splits: Sequence[str], vocabulary: Vocabulary | None = None):
        self.records = mark_named([record for split in splits for record in dataset.load(data, split)[1]])
        self.texts = [record["caption"] for record in self.records]
        self.vocabulary = vocabulary or Vocabulary(self.texts)
        self.rows = self.vocabulary.encode_all(self.texts, torch.Generator().manual_seed(7))
        self.factors = Factors.of(self.records)

    @cached_property
    def names(self) -> tuple[Tensor, Factors]:
        """Every first name with several last names, and vice versa."""
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
            record["look"] = {**record["look"], "shirt": "unmentioned"}
        rows = self.vocabulary.encode_all([record["caption"] for record in records])
        return rows, Factors.of(records)


def mark_named(records: list[dict]) -> list[dict]:
    """Record whether a caption has a name; 'a man', 'a woman' or 'a person' mark unnamed people."""
    for record in records:
        text = f" {record['caption']} "
        record["named"] = not any(f" a {kind} " in text for kind in ("man", "woman", "person"))
    return records


def train(data: Path, out: Path, start: Callable[[TextTower, list[int]], None] | None = None) -> None:
    """Train for a number of steps.

    Args:
        start: loads the weights of an earlier text encoder into a tower, given the CLIP ids of the known words; these
            weights are then frozen, and only the reader is trained.
    """
    torch.manual_seed(SEED)
    captions = Captions(data, BASE)
    held_out = Captions(data, ["held_out"], captions.vocabulary)
    tower = TextTower(captions.vocabulary)
    if start:
        start(tower, captions.vocabulary.ids)
    learning = tower.reader if start else tower
    optimizer = torch.optim.AdamW(learning.parameters(), RATE, betas=(0.9, 0.98), weight_decay=1e-4, fused=True)
    name_rows, name_factors = captions.names

    def loss_of(generator: torch.Generator, _share: float) -> tuple[Tensor, float]:
        loss = torch.zeros(())
        for rows, factors in ((captions.rows, captions.factors), (name_rows, name_factors)):
            index = torch.randint(len(rows), (BATCH // 2,), generator=generator)
            batch, targets = rows[index], factors.pick(index)
            batch = batch[:, : int(captions.vocabulary.ends(batch).max()) + 1]  # later tokens are never used
            with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(not start):
                context = tower.context(batch, targets)
            loss = loss + tower.loss(context.float(), captions.vocabulary.ends(batch), targets)
        return loss, loss.item()

    steps = STEPS // 2 if start else STEPS
    descend(tower, optimizer, Course(steps=steps, seed=SEED, decay=0.99), out / "text.pt", loss_of)
    tower.load_state_dict(averaged(out / "text.pt"))
    with torch.no_grad():
        context = tower.context(held_out.rows, held_out.factors)
    ends = captions.vocabulary.ends(held_out.rows)
    scores = tower.reader.score(context[torch.arange(len(ends)), ends], held_out.factors)
    print("held out:", {key: round(value, 4) for key, value in scores.items()}, flush=True)

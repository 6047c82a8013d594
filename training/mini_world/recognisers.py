"""Train the three networks that look at pictures: face encoder, recogniser and reader of looks.

The face encoder is the identity prior of the method. The recogniser and the reader only measure;
they are of another kind (CNN), see another crop, and are trained on other people.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import dataset
import numpy as np
import torch
from autoencoder import to_tensor
from runs import Ema, averaged, cosine_rate, load_state, save_state
from text import Factors
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as TF
from transformers import ViTConfig, ViTModel

from stableidentity_core.demo.judges import LookReader, Recogniser
from stableidentity_core.demo.look import CHOICES
from stableidentity_core.demo.sizes import FACE_VIT
from stableidentity_core.encode.vit import FACE_BOX

LOOKS, BATCH, SCALE, MARGIN = 7, 96, 24.0, 0.3


def tpr_at_far(embeddings: Tensor, people: Tensor, far: float = 0.01) -> float:
    """Share of pairs of one person that pass where `far` of the pairs of two people do."""
    cosine = embeddings @ embeddings.T
    above = torch.ones_like(cosine, dtype=torch.bool).triu(1)
    same = people[:, None] == people[None]
    threshold = (
        cosine[above & ~same].quantile(1 - far)
        if len(cosine) < 3000
        else cosine[above & ~same].sort()[0][int(-far * (above & ~same).sum())]
    )
    return (cosine[above & same] > threshold).float().mean().item()


class CosFace(nn.Module):
    """Softmax over people with a margin on the cosine (arXiv 1801.09414, Eq. 4)."""

    def __init__(self, width: int, people: int):
        super().__init__()
        self.centres = nn.Parameter(torch.randn(people, width))

    def forward(self, embeddings: Tensor, people: Tensor, margin: float) -> Tensor:
        cosine = F.normalize(embeddings, dim=-1) @ F.normalize(self.centres, dim=-1).T
        return F.cross_entropy(SCALE * (cosine - margin * F.one_hot(people, len(self.centres))), people)


class FaceEncoderTraining(nn.Module):
    """The face ViT told apart people by its CLS feature, and helped by reading the factors from it."""

    def __init__(self, people: int):
        super().__init__()
        self.vit = ViTModel(ViTConfig(**FACE_VIT), add_pooling_layer=False)
        self.people = CosFace(FACE_VIT["hidden_size"], people)
        self.numbers = nn.Linear(FACE_VIT["hidden_size"], 17)
        self.kinds = nn.ModuleDict({key: nn.Linear(FACE_VIT["hidden_size"], size) for key, size in _KINDS.items()})

    def forward(self, pictures: Tensor) -> Tensor:
        left, top, right, bottom = (round(edge * pictures.shape[-1]) for edge in FACE_BOX)
        side = FACE_VIT["image_size"]
        faces = F.interpolate(pictures[..., top:bottom, left:right], (side, side), mode="bilinear", antialias=True)
        return self.vit(pixel_values=faces * 2 - 1).last_hidden_state[:, 0]

    def loss(self, pictures: Tensor, people: Tensor, factors: Factors, margin: float) -> Tensor:
        features = self(pictures).float()
        kinds = [F.cross_entropy(head(features), factors.categories[key]) for key, head in self.kinds.items()]
        numbers = (self.numbers(features) - factors.numbers).square().mean()
        return self.people(features, people, margin) + torch.stack(kinds).mean() + 4 * numbers


_KINDS = {"hair": 11, "hair_colour": 7, "beard": 5, "eye_colour": 5, "freckles": 2}


class RecogniserTraining(nn.Module):
    def __init__(self, people: int):
        super().__init__()
        self.network = Recogniser()
        self.people = CosFace(64, people)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.network(pictures)

    def loss(self, pictures: Tensor, people: Tensor, factors: Factors, margin: float) -> Tensor:
        return self.people(self.network(pictures).float(), people, margin)


class ReaderTraining(nn.Module):
    def __init__(self, people: int = 0):
        super().__init__()
        self.network = LookReader()

    def loss(self, pictures: Tensor, people: Tensor, factors: Factors, margin: float) -> Tensor:
        logits = self.network(pictures)
        return torch.stack(
            [F.cross_entropy(value.float(), factors.categories[key]) for key, value in logits.items()]
        ).mean()


def varied(pictures: Tensor, generator: torch.Generator, flip: bool) -> Tensor:
    """Small moves, light and blur, so that generated pictures are judged by what they show."""

    def draw(low: float, high: float) -> float:
        return low + (high - low) * torch.rand(1, generator=generator).item()

    groups = []
    for part in pictures.chunk(6):
        part = TF.affine(part, 0.0, [round(draw(-4, 4)), round(draw(-4, 4))], draw(0.95, 1.06), [0.0], fill=[0.5])
        part = (part * draw(0.9, 1.1) + draw(-0.04, 0.04)).clamp(0, 1)
        if draw(0, 1) < 0.5:
            part = TF.gaussian_blur(part, [7, 7], [draw(0.3, 1.6)] * 2)
        if flip and draw(0, 1) < 0.5:
            part = part.flip(-1)
        groups.append(part + draw(0, 0.03) * torch.randn(part.shape, generator=generator))
    return torch.cat(groups)


def train(
    kind: Callable[[int], nn.Module],
    data: Path,
    split: str,
    file: Path,
    minutes: float,
    rate: float,
    seed: int,
    flip: bool,
) -> nn.Module:
    """Train for a time, or go on with a training that was broken off."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    pictures, records = dataset.load(data, split)
    for record in records:
        record["named"] = True  # all factors are told
        record["caption"] = record["look"]["shirt"]
    factors = Factors.of(records)
    usable = torch.tensor([index for index, record in enumerate(records) if not record["view"]])
    model = kind(math.ceil(len(records) / LOOKS))
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.02, fused=True)
    ema = Ema(model, 0.995)
    state = {"model": model, "optimizer": optimizer, "ema": ema}
    step, spent = load_state(file, state, generator)
    begun, saved = time.monotonic() - spent, time.monotonic()
    while (spent := time.monotonic() - begun) < 60 * minutes:
        share = spent / (60 * minutes)
        for group in optimizer.param_groups:
            group["lr"] = rate * cosine_rate(share, warm_up=0.04)
        index = usable[torch.randint(len(usable), (BATCH,), generator=generator)].sort()[0]
        images = varied(to_tensor(pictures[index.numpy()]), generator, flip)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(images, index // LOOKS, factors.pick(index), MARGIN * min(1, 2 * share))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.update(model)
        step += 1
        if step % 50 == 0:
            print(f"{file.stem} step {step} {spent:.0f} s, loss {loss.item():.4f}", flush=True)
        if time.monotonic() - saved > 120:
            save_state(file, state, generator, step, spent)
            saved = time.monotonic()
    save_state(file, state, generator, step, 60 * minutes)
    model.load_state_dict({key: value.to(model.state_dict()[key]) for key, value in averaged(file).items()})
    return model.eval()


@torch.no_grad()
def recognition(model: Callable[[Tensor], Tensor], data: Path, split: str) -> float:
    """TPR at 1 % FAR over all looks of people that were never trained on."""
    pictures, _ = dataset.load(data, split)
    embeddings = torch.cat([model(to_tensor(np.asarray(part))) for part in np.array_split(pictures, 40)])
    return tpr_at_far(F.normalize(embeddings.float(), dim=-1), torch.arange(len(embeddings)) // LOOKS)


@torch.no_grad()
def reading(model: LookReader, data: Path) -> dict[str, float]:
    """Share of each part of the look that is read from held-out pictures."""
    pictures, records = dataset.load(data, "held_out")
    usable = [index for index, record in enumerate(records) if not record["view"]]
    logits = model(to_tensor(pictures[usable]))
    return {
        part: sum(
            CHOICES[part][choice] == records[index]["look"][part]
            for choice, index in zip(value.argmax(-1).tolist(), usable, strict=True)
        )
        / len(usable)
        for part, value in logits.items()
    }


def train_all(data: Path, out: Path) -> None:
    encoder = train(FaceEncoderTraining, data, "prior", out / "encoder.pt", 6, 1.5e-3, 3, flip=True)
    print(f"face encoder: TPR at 1 % FAR {recognition(encoder, data, 'judge_held_out'):.3f}", flush=True)
    judge = train(RecogniserTraining, data, "judge", out / "recogniser.pt", 5, 2e-3, 4, flip=True)
    print(f"recogniser: TPR at 1 % FAR {recognition(judge, data, 'judge_held_out'):.3f}", flush=True)
    reader = train(ReaderTraining, data, "base", out / "reader.pt", 4, 2e-3, 5, flip=False)
    print("reader:", reading(reader.network, data), flush=True)

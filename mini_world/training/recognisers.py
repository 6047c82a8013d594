"""Train the three recognition networks: face encoder, recogniser and look reader.

The face encoder is the identity prior of the method. The recogniser and the reader are for evaluation
only: they are CNNs, use another crop, and are trained on other people.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as TF
from transformers import ViTConfig, ViTModel

from mini_world.evaluators import EMBEDDING, LookReader, Recogniser
from mini_world.sizes import FACE_VIT
from mini_world.training import dataset
from mini_world.training.autoencoder import to_tensor
from mini_world.training.recognition import LOOKS, reading, recognition
from mini_world.training.runs import averaged
from mini_world.training.text import Factors
from mini_world.training.trainer import Course, descend
from stableidentity_core.encode.vit import FACE_BOX

BATCH, SCALE, MARGIN, SHIFT = 96, 24.0, 0.3, 2


class CosFace(nn.Module):
    """Softmax over people with a margin on the cosine (arXiv 1801.09414, Eq. 4)."""

    def __init__(self, width: int, people: int):
        super().__init__()
        self.centres = nn.Parameter(torch.randn(people, width))

    def forward(self, embeddings: Tensor, people: Tensor, margin: float) -> Tensor:
        cosine = F.normalize(embeddings, dim=-1) @ F.normalize(self.centres, dim=-1).T
        return F.cross_entropy(SCALE * (cosine - margin * F.one_hot(people, len(self.centres))), people)


_KINDS = {"hair": 11, "hair_colour": 7, "beard": 5, "eye_colour": 5, "freckles": 2}


class FaceEncoderTraining(nn.Module):
    """Trains the face ViT to predict the factors of a face, and to distinguish people by its CLS feature."""

    def __init__(self, people: int):
        super().__init__()
        width = FACE_VIT["hidden_size"]
        self.vit = ViTModel(ViTConfig(**FACE_VIT), add_pooling_layer=False)
        self.people = CosFace(width, people)
        self.numbers = nn.Linear(width, 17)
        self.kinds = nn.ModuleDict({key: nn.Linear(width, size) for key, size in _KINDS.items()})

    def forward(self, pictures: Tensor) -> Tensor:
        return self.features(face_crops(pictures))

    def features(self, faces: Tensor) -> Tensor:
        return self.vit(pixel_values=faces * 2 - 1).last_hidden_state[:, 0]

    def loss(self, faces: Tensor, people: Tensor, factors: Factors, share: float) -> Tensor:
        """Faces [B, 3, 64, 64]; `people` -1 is unnumbered; CosFace is added after 40 % of the training."""
        features = self.features(faces).float()
        kinds = [F.cross_entropy(head(features), factors.categories[key]) for key, head in self.kinds.items()]
        loss = torch.stack(kinds).mean() + 6 * (self.numbers(features) - factors.numbers).square().mean()
        numbered = people >= 0
        if share > 0.4 and numbered.any():
            loss = loss + 0.2 * self.people(features[numbered], people[numbered], MARGIN * max(0.0, share - 0.5))
        return loss


def face_crops(pictures: Tensor, margin: int = 0) -> Tensor:
    """The encoder's crop of pictures [B, 3, 128, 128]: [B, 3, 64 + 2 margin, 64 + 2 margin]."""
    side = FACE_VIT["image_size"]
    left, top, right, bottom = (round(edge * pictures.shape[-1]) for edge in FACE_BOX)
    more = round(margin * (right - left) / side)
    faces = pictures[..., top - more : bottom + more, left - more : right + more]
    return F.interpolate(faces, (side + 2 * margin,) * 2, mode="bilinear", antialias=True)


def train_encoder(data: Path, file: Path, minutes: float, rate: float = 1e-3, seed: int = 3) -> FaceEncoderTraining:
    """Train the face ViT on the splits `prior` and `base`; see `train`."""
    torch.manual_seed(seed)
    crops, records = [], []
    for split in ("prior", "base"):
        pictures, lines = dataset.load(data, split)
        usable = [index for index, line in enumerate(lines) if not line["view"] and line["look"]["style"] == "photo"]
        usable = [index for index in usable if lines[index]["look"]["glasses"] != "sunglasses"]
        for start in range(0, len(usable), 500):
            part = to_tensor(pictures[usable[start : start + 500]])
            crops.append((face_crops(part, SHIFT) * 255).round().byte())
        people = {True: lambda index: index // LOOKS, False: lambda index: -1}[split == "prior"]
        records += [{**lines[index], "named": True, "caption": "", "who": people(index)} for index in usable]
    faces, people = torch.cat(crops), torch.tensor([record["who"] for record in records])
    factors = Factors.of(records)
    model = FaceEncoderTraining(int(people.max()) + 1)
    optimizer = torch.optim.AdamW(model.parameters(), rate, betas=(0.9, 0.98), weight_decay=0.02, fused=True)

    def loss_of(generator: torch.Generator, share: float) -> tuple[Tensor, float]:
        index = torch.randint(len(faces), (BATCH,), generator=generator)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(shifted(faces[index], generator), people[index], factors.pick(index), share)
        return loss, loss.item()

    descend(model, optimizer, Course(minutes=minutes, seed=seed, decay=0.995, warm_up=0.05), file, loss_of)
    model.load_state_dict(averaged(file))
    return model.eval()


def shifted(faces: Tensor, generator: torch.Generator) -> Tensor:
    """Bytes with a margin of SHIFT -> [B, 3, 64, 64] in 0..1: shifted, half of them flipped, with varied brightness."""
    side = FACE_VIT["image_size"]
    groups = []
    for part in faces.chunk(8):
        x, y = torch.randint(2 * SHIFT + 1, (2,), generator=generator).tolist()
        part = part[..., y : y + side, x : x + side].float() / 255
        groups.append(part.flip(-1) if torch.rand(1, generator=generator) < 0.5 else part)
    light = 0.85 + 0.3 * torch.rand(len(faces), 1, 1, 1, generator=generator)
    return (torch.cat(groups) * light).clamp(0, 1)


class RecogniserTraining(nn.Module):
    """Trains the recogniser on the same two tasks as the encoder, on other people and without hair."""

    def __init__(self, people: int):
        super().__init__()
        self.network = Recogniser()
        self.people = CosFace(EMBEDDING, people)
        self.numbers = nn.Linear(EMBEDDING, 17)
        self.kinds = nn.ModuleDict(
            {key: nn.Linear(EMBEDDING, size) for key, size in _KINDS.items() if not key.startswith("hair")}
        )

    def forward(self, pictures: Tensor) -> Tensor:
        return self.network(pictures)

    def loss(self, pictures: Tensor, people: Tensor, factors: Factors, share: float) -> Tensor:
        features = self.network.features(pictures).float()
        kinds = [F.cross_entropy(head(features), factors.categories[key]) for key, head in self.kinds.items()]
        loss = torch.stack(kinds).mean() + 6 * (self.numbers(features) - factors.numbers).square().mean()
        if share > 0.4:
            loss = loss + 0.2 * self.people(features, people, MARGIN * max(0.0, share - 0.5))
        return loss


class ReaderTraining(nn.Module):
    def __init__(self, people: int = 0):
        super().__init__()
        self.network = LookReader()

    def loss(self, pictures: Tensor, people: Tensor, factors: Factors, share: float) -> Tensor:
        logits = self.network(pictures)
        return torch.stack(
            [F.cross_entropy(value.float(), factors.categories[key]) for key, value in logits.items()]
        ).mean()


def varied(pictures: Tensor, generator: torch.Generator, flip: bool) -> Tensor:
    """Augment with small shifts, brightness and blur, for robustness to artefacts of generated pictures."""

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


Training = TypeVar("Training", RecogniserTraining, ReaderTraining)


def train(
    kind: Callable[[int], Training],
    data: Path,
    split: str,
    file: Path,
    minutes: float,
    rate: float,
    seed: int,
    flip: bool,
) -> Training:
    """Train for a given time, or resume an interrupted training."""
    torch.manual_seed(seed)
    pictures, records = dataset.load(data, split)
    for record in records:
        record["named"] = True  # all factors are known
        record["caption"] = record["look"]["shirt"]
    factors = Factors.of(records)
    usable = torch.tensor([index for index, record in enumerate(records) if not record["view"]])
    model = kind(math.ceil(len(records) / LOOKS))
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.02, fused=True)

    def loss_of(generator: torch.Generator, share: float) -> tuple[Tensor, float]:
        index = usable[torch.randint(len(usable), (BATCH,), generator=generator)].sort()[0]
        images = varied(to_tensor(pictures[index.numpy()]), generator, flip)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(images, index // LOOKS, factors.pick(index), share)
        return loss, loss.item()

    course = Course(minutes=minutes, seed=seed, decay=0.995, clip=2.0, warm_up=0.04, report_every=50)
    descend(model, optimizer, course, file, loss_of)
    model.load_state_dict({key: value.to(model.state_dict()[key]) for key, value in averaged(file).items()})
    return model.eval()


def train_all(data: Path, out: Path) -> None:
    encoder = train_encoder(data, out / "encoder.pt", 6)
    print(f"face encoder: TPR at 1 % FAR {recognition(encoder, data, 'judge_held_out')}", flush=True)
    judge = train(RecogniserTraining, data, "judge", out / "recogniser.pt", 5, 2e-3, 4, flip=True)
    print(f"recogniser: TPR at 1 % FAR {recognition(judge, data, 'judge_held_out')}", flush=True)
    reader = train(ReaderTraining, data, "base", out / "reader.pt", 4, 2e-3, 5, flip=False)
    print("reader:", reading(reader.network, data), flush=True)

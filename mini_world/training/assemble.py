"""Collect the averaged weights of all trainings and write the file that the pack ships."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mini_world import weights
from mini_world.evaluators import Recogniser
from mini_world.training.autoencoder import to_tensor
from mini_world.training.dataset import load
from mini_world.training.export import pack, prefixed_text
from mini_world.training.runs import averaged
from mini_world.training.text import BASE, TextTower
from mini_world.training.vocabulary import Vocabulary
from mini_world.weights import EMBEDDING


def finish(data: Path, run: Path, path: Path = weights.FILE) -> str:
    """Write the shipped file, record its SHA-256 in weights.py and return it.

    A decoder that was trained further on fixed latents replaces the autoencoder's own.
    """
    denoiser = averaged(run / "unet.pt")
    vae = averaged(run / "autoencoder.pt")
    if (run / "decoder.pt").exists():
        vae |= {key: value for key, value in averaged(run / "decoder.pt").items() if key.startswith("decoder.")}
    recogniser = part(averaged(run / "recogniser.pt"), "network")
    if (data / "judge.npy").exists():  # otherwise it is the shipped one, which is already centred
        recogniser = centred(recogniser, data)
    judge = under("recogniser", recogniser)
    judge |= under("reader", part(averaged(run / "reader.pt"), "network"))
    known, text = text_encoder(data, denoiser)
    sha256 = pack(
        path,
        unet=part(denoiser, "unet"),
        text=text,
        ids=known,
        vae=vae,
        encoder=part(averaged(run / "encoder.pt"), "vit"),
        judge=judge,
    )
    source = Path(weights.__file__)
    source.write_text(re.sub(r'SHA256 = "\w*"', f'SHA256 = "{sha256}"', source.read_text("utf-8")), "utf-8")
    return sha256


@torch.no_grad()
def text_encoder(data: Path, denoiser: Mapping[str, Tensor]) -> tuple[list[int], dict[str, Tensor]]:
    """CLIP ids of the known words, and the encoder's weights with the computed embeddings of names."""
    captions = [record["caption"] for split in BASE for record in load(data, split)[1]]
    vocabulary = Vocabulary(captions)
    tower = TextTower(vocabulary)
    tower.load_state_dict(part(denoiser, "tower"))
    tower.own_rows.copy_(tower.table())
    weights = prefixed_text(tower.encoder.state_dict())
    return vocabulary.ids, weights | {EMBEDDING: weights[EMBEDDING][: vocabulary.shipped_rows].clone()}


@torch.no_grad()
def centred(state: dict[str, Tensor], data: Path, split: str = "judge") -> dict[str, Tensor]:
    """The recogniser with its mean feature subtracted, so that different people have a similarity near zero."""
    network = Recogniser()
    network.load_state_dict(state)
    pictures, _ = load(data, split)
    features = [network.eval().features(to_tensor(part)) for part in np.array_split(pictures[::5], 40)]
    return {**state, "out.bias": state["out.bias"] - torch.cat(features).mean(0)}


def part(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The weights below `name`, without that prefix."""
    return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}


def under(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights with this prefix."""
    # The averaging has turned the counters into floats.
    return {
        f"{name}.{key}": value.long() if key.endswith("num_batches_tracked") else value for key, value in state.items()
    }

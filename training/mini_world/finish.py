"""Take the averaged weights of all trainings and write the file that the pack ships."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stableidentity_core.demo import weights
from stableidentity_core.demo.judges import Recogniser

from .autoencoder import to_tensor
from .dataset import load
from .runs import averaged
from .ship import pack
from .text import Vocabulary


def finish(data: Path, run: Path, path: Path = weights.FILE) -> str:
    """Write the shipped file and note its hash in weights.py; gives the SHA-256.

    A decoder that was polished on fixed latents takes the place of the autoencoder's own.
    """
    more = run / "unet_more.pt"
    denoiser = averaged(more if more.exists() else run / "unet.pt")
    vae = averaged(run / "autoencoder.pt")
    if (run / "decoder.pt").exists():
        vae |= {key: value for key, value in averaged(run / "decoder.pt").items() if key.startswith("decoder.")}
    judge = _under("recogniser", centred(part(averaged(run / "recogniser.pt"), "network"), data))
    judge |= _under("reader", part(averaged(run / "reader.pt"), "network"))
    sha256 = pack(
        path,
        unet=part(denoiser, "unet"),
        text=part(denoiser, "tower.encoder"),
        ids=Vocabulary([record["caption"] for record in load(data, "base")[1]]).ids,
        vae=vae,
        encoder=part(averaged(run / "encoder.pt"), "vit"),
        judge=judge,
    )
    source = Path(weights.__file__)
    source.write_text(re.sub(r'SHA256 = "\w*"', f'SHA256 = "{sha256}"', source.read_text("utf-8")), "utf-8")
    return sha256


@torch.no_grad()
def centred(state: dict[str, Tensor], data: Path) -> dict[str, Tensor]:
    """The recogniser with its mean feature taken off, so that strangers have a similarity near zero."""
    network = Recogniser()
    network.load_state_dict(state)
    pictures, _ = load(data, "judge")
    features = [network.eval().features(to_tensor(part)) for part in np.array_split(pictures[::5], 40)]
    return {**state, "out.bias": state["out.bias"] - torch.cat(features).mean(0)}


def part(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The weights below `name`, without that prefix."""
    return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}


def _under(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # The running mean made floats of the counters.
    return {
        f"{name}.{key}": value.long() if key.endswith("num_batches_tracked") else value for key, value in state.items()
    }

"""Start from the weights that the pack ships instead of from scratch."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from mini_world.pipeline import taesd_for_diffusers
from mini_world.training.runs import cosine_rate
from mini_world.training.text import TextTower
from mini_world.training.unet import Denoiser
from mini_world.weights import EMBEDDING, load_weights


def autoencoder() -> dict[str, Tensor]:
    """AutoencoderTiny's weights."""
    return taesd_for_diffusers(load_weights().vae)


def text(tower: TextTower, ids: list[int]) -> None:
    """Load the shipped text encoder into a tower, and fit its name embeddings to the shipped ones.

    Args:
        ids: CLIP ids of the words that the tower knows.
    """
    weights = load_weights()
    unknown = next(row for row in range(len(weights.text[EMBEDDING])) if row not in weights.known_ids)
    rows = weights.text[EMBEDDING][torch.tensor([*ids, unknown, unknown, unknown])]
    prefixed = any(key.startswith("text_model.") for key in tower.encoder.state_dict())
    state = {key if prefixed else key.removeprefix("text_model."): value for key, value in weights.text.items()}
    tower.encoder.load_state_dict(state | {EMBEDDING if prefixed else EMBEDDING.removeprefix("text_model."): rows})
    fit(tower, rows)


def fit(tower: TextTower, rows: Tensor, steps: int = 600) -> None:
    """Fit the name embeddings to given ones [R, D]; for common words, their own embedding takes up the residual."""
    named = torch.cat([tower.names.first_rows, tower.names.last_rows]).unique()
    names_only = named[tower.free[named, 0] == 0]
    optimizer = torch.optim.Adam(tower.names.parameters(), 2e-3)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 2e-3 * cosine_rate(step / steps)
        optimizer.zero_grad()
        (tower.names()[names_only] - rows[names_only]).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        error = (tower.names()[names_only] - rows[names_only]).square().mean()
        tower.own_rows.sub_(tower.names() * tower.free)
    print(f"rows of names: {1 - error.item() / rows[names_only].var().item():.3f} of their variance comes from factors")


def denoiser(model: Denoiser) -> None:
    """Load the shipped UNet into a denoiser."""
    model.unet.load_state_dict(load_weights().unet)


def evaluators(run: Path) -> None:
    """Write face encoder, recogniser and reader to where their trainings would save them, unless they exist."""
    weights = load_weights()
    parts = {
        "encoder": _under("vit", weights.encoder),
        "recogniser": _under("network", _part(weights.judge, "recogniser")),
        "reader": _under("network", _part(weights.judge, "reader")),
    }
    for name, state in parts.items():
        if not (run / f"{name}.pt").exists():
            torch.save({"ema": {"weights": state, "updates": 0}}, run / f"{name}.pt")


def _part(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}


def _under(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for key, value in state.items()}

"""Shared by all trainings: averaged weights, the learning rate schedule, checkpoints."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class Ema:
    """Exponential moving average of a model's weights, with a decay that increases up to `decay`."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.updates = 0
        self.weights = {name: value.detach().float().clone() for name, value in model.state_dict().items()}

    def update(self, model: nn.Module) -> None:
        self.updates += 1
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        with torch.no_grad():
            values = model.state_dict()
            torch._foreach_lerp_(
                [self.weights[name] for name in values], [value.float() for value in values.values()], 1 - keep
            )

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.updates = state["updates"]
        self.weights = {name: value.clone() for name, value in state["weights"].items()}


def cosine_rate(progress: float, warm_up: float = 0.02, floor: float = 0.02) -> float:
    """Learning rate factor at a fraction of the training: linear warm-up, then cosine decay."""
    if progress < warm_up:
        return progress / warm_up
    course = min(1.0, (progress - warm_up) / (1 - warm_up))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * course))


def save_state(path: Path, parts: Mapping[str, Any], generator: torch.Generator, step: int, spent: float) -> None:
    """Write a checkpoint, atomically in case the process is killed."""
    content = {name: part.state_dict() for name, part in parts.items()}
    content |= {"generator": generator.get_state(), "step": step, "seconds": spent}
    partial = path.with_suffix(".part")
    torch.save(content, partial)
    os.replace(partial, path)


def load_state(path: Path, parts: Mapping[str, Any], generator: torch.Generator) -> tuple[int, float]:
    """Load a checkpoint; return the steps done and seconds spent, or (0, 0) if there is none."""
    if not path.exists():
        return 0, 0.0
    content = torch.load(path, weights_only=True, map_location="cpu")
    for name, part in parts.items():
        part.load_state_dict(content[name])
    generator.set_state(content["generator"])
    return content["step"], content["seconds"]


def averaged(path: Path) -> dict[str, Tensor]:
    """The averaged weights of a finished training."""
    return torch.load(path, weights_only=True, map_location="cpu")["ema"]["weights"]

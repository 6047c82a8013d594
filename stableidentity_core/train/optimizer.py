"""The optimizer and the learning-rate schedule."""

from __future__ import annotations

import math

from torch import nn
from torch.optim import AdamW, Optimizer

from .config import TrainConfig


def new_optimizer(projector: nn.Module, config: TrainConfig) -> AdamW:
    return AdamW(
        projector.parameters(),
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
    )


def rate_at(config: TrainConfig, step: int) -> float:
    """The learning rate of a step, counted from 0.

    `cosine` falls from the learning rate to 0 over half a period (arXiv 1608.03983, Eq. 5, without restarts).
    """
    if config.rate_schedule == "constant":
        return config.learning_rate
    return config.learning_rate * (1 + math.cos(math.pi * step / config.steps)) / 2


def set_rate(optimizer: Optimizer, config: TrainConfig, step: int) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate_at(config, step)

"""Adam (arXiv 1412.6980) over Gaussians whose number changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

BETAS, EPSILON = (0.9, 0.999), 1e-15


@dataclass(kw_only=True, eq=False)
class Adam:
    """Means and squares of the gradients by parameter, in the shapes of the parameters.

    A parameter that is not known yet begins with zeros, also in the middle of a training.
    """

    steps: int = 0
    means: dict[str, Tensor] = field(default_factory=dict)
    squares: dict[str, Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def step(self, parameters: Mapping[str, Tensor], rates: Mapping[str, float]) -> None:
        """Change all parameters that have a gradient, and drop their gradients."""
        self.steps += 1
        first, second = (1 - beta**self.steps for beta in BETAS)
        for name, value in parameters.items():
            if value.grad is None:
                continue
            mean = self.means.setdefault(name, torch.zeros_like(value))
            square = self.squares.setdefault(name, torch.zeros_like(value))
            mean.lerp_(value.grad, 1 - BETAS[0])
            square.mul_(BETAS[1]).addcmul_(value.grad, value.grad, value=1 - BETAS[1])
            value.addcdiv_(mean, (square / second).sqrt_().add_(EPSILON), value=-rates[name] / first)
            value.grad = None

    def rows(self, name: str, kept: Tensor, added: int) -> None:
        """Keep the rows `kept` [N] bool of a parameter, and begin with zeros for `added` new ones behind them."""
        for moments in (self.means, self.squares):
            if name in moments:
                old = moments[name][kept]
                moments[name] = torch.cat([old, old.new_zeros(added, *old.shape[1:])])

    def forget(self, name: str) -> None:
        """Begin again with a parameter."""
        self.means.pop(name, None)
        self.squares.pop(name, None)

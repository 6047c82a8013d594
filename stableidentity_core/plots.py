"""Plots, drawn with matplotlib without changing its global state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .errors import StableIdentityError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg

WIDTH, HEIGHT, DPI = 768, 384, 160  # pixels; letters that can be read where the picture is shown at a third
PHASES = {"noise loss": "tab:blue", "reconstruction loss": "tab:orange"}


def require_matplotlib() -> None:
    """Raise a StableIdentityError if matplotlib cannot be imported; call before work that ends in a plot."""
    try:
        import matplotlib.backends.backend_agg  # noqa: F401
    except ImportError as error:
        raise StableIdentityError("The loss curve needs matplotlib. Run: pip install matplotlib") from error


def loss_curve(losses: Tensor, title: str = "", warning: str = "", *, phase_losses: Tensor | None = None) -> Tensor:
    """Losses of a training -> image [H, W, 3] in 0..1, with one curve for each phase of the loss.

    A loss is of a random timestep, and those of the two phases are decades apart. So each phase has its own curve, the
    running median of its own steps, and the axis is logarithmic. A warning is shown above the title, in red.

    Args:
        losses: [N] of N steps, N may be 0.
        phase_losses: [2, N], those of the noise phase and of the reconstruction phase, NaN in steps without; None if
            they are not known: all losses are then one curve.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if warning:
        figure.suptitle("Warning: " + warning, color="tab:red", fontsize=6, wrap=True)
    axes.set_title(title, fontsize="medium", wrap=True)
    if not len(losses):
        axes.text(0.5, 0.5, "no steps", ha="center", va="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return _drawn(canvas)
    curves = {"loss": losses} if phase_losses is None else dict(zip(PHASES, phase_losses, strict=True))
    for name, curve in curves.items():
        values = curve.detach().cpu().double().numpy()
        if (known := ~np.isnan(values)).any():
            _draw(axes, name, np.flatnonzero(known) + 1, values[known])
    axes.set(yscale="log", xlabel="step")
    axes.set_xlim(0, len(losses) + 1)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="best")
    return _drawn(canvas)


def _draw(axes: Axes, name: str, steps: np.ndarray, values: np.ndarray) -> None:
    """Every step as a dot, and the running median."""
    color = PHASES.get(name, "tab:blue")
    axes.scatter(steps, values, s=4, alpha=0.25, color=color, linewidths=0)
    axes.plot(steps, _running_median(values, max(1, len(values) // 6)), color=color, linewidth=2, label=name)


def _drawn(canvas: FigureCanvasAgg) -> Tensor:
    canvas.draw()
    return torch.from_numpy(np.asarray(canvas.buffer_rgba())[..., :3].astype(np.float32) / 255)


def _running_median(values: np.ndarray, window: int) -> np.ndarray:
    """Of the values around each, fewer at both ends; as long as the values."""
    around = [values[max(0, at - window // 2) : at + (window + 1) // 2 + 1] for at in range(len(values))]
    return np.array([np.median(some) for some in around])

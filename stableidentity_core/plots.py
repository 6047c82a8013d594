"""Plots, drawn with matplotlib without changing its global state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .errors import StableIdentityError

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

WIDTH, HEIGHT, DPI = 768, 384, 96


def require_matplotlib() -> None:
    """Raise a StableIdentityError if matplotlib cannot be imported; call before work that ends in a plot."""
    try:
        import matplotlib.backends.backend_agg  # noqa: F401
    except ImportError as error:
        raise StableIdentityError("The loss curve needs matplotlib. Run: pip install matplotlib") from error


def loss_curve(losses: Tensor, title: str = "", warning: str = "") -> Tensor:
    """Losses [N] of N steps, N may be 0 -> image [H, W, 3] in 0..1, with every step and the running median.

    Single losses vary by three orders of magnitude with the sampled timestep, hence the logarithmic
    axis and the median. A warning is shown above the title, in red.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    steps = np.arange(1, len(losses) + 1)
    if warning:
        figure.suptitle("Warning: " + warning, color="tab:red", fontsize="small", wrap=True)
    values = losses.detach().cpu().double().numpy()
    if not len(values):
        axes.text(0.5, 0.5, "no steps", ha="center", va="center", transform=axes.transAxes)
        axes.set(title=title, xticks=[], yticks=[])
        return _drawn(canvas)
    axes.scatter(steps, values, s=6, alpha=0.35, color="tab:blue", label="one step", linewidths=0)
    window = max(1, len(values) // 10)
    axes.plot(steps, _running_median(values, window), color="tab:orange", label=f"median of {window}")
    axes.set(yscale="log", xlabel="step", ylabel="masked loss", title=title)
    axes.set_xlim(0, len(values) + 1)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right")
    return _drawn(canvas)


def _drawn(canvas: FigureCanvasAgg) -> Tensor:
    canvas.draw()
    return torch.from_numpy(np.asarray(canvas.buffer_rgba())[..., :3].astype(np.float32) / 255)


def _running_median(values: np.ndarray, window: int) -> np.ndarray:
    padded = np.concatenate([np.full(window - 1, np.nan), values])
    return np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, window), axis=1)

"""A clip's score as a picture: two lines along the frames, with gaps where a face is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...console.printable import printable
from ...optional import optional_import
from .score import Series, TemporalScore

WIDTH, HEIGHT, DPI = 768, 384, 96  # pixels
PHOTO, NEXT, GAP = "tab:blue", "tab:orange", "#d5d8dc"
FEW = 60  # frames up to which each has a mark


def check_plot() -> None:
    """Asked before work that ends in a plot.

    Raises:
        MissingPackageError: no working matplotlib.
    """
    _matplotlib("backends.backend_agg")


def clip_plot(score: TemporalScore, title: str = "") -> Tensor:
    """The score along the frames as a picture [H, W, 3] in 0..1.

    The scale is 0 to 1, or down to the least value, the same for all clips: small changes look small. Frames without a
    face are grey and interrupt the lines.

    Raises:
        MissingPackageError: no working matplotlib.
    """
    agg, figures = _matplotlib("backends.backend_agg"), _matplotlib("figure")
    figure = figures.Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, layout="constrained")
    canvas = agg.FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for frame in score.missing:
        label = "no face" if frame == score.missing[0] else None
        axes.axvspan(frame + 0.5, frame + 1.5, color=GAP, linewidth=0, label=label)
    drawn = [_draw(axes, score.to_next, "frame to frame", NEXT, 1.5)]
    if score.to_photo is not None:
        drawn.append(_draw(axes, score.to_photo, "frame to photo", PHOTO, 1.0))
    axes.set(xlabel="frame", ylabel="face similarity")
    axes.set_title(printable(title), loc="left", fontsize=11, parse_math=False)  # a file's name may hold dollars
    axes.set_xlim(0.5, len(score.faces) + 0.5)
    axes.set_ylim(min(0.0, *drawn) - 0.05, 1.05)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False)  # above, where no line can be
    canvas.draw()
    return torch.from_numpy(np.asarray(canvas.buffer_rgba())[..., :3].astype(np.float32) / 255)


def _draw(axes: Any, series: Series, label: str, colour: str, start: float) -> float:
    """Draw a line with gaps and its dashed mean; gives the least value."""
    values = [np.nan if value is None else value for value in series.values]
    legend = label if series.mean is None else f"{label}: {series.mean:.3f}"
    mark = "o" if len(values) <= FEW else "."
    axes.plot(start + np.arange(len(values)), values, color=colour, marker=mark, markersize=4, label=legend)
    if series.mean is not None:
        axes.axhline(series.mean, color=colour, linestyle="--", linewidth=0.8, alpha=0.7)
    return min(series.known.values(), default=0.0)


def _matplotlib(part: str) -> Any:
    return optional_import(f"matplotlib.{part}", feature="the plot of a clip's score", install="pip install matplotlib")

"""How well a clip keeps one face: its frames against the photo and against each other."""

from .frames import read_clip
from .plot import check_plot, clip_plot
from .report import as_dict, report, undefined_to_next, undefined_to_photo
from .score import Series, TemporalScore, compare, score_clip

__all__ = [
    "Series",
    "TemporalScore",
    "as_dict",
    "check_plot",
    "clip_plot",
    "compare",
    "read_clip",
    "report",
    "score_clip",
    "undefined_to_next",
    "undefined_to_photo",
]

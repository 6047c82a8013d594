"""Metrics of pictures of people, by their names. To add one, put a file into this folder; nothing else changes."""

from importlib import import_module
from pkgutil import iter_modules

from .base import METRICS, Metric, Sample, register
from .scores import Scores, score

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["METRICS", "Metric", "Sample", "Scores", "register", "score"]

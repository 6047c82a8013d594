"""Metrics of pictures of people, by their names. To add one, put a file into this folder; nothing else changes."""

from importlib import import_module
from pkgutil import iter_modules

from .base import METRICS, Feature, Metric, Sample, features_of, made_of, register
from .instruments import FoundFaces, Instruments, PictureDistance, PictureFeatures, PicturesAndTexts, Recogniser
from .scores import Scores, score

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "METRICS",
    "Feature",
    "FoundFaces",
    "Instruments",
    "Metric",
    "PictureDistance",
    "PictureFeatures",
    "PicturesAndTexts",
    "Recogniser",
    "Sample",
    "Scores",
    "features_of",
    "made_of",
    "register",
    "score",
]

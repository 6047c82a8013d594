"""A head in 3D from learned words: 3D Gaussians optimised by score distillation (arXiv 2311.11284)."""

from .cameras import furthest_azimuth
from .run import HeadReport, HeadRun
from .settings import PRESETS, HeadSettings, with_preset
from .splat import Splat

__all__ = ["PRESETS", "HeadReport", "HeadRun", "HeadSettings", "Splat", "furthest_azimuth", "with_preset"]

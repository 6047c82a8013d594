"""Settings with which the demo learns a person and generates pictures, with ComfyUI and without."""

from __future__ import annotations

import hashlib

from .core import TrainConfig, celebrity_names, with_preset
from .person import generator

# Deviates from the paper in the preset and in hair_weight (0.1); see benchmarks/README.md for the effect of each.
TRAIN = with_preset(TrainConfig(resolution=128, hair_weight=1.0), "fast")

# KSampler's names; `sample.py` in the core does the same without ComfyUI.
SAMPLER, SCHEDULER = "ddim", "ddim_uniform"
SAMPLING_STEPS = 25
CFG = 4.0
SEED = 1  # of the first prompt's noise; each following prompt uses the next seed

# The Train node requires at least one step; with this learning rate the pictures do not change visibly.
UNTRAINED = {"steps": 1, "learning_rate": 1e-7}
MAX_DIGITS = 20


def trigger_of(person: int) -> str:
    """The trigger of a person: `person-7`, `person-minus-7`; for huge numbers a hash."""
    digits = str(abs(person))
    if len(digits) > MAX_DIGITS:
        digits = hashlib.sha256(digits.encode()).hexdigest()[:MAX_DIGITS]
    return f"person{'-minus' if person < 0 else ''}-{digits}"


def celebrity_for(person: int) -> str:
    """The celebrity name used in the same prompts for comparison, chosen by the person's number."""
    names = celebrity_names()
    return names[int(generator("mini world celebrity", person).integers(len(names)))]

"""How the demo learns a person and paints pictures, with ComfyUI and without."""

from __future__ import annotations

import hashlib

from .core import TrainConfig, celebrity_names, with_preset
from .person import generator

# Departs from the paper in the preset and in hair_weight (0.1); benchmarks/README.md has what each setting gives.
TRAIN = with_preset(TrainConfig(resolution=128, hair_weight=1.0), "fast")

# As KSampler names them; `sample.py` does the same without ComfyUI.
SAMPLER, SCHEDULER = "ddim", "ddim_uniform"
SAMPLING_STEPS = 25
CFG = 4.0
SEED = 1  # of the first prompt's noise; each next one takes the next

# ComfyUI's Train node takes no zero steps; one of this size moves the words by less than fp32 can show in a picture.
UNTRAINED = {"steps": 1, "learning_rate": 1e-7}
MAX_DIGITS = 20


def trigger_of(person: int) -> str:
    """The word for a person: `person-7`, `person-minus-7`; of a huge number, a hash."""
    digits = str(abs(person))
    if len(digits) > MAX_DIGITS:
        digits = hashlib.sha256(digits.encode()).hexdigest()[:MAX_DIGITS]
    return f"person{'-minus' if person < 0 else ''}-{digits}"


def celebrity_for(person: int) -> str:
    """The celebrity whose name is typed in the same prompts for comparison, drawn by the person's number."""
    names = celebrity_names()
    return names[int(generator("mini world celebrity", person).integers(len(names)))]

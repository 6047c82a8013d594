"""Projectors as they are saved."""

from __future__ import annotations

from helpers.make import rng, some_names
from stableidentity_core.methods import StableIdentityProjector, TrainedProjector


def some_projector(seed: int = 0) -> TrainedProjector:
    projector = StableIdentityProjector(8, [some_names()], "per_word", rng(seed))
    facts = {"projector_people": "3"}
    return TrainedProjector(
        state=projector.state_dict(),
        feature_width=8,
        settings={"normalization": "per_word"},
        encoder="random",
        facts=facts,
    )

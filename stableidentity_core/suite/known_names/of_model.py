"""Names of a model, and asking that of a suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from ...evaluate.sample import sample_pictures
from ...text.names import NameSpace
from ..bench import Bench
from .ask import ask_for_names
from .groups import Groups
from .result import NamesKnown

SIDE = 128  # of the kept pictures


def names_of(spaces: Sequence[NameSpace]) -> list[str]:
    """Names that are two tokens in every text space of a model, as the method takes them."""
    others = [set(space.names) for space in spaces[1:]]
    return [name for name in spaces[0].names if all(name in names for names in others)]


def ask_bench(
    bench: Bench, groups: Groups, on_name: Callable[[str], None] = lambda name: None
) -> tuple[NamesKnown, str]:
    """Paint and judge as the suite says; also the recogniser's name."""
    find, recogniser = bench.face_judge()
    sampling = bench.suite.sampling

    def paint(prompts: Sequence[str], seed: int) -> Tensor:
        """As many at once as the suite has."""
        return torch.cat([part(prompts[at : at + step], seed + at) for at in range(0, len(prompts), step)])

    part = partial(_painted, bench)
    step = sampling.at_once
    known = ask_for_names(groups, paint=paint, find=find, embed=recogniser.embed, side=SIDE, on_name=on_name)
    return known, recogniser.name


def _painted(bench: Bench, prompts: Sequence[str], seed: int) -> Tensor:
    sampling = bench.suite.sampling
    return sample_pictures(
        bench.backend,
        prompts,
        {},
        size=sampling.size,
        cfg=sampling.cfg,
        steps=sampling.steps,
        seed=seed,
        negative=sampling.negative,
    )

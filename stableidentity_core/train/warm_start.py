"""Fitting a projector to celebrities, whose words the text encoder already knows.

Where the photos are of celebrities, their words are known already: those of their names. Fitting them takes seconds
and no diffusion, and puts new faces near the names of similar ones. The paper, which uses no photos of celebrities, has
nothing like it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from ..errors import StableIdentityError
from ..methods.base import Projector
from ..shapes import check_shape
from ..text.names import WORDS, NameSpace
from .config import TrainConfig
from .optimizer import new_optimizer, set_rate

WarmStart = Literal["no", "first", "only"]  # `first`: before training by the diffusion loss; `only`: instead of it

# More steps fit the names better and new people worse (mini world: 500 against 2000 steps).
FIT = TrainConfig(steps=500, learning_rate=1e-3, batch_size=64, rate_schedule="cosine")
MIN_KNOWN = 50


def known_places(titles: Sequence[str], name_spaces: Sequence[NameSpace]) -> dict[int, Mapping[str, Tensor]]:
    """Which titles (such as names of files) are names that every text space has: {place: {text space: [2, D]}}.

    Capitals, `_`, `-` and `.` make no difference: `tom_cruise` is Tom Cruise.
    """
    rows = [{_plain(name): row for row, name in enumerate(space.names)} for space in name_spaces]
    return {
        place: {space.space: space.embeddings[row[_plain(title)]] for space, row in zip(name_spaces, rows, strict=True)}
        for place, title in enumerate(titles)
        if all(_plain(title) in row for row in rows)
    }


def fit_known(
    projector: Projector,
    features: Tensor,
    words: Mapping[str, Tensor],
    name_spaces: Sequence[NameSpace],
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> float:
    """Bring the projector's words of known people near their names' embeddings; trains in place.

    Args:
        features: [K, F] of the known people.
        words: {text space: [K, 2, D]}, their names' embeddings.
        seed: of the draws.
        on_step: called before each step; may raise to cancel.

    Returns:
        Mean square distance of the last batch, in the names' own deviations; 1 is what the names' mean would give.

    Raises:
        StableIdentityError: fewer than 50 people.
    """
    if len(features) < MIN_KNOWN:
        raise StableIdentityError(
            f"Only {len(features)} of the photos are named after people that the text encoder knows as two tokens, "
            f"needed at least {MIN_KNOWN}. Name files such as 'Tom Cruise.jpg', or learn without names."
        )
    sizes = check_shape(features, "k f", "features of known people", f=projector.feature_width)
    for space in name_spaces:
        check_shape(words[space.space], "k n d", "words of known people", k=sizes["k"], n=WORDS, d=space.width)
    deviations = {space.space: space.std for space in name_spaces}
    device = next(projector.parameters()).device
    optimizer = new_optimizer(projector, FIT)
    generator = torch.Generator().manual_seed(seed)
    loss = torch.zeros(())
    for step in range(FIT.steps):
        on_step()
        chosen = torch.randint(sizes["k"], (FIT.batch_size,), generator=generator)
        made = projector(features[chosen].to(device))
        losses = [
            ((made[name] - words[name][chosen].to(device)) / deviation.to(device)).square().mean()
            for name, deviation in deviations.items()
        ]
        loss = torch.stack(losses).mean()
        set_rate(optimizer, FIT, step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return loss.item()


def _plain(title: str) -> str:
    return " ".join(re.split(r"[\s_.-]+", title.casefold().strip()))

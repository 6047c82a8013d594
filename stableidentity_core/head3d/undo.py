"""A step of a head that fails or is cancelled leaves no trace, so that a checkpoint can be written after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .densify import Evidence
from .optimiser import Adam
from .splat import Gaussians

if TYPE_CHECKING:
    from .run import HeadRun


@contextmanager
def undone_if_broken_off(run: HeadRun) -> Iterator[None]:
    """After an error inside, Gaussians, moments, evidence, random numbers and the count of steps are as before it."""
    gaussians = Gaussians(**{name: value.detach().clone() for name, value in run.gaussians.items()})
    backdrop, drawn, step = run.backdrop.detach().clone(), run.generator.get_state(), run.step
    adam = Adam(steps=run.adam.steps, means=_copied(run.adam.means), squares=_copied(run.adam.squares))
    evidence = Evidence(**_copied(vars(run.evidence)))
    try:
        yield
    except BaseException:
        run.put(gaussians, backdrop)
        run.generator.set_state(drawn)
        run.adam, run.evidence, run.step = adam, evidence, step
        raise


def _copied(values: dict) -> dict:
    return {name: value.clone() for name, value in values.items()}

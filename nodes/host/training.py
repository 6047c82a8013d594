"""Training people inside the host, with a store of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from ...stableidentity_core.console.streams import get_logger
from ...stableidentity_core.errors import StableIdentityError
from ...stableidentity_core.identity import Identity
from ...stableidentity_core.methods import TrainedProjector
from ...stableidentity_core.plots import loss_curve, require_matplotlib
from ...stableidentity_core.store import ResultStore, TrainResult, work_key
from ...stableidentity_core.text import NameSpace
from ...stableidentity_core.train import TrainConfig
from ...stableidentity_core.train.config import non_default_settings
from ...stableidentity_core.train.diagnosis import WARNING
from ...stableidentity_core.train.result import format_held_out_loss
from ...stableidentity_core.train.session import Person, TrainingSession, unchecked
from . import paths
from .backend import ComfyBackend
from .plots import configure_matplotlib
from .progress import progress
from .session import HostModels, outside_inference_mode

log = get_logger(__name__)
Keep = Callable[[Mapping[str, TrainResult]], None]


def train_in_host(
    model: Any,
    clip: Any,
    vae: Any,
    *,
    people: Sequence[Person],
    name_space: Sequence[NameSpace] | None,
    config: TrainConfig,
    force: bool,
    preview_every: int,
    at_once: int,
    start: TrainedProjector | None = None,
) -> list[tuple[Identity, TrainedProjector, Tensor]]:
    """Train, or load stored results; of several people, only those not in the store are trained.

    Args:
        start: a projector to start from, instead of new weights.
        at_once: number of people learned together; the rest follow in further groups.

    Returns:
        For each person the identity, the projector and the loss curve [1, H, W, 3].
    """
    configure_matplotlib()
    require_matplotlib()
    models = HostModels(model, clip, vae, config.resolution)
    name_spaces = list(name_space or models.name_spaces())
    if differing := non_default_settings(config):
        log.info("StableIdentity: %s is trained with %s", config.method, differing)
    store = ResultStore(paths.results_folder())
    # Keys as if trained alone: together, people learn the same words up to rounding (relative 1e-5 in fp32, 2e-3 in
    # fp16).
    keys = [work_key(person.faces, name_spaces, models.weights, config.as_dict(), start) for person in people]
    by_key = dict(zip(keys, people, strict=True))
    work = Work(
        name_spaces=name_spaces,
        config=config,
        at_once=at_once,
        preview_every=preview_every,
        start=start,
        several=len(people) > 1,
    )
    train = partial(_train, models, work)
    done = {} if force else _stored(store, by_key, train)

    def keep(learned: Mapping[str, TrainResult]) -> None:
        for key, result in learned.items():
            done[key] = result, "trained" if _stored_result(store, key, result) else "trained, not stored: see the log"

    if missing := {key: person for key, person in by_key.items() if key not in done}:
        train(missing, keep)
    return [_output(person, *done[key]) for person, key in zip(people, keys, strict=True)]


def _stored(
    store: ResultStore, people: Mapping[str, Person], train: Callable[[Mapping[str, Person], Keep], None]
) -> dict[str, tuple[TrainResult, str]]:
    """Stored results, by key."""

    def again(key: str) -> TrainResult:
        # Called by the first node that uses the projector. Whether one will is not known in advance: the host's cache
        # may pass this output to a node that is connected later.
        log.info(
            "StableIdentity: the projector of this training was removed from the store for space; training it again"
        )
        results: dict[str, TrainResult] = {}
        train({key: people[key]}, results.update)
        _stored_result(store, key, results[key])
        return results[key]

    done = {}
    for key in people:
        if (result := store.get(key, partial(again, key))) is not None:
            log.info("StableIdentity: this training was done before; result loaded from %s", store.path(key))
            done[key] = result, "stored"
    return done


def _output(person: Person, result: TrainResult, origin: str) -> tuple[Identity, TrainedProjector, Tensor]:
    identity = result.identity.renamed(person.trigger)
    warning = identity.header.get(WARNING, "")
    if warning:
        log.warning("StableIdentity: %s: %s", identity.trigger, warning)
    return identity, result.projector, loss_curve(result.losses, _title(identity, origin), warning)[None]


def _stored_result(store: ResultStore, key: str, result: TrainResult) -> bool:
    """Store a result. A full disk must not lose the training, as the result can still be saved elsewhere."""
    try:
        store.put(key, result)
    except StableIdentityError as error:
        log.warning("StableIdentity: this training is done, but could not be stored for next time. %s", error)
        return False
    return True


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """What all people of a training share."""

    name_spaces: list[NameSpace]
    config: TrainConfig
    at_once: int
    preview_every: int
    start: TrainedProjector | None
    several: bool  # people in all, also where only one of them is left to be trained


def _train(models: HostModels, work: Work, people: Mapping[str, Person], keep: Keep) -> None:
    """Train people, given by their keys, in groups of `at_once`; each finished group is passed to `keep`."""
    config, at_once = work.config, min(work.at_once, len(people))
    keys = list(people)
    groups = [keys[start : start + at_once] for start in range(0, len(keys), at_once)]

    def train(backend: ComfyBackend) -> None:
        on_step = progress(models.model, config.steps, work.preview_every, rounds=len(groups))
        for group in groups:
            session = TrainingSession(
                backend,
                [_outside_inference_mode(people[key]) for key in group],
                config,
                name_spaces=outside_inference_mode(work.name_spaces),
                start=work.start,
                check=unchecked,  # HostModels.run has checked the gradient, once for all groups
                triggers_in_errors=work.several,
            )
            keep(dict(zip(group, session.learn(on_step), strict=True)))

    models.run(config, train, at_once)


def _outside_inference_mode(person: Person) -> Person:
    return replace(person, faces=outside_inference_mode(person.faces))


def _title(identity: Identity, origin: str) -> str:
    header = identity.header
    how = f"{header['method']}, {header['steps']} steps"
    return f"{identity.trigger}: {how}, held-out loss {format_held_out_loss(header)} ({origin})"

"""A training inside the host, with its store of results."""

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
from .plots import settle_matplotlib
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
    """Train, or find the same training in the store; of several people only those that are not there are trained.

    Args:
        start: a projector to start from, instead of afresh.
        at_once: people that are learned side by side; more are learned after them.

    Returns:
        For each person the identity, the projector and the loss curve [1, H, W, 3].
    """
    settle_matplotlib()
    require_matplotlib()
    models = HostModels(model, clip, vae, config.resolution)
    name_spaces = list(name_space or models.name_spaces())
    if differing := non_default_settings(config):
        log.info("StableIdentity: %s is trained with %s", config.method, differing)
    store = ResultStore(paths.results_folder())
    # The key of a person alone: side by side they learn the same words but for rounding (1e-5 of their size in fp32,
    # 2e-3 in fp16).
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
            done[key] = result, "trained" if _kept(store, key, result) else "trained, not kept: see the log"

    if missing := {key: person for key, person in by_key.items() if key not in done}:
        train(missing, keep)
    return [_output(person, *done[key]) for person, key in zip(people, keys, strict=True)]


def _stored(
    store: ResultStore, people: Mapping[str, Person], train: Callable[[Mapping[str, Person], Keep], None]
) -> dict[str, tuple[TrainResult, str]]:
    """What was done before, by its key."""

    def again(key: str) -> TrainResult:
        # Called by the node that uses the projector. Whether one will, nobody knows before: the host's cache may hand
        # this output to a node that is connected later.
        log.info("StableIdentity: the projector of this training has left the store to save space; training it again")
        results: dict[str, TrainResult] = {}
        train({key: people[key]}, results.update)
        _kept(store, key, results[key])
        return results[key]

    done = {}
    for key in people:
        if (result := store.get(key, partial(again, key))) is not None:
            log.info("StableIdentity: this training was done before; its result is taken from %s", store.path(key))
            done[key] = result, "stored"
    return done


def _output(person: Person, result: TrainResult, origin: str) -> tuple[Identity, TrainedProjector, Tensor]:
    identity = result.identity.renamed(person.trigger)
    warning = identity.header.get(WARNING, "")
    if warning:
        log.warning("StableIdentity: %s: %s", identity.trigger, warning)
    return identity, result.projector, loss_curve(result.losses, _title(identity, origin), warning)[None]


def _kept(store: ResultStore, key: str, result: TrainResult) -> bool:
    """Keep a result. A full disk must not cost the training, whose result can still be saved elsewhere."""
    try:
        store.put(key, result)
    except StableIdentityError as error:
        log.warning("StableIdentity: this training is done, but was not kept for the next time. %s", error)
        return False
    return True


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """What is the same for all people of a training."""

    name_spaces: list[NameSpace]
    config: TrainConfig
    at_once: int
    preview_every: int
    start: TrainedProjector | None
    several: bool  # people in all, also where only one of them is left to be trained


def _train(models: HostModels, work: Work, people: Mapping[str, Person], keep: Keep) -> None:
    """Train people by their keys, so many at once; each such group is handed on when it is done."""
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
                check=unchecked,  # once for all groups, as the models were opened
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

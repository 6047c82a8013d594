"""Training people inside the host, with a store of results."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ...stableidentity_core.console.streams import get_logger
from ...stableidentity_core.console.time_left import describe_duration
from ...stableidentity_core.errors import StableIdentityError
from ...stableidentity_core.identity import Identity
from ...stableidentity_core.methods import TrainedProjector
from ...stableidentity_core.plots import require_matplotlib
from ...stableidentity_core.store import ResultStore, TrainResult, work_key
from ...stableidentity_core.text import NameSpace
from ...stableidentity_core.train import StepReport, TrainConfig
from ...stableidentity_core.train.config import non_default_settings
from ...stableidentity_core.train.projector_init import learned_bytes
from ...stableidentity_core.train.session import Person, TrainingSession, unchecked
from . import paths
from .learned import STORED, Learned, Pictures, learned, marked
from .models import HostBackend
from .plots import configure_matplotlib
from .progress import TrainingProgress, show_pictures
from .progress_text import tell, told_if_stopped
from .scoring import HostScoring
from .session import HostModels, outside_inference_mode

log = get_logger(__name__)
Keep = Callable[[Mapping[str, TrainResult]], None]


@told_if_stopped()
def train_in_host(
    models: HostModels,
    *,
    people: Sequence[Person],
    name_space: Sequence[NameSpace] | None,
    config: TrainConfig,
    force: bool,
    preview_every: int,
    at_once: int,
    start: TrainedProjector | None,
    pictures: Pictures,
    scoring: HostScoring | None = None,
) -> list[Learned]:
    """Train, or load stored results; of several people, only those not in the store are trained.

    Args:
        start: a projector to start from, instead of new weights.
        at_once: number of people learned together; the rest follow in further groups.
        pictures: paints people while they are trained, and everybody at the end.
        scoring: scores steps, and may choose which one is kept.
    """
    configure_matplotlib()
    require_matplotlib()
    begun = time.monotonic()
    name_spaces = list(name_space or models.name_spaces())
    if differing := non_default_settings(config):
        log.info("StableIdentity: %s is trained with %s", config.method, differing)
    store = ResultStore(paths.results_folder())
    # Keys as if trained alone: together, people learn the same words up to rounding (relative 1e-5 in fp32, 2e-3 in
    # fp16).
    settings = config.as_dict() | (scoring.as_dict() if scoring else {})
    keys = [work_key(person.faces, name_spaces, models.weights, settings, start) for person in people]
    by_key = dict(zip(keys, people, strict=True))
    work = Work(
        name_spaces=name_spaces,
        config=config,
        at_once=at_once,
        preview_every=preview_every,
        start=start,
        several=len(people) > 1,
        scoring=scoring,
    )
    train = partial(_train, models, work)
    done = {} if force else _stored(store, by_key, partial(train, pictures=Pictures(painter=None)))

    def keep(results: Mapping[str, TrainResult]) -> None:
        for key, result in results.items():
            stored = "" if _stored_result(store, key, result) else "; not stored, see the log"
            done[key] = result, f"in {describe_duration(time.monotonic() - begun)}{stored}"

    if missing := {key: person for key, person in by_key.items() if key not in done}:
        train(missing, keep, pictures=pictures)
    _paint(pictures, {key: done[key][0].identity.renamed(person.trigger) for key, person in by_key.items()})
    return [learned(person.trigger, *done[key], pictures.of(key)) for person, key in zip(people, keys, strict=True)]


def _paint(pictures: Pictures, people: Mapping[str, Identity]) -> None:
    """Paint everybody at the end, and show them on the node in place of the last preview."""
    if pictures.painter is None:
        return
    made = []
    for number, (key, identity) in enumerate(people.items(), 1):
        name = identity.trigger[1:-1]
        tell(f"painting {name}" + (f", {number} of {len(people)}" if len(people) > 1 else ""))
        made += pictures.paint([(key, identity)])
    show_pictures(made)


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
        tell("the projector was trained again")
        return results[key]

    done = {}
    for key in people:
        if (result := store.get(key, partial(again, key))) is not None:
            log.info("StableIdentity: this training was done before; result loaded from %s", store.path(key))
            done[key] = result, STORED
    return done


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
    scoring: HostScoring | None = None


def _train(models: HostModels, work: Work, people: Mapping[str, Person], keep: Keep, *, pictures: Pictures) -> None:
    """Train people, given by their keys, in groups of `at_once`; each finished group is passed to `keep`."""
    config, at_once = work.config, min(work.at_once, len(people))
    keys = list(people)
    groups = [keys[start : start + at_once] for start in range(0, len(keys), at_once)]

    def train(backend: HostBackend) -> None:
        each = pictures.each + (work.scoring.pictures(config.steps) if work.scoring else 0)
        progress = TrainingProgress(
            models.model, config.steps, work.preview_every, rounds=len(groups), pictures=each * len(people)
        )
        for number, group in enumerate(groups):
            progress.begin(_who(number * at_once + 1, len(group), len(people)) if len(groups) > 1 else "")
            persons = [_outside_inference_mode(people[key]) for key in group]
            session = TrainingSession(
                backend,
                persons,
                config,
                name_spaces=outside_inference_mode(work.name_spaces),
                start=work.start,
                check=unchecked,  # HostModels.run has checked the gradient, once for all groups
                triggers_in_errors=work.several,
                scoring=work.scoring and work.scoring.of(backend, persons, progress),
            )
            on_step = _watched(backend, session, group, progress, pictures)
            results = [marked(result, models.text) for result in session.learn(on_step, progress.stage)]
            keep(dict(zip(group, results, strict=True)))

    faces = next(iter(people.values())).faces
    models.run(config, train, at_once, learned_bytes(faces, work.name_spaces, config))


def _who(first: int, count: int, people: int) -> str:
    return f"person {first} of {people}" if count == 1 else f"people {first} to {first + count - 1} of {people}"


def _watched(
    backend: HostBackend,
    session: TrainingSession,
    keys: Sequence[str],
    progress: TrainingProgress,
    pictures: Pictures,
) -> Callable[[tuple[StepReport, ...]], None]:
    """What to do after each step: show it, and paint the people now and then."""

    def on_step(reports: tuple[StepReport, ...]) -> None:
        progress(reports)
        if reports[0].step in pictures.during:
            progress.stage("painting")
            so_far = [
                Identity(trigger=person.trigger, words=run.words(), header={})
                for person, run in zip(session.people, session.runs, strict=True)
            ]
            with backend.networks.lent():
                made = pictures.paint(zip(keys, so_far, strict=True))
            progress.painted(made)

    return on_step


def _outside_inference_mode(person: Person) -> Person:
    return replace(person, faces=outside_inference_mode(person.faces))

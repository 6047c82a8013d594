"""A training inside the host, with its store of results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from ...stableidentity_core.console.streams import get_logger
from ...stableidentity_core.errors import StableIdentityError, said_of
from ...stableidentity_core.face import Face
from ...stableidentity_core.identity import Identity
from ...stableidentity_core.methods import TrainedProjector
from ...stableidentity_core.plots import loss_curve, require_matplotlib
from ...stableidentity_core.store import ResultStore, TrainResult, work_key
from ...stableidentity_core.text import NameSpace, build_name_space
from ...stableidentity_core.train import TrainConfig, TrainingRun
from ...stableidentity_core.train.config import compute_of, departures
from ...stableidentity_core.train.diagnosis import WARNING
from ...stableidentity_core.train.projector_init import make_projector
from ...stableidentity_core.train.session import check_spaces, learn_identities, told_held_out
from . import paths
from .backend import ComfyBackend, comfy_backend
from .checks import check_resolution, check_trio
from .fingerprint import model_fingerprint, vae_fingerprint
from .plots import settle_matplotlib
from .progress import OnStep, progress
from .session import check_host_gradient, outside_inference_mode, telling_of_memory
from .text import HostText
from .weights import GB

log = get_logger(__name__)
Keep = Callable[[Mapping[str, TrainResult]], None]


def host_name_spaces(clip: Any, names: Iterable[str] | None = None) -> tuple[NameSpace, ...]:
    """The name spaces of a host CLIP, one for each of its text spaces."""
    text = HostText(clip)
    names = None if names is None else tuple(names)
    return tuple(
        build_name_space(space.name, partial(text.tokenize, space.name), partial(text.embed_tokens, space.name), names)
        for space in text.spaces
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Person:
    """Somebody to be learned."""

    trigger: str  # "<anna>"
    faces: list[Face]  # their photos, with what the method looks at


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
    check_trio(model, HostText(clip), vae)
    check_resolution(model, config.resolution)
    name_spaces = list(name_space or host_name_spaces(clip))
    if departing := departures(config):
        log.info("StableIdentity: %s is trained with %s", config.method, departing)
    store = ResultStore(paths.results_folder())
    fingerprint = model_fingerprint(model, clip)
    # The key of a person alone: side by side they learn the same words but for rounding (1e-5 of their size in fp32,
    # 2e-3 in fp16).
    weights = f"{fingerprint} {vae_fingerprint(vae)}"
    keys = [work_key(person.faces, name_spaces, weights, config.as_dict(), start) for person in people]
    by_key = dict(zip(keys, people, strict=True))
    work = Work(
        name_spaces=name_spaces,
        config=config,
        at_once=at_once,
        preview_every=preview_every,
        fingerprint=fingerprint,
        start=start,
        named=len(people) > 1,
    )
    train = partial(_train, model, clip, vae, work)
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
    fingerprint: str  # of MODEL and CLIP
    start: TrainedProjector | None
    named: bool  # whether errors must say whom they are about


def _train(model: Any, clip: Any, vae: Any, work: Work, people: Mapping[str, Person], keep: Keep) -> None:
    """Train people by their keys, so many at once; each such group is handed on when it is done."""
    work = replace(work, at_once=min(work.at_once, len(people)))
    config, needed = work.config, 0

    def learned() -> None:
        nonlocal needed
        with comfy_backend(
            model,
            clip,
            vae,
            resolution=config.resolution,
            batch_size=config.batch_size * work.at_once,
            compute=compute_of(config),
            fingerprint=work.fingerprint,
        ) as backend:
            needed = backend.memory
            check_spaces(backend, work.name_spaces)
            check_host_gradient(backend)
            keys = list(people)
            groups = [keys[start : start + work.at_once] for start in range(0, len(keys), work.at_once)]
            on_step = progress(model, config.steps, work.preview_every, rounds=len(groups))
            for group in groups:
                keep(_learned(backend, {key: people[key] for key in group}, work, on_step))

    spare = "" if config.low_memory else "set low_memory, "
    each = f" for each of {work.at_once} people" if work.at_once > 1 else ""
    lower = "people_at_once, resolution or batch size" if work.at_once > 1 else "resolution or batch size"
    telling_of_memory(
        learned,
        lambda said: (
            f"The device ran out of memory during training at {config.resolution}x{config.resolution}, batch "
            f"{config.batch_size}{each}{_beside(needed)} ({said}). Close other programs on the device, free its models "
            f"in ComfyUI, {spare}or lower {lower}."
        ),
    )


def _beside(needed: int) -> str:
    """Nothing where the model itself did not find room."""
    return f", which takes about {needed / GB:.1f} GB beside the model" if needed else ""


def _learned(
    backend: ComfyBackend, people: Mapping[str, Person], work: Work, on_step: OnStep
) -> dict[str, TrainResult]:
    spaces = outside_inference_mode(work.name_spaces)
    runs = []
    for person in people.values():
        name = person.trigger if work.named else ""
        with said_of(name):
            faces = outside_inference_mode(person.faces)
            projector = make_projector(backend, faces, spaces, work.config, work.start)
            runs.append(TrainingRun(backend, faces, projector, work.config, name))
    results = learn_identities(runs, spaces, [person.trigger for person in people.values()], on_step)
    return dict(zip(people, results, strict=True))


def _title(identity: Identity, origin: str) -> str:
    header = identity.header
    how = f"{header['method']}, {header['steps']} steps"
    return f"{identity.trigger}: {how}, held-out loss {told_held_out(header)} ({origin})"

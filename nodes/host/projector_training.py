"""Learning a projector over many people inside the host: kept when done, gone on with when broken off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from ...stableidentity_core.console.streams import get_logger
from ...stableidentity_core.errors import StableIdentityError
from ...stableidentity_core.face import Face
from ...stableidentity_core.methods import TrainedProjector
from ...stableidentity_core.plots import loss_curve, require_matplotlib
from ...stableidentity_core.store import ProjectorResult, ResultStore, work_key
from ...stableidentity_core.text import NameSpace
from ...stableidentity_core.train import StepReport, TrainConfig
from ...stableidentity_core.train.config import compute_of
from ...stableidentity_core.train.diagnosis import PROJECTOR_WARNING
from ...stableidentity_core.train.pretraining import SharedRun, encode_people
from ...stableidentity_core.train.projector_init import make_projector
from ...stableidentity_core.train.projector_session import learn_projector
from ...stableidentity_core.train.session import check_spaces
from ...stableidentity_core.train.warm_start import KnownPeople
from . import paths
from .backend import comfy_backend
from .cancel import stoppable
from .checks import check_resolution, check_trio
from .fingerprint import model_fingerprint, vae_fingerprint
from .plots import settle_matplotlib
from .progress import progress
from .session import check_host_gradient, outside_inference_mode, telling_of_memory
from .text import HostText
from .training import host_name_spaces

CHECKPOINT_EVERY = 100
log = get_logger(__name__)


def train_projector_in_host(
    model: Any,
    clip: Any,
    vae: Any,
    *,
    photos: Sequence[tuple[str, Face]],
    name_space: Sequence[NameSpace] | None,
    config: TrainConfig,
    known_people: KnownPeople,
    preview_every: int,
) -> tuple[TrainedProjector, Tensor]:
    """Learn over all photos (title and face of each person), or find the same work done before.

    Returns:
        The projector and the loss curve [1, H, W, 3].
    """
    settle_matplotlib()
    require_matplotlib()
    check_trio(model, HostText(clip), vae)
    check_resolution(model, config.resolution)
    name_spaces = list(name_space or host_name_spaces(clip))
    fingerprint = model_fingerprint(model, clip)
    titles, faces = [title for title, _face in photos], [face for _title, face in photos]
    known = [] if known_people == "no" else [known_people, *titles]
    settings = {**config.as_dict(), "known": known, "many_people": True}
    weights = f"{fingerprint} {vae_fingerprint(vae)}"
    key = stoppable(lambda: work_key(faces, name_spaces, weights, settings))
    store = ResultStore(paths.results_folder())
    if (stored := store.get_projector(key)) is not None:
        log.info("StableIdentity: this projector was trained before; it is taken from %s", store.folder)
        return stored.projector, _curve(stored, "stored")
    checkpoint = store.checkpoint(key)

    def learned() -> ProjectorResult:
        with comfy_backend(
            model,
            clip,
            vae,
            resolution=config.resolution,
            batch_size=config.batch_size,
            compute=compute_of(config),
            fingerprint=fingerprint,
        ) as backend:
            check_spaces(backend, name_spaces)
            check_host_gradient(backend)
            names = outside_inference_mode(name_spaces)
            people = ((title, outside_inference_mode([face])[0]) for title, face in photos)  # one copy at a time
            encoded = encode_people(backend, people, config)

            def new_run() -> SharedRun:
                projector = make_projector(backend, [encoded.first], names, config)
                return SharedRun(backend, encoded, projector, config, known_people)

            run = _resumed(new_run, checkpoint)
            on_step = progress(model, config.steps, preview_every, done=run.step)
            return _learned(run, names, checkpoint, lambda report: on_step((report,)))

    with _kept_within_limit(store, key):
        result = telling_of_memory(
            learned,
            lambda said: (
                f"The device ran out of memory at {config.resolution}x{config.resolution}, batch {config.batch_size} "
                f"({said}). {'L' if config.low_memory else 'Set low_memory, or l'}ower batch_size and raise steps as "
                "much, or free models in ComfyUI."
            ),
        )
        _keep(store, key, result)
    return result.projector, _curve(result, "trained")


@contextmanager
def _kept_within_limit(store: ResultStore, key: str) -> Iterator[None]:
    """Inside, the checkpoint is safe from other processes; afterwards what is left of this work counts as the rest."""
    try:
        with store.working(key):
            yield
    finally:
        store.trim()


def _keep(store: ResultStore, key: str, result: ProjectorResult) -> None:
    """A full disk must not cost the training, whose result can still be saved elsewhere."""
    try:
        store.put_projector(key, result)
    except StableIdentityError as error:
        log.warning("StableIdentity: this projector is trained, but was not kept for the next time. %s", error)


def _resumed(new_run: Callable[[], SharedRun], checkpoint: Path) -> SharedRun:
    """Go on from the checkpoint if there is one; one that cannot be used, such as of an older version, is reported."""
    run = new_run()
    if not checkpoint.is_file():
        return run
    try:
        run.load(checkpoint)
    except StableIdentityError as error:
        log.warning("StableIdentity: cannot go on with what was begun before (%s); training from the start.", error)
        return new_run()
    log.info("StableIdentity: going on from step %d of %s", run.step, checkpoint)
    return run


def _learned(run: SharedRun, name_spaces: list[NameSpace], checkpoint: Path, show: Any) -> ProjectorResult:
    """Train, and leave a checkpoint when broken off."""

    def on_step(report: StepReport) -> None:
        show(report)
        if report.step % CHECKPOINT_EVERY == 0:
            _save(run, checkpoint)

    try:
        return learn_projector(run, name_spaces, on_step)
    except BaseException:  # also the host's interruption
        if run.step and run.watch.fault is None:
            _save(run, checkpoint)
        raise


def _save(run: SharedRun, checkpoint: Path) -> None:
    """A full disk must not end the training."""
    try:
        run.save(checkpoint)
    except StableIdentityError as error:
        log.warning("StableIdentity: the state of the training could not be kept. %s", error)


def _curve(result: ProjectorResult, origin: str) -> Tensor:  # [1, H, W, 3]
    facts = result.projector.facts
    before, after = (facts.get(f"projector_held_out_loss_{when}") for when in ("before", "after"))
    kept = f", held-out loss {float(before):.4g} to {float(after):.4g}" if before and after else ""
    title = f"{facts['projector_people']} people, {facts['projector_steps']} steps{kept} ({origin})"
    warning = facts.get(PROJECTOR_WARNING, "")
    if warning:
        log.warning("StableIdentity: this projector: %s", warning)
    return loss_curve(result.losses, title, warning)[None]

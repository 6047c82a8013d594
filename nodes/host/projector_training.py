"""Training a projector over many people inside the host: stored when done, resumed after an interruption."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from ...stableidentity_core.console.streams import get_logger
from ...stableidentity_core.console.time_left import describe_duration
from ...stableidentity_core.errors import StableIdentityError
from ...stableidentity_core.face import Face
from ...stableidentity_core.methods import TrainedProjector
from ...stableidentity_core.plots import loss_curve, require_matplotlib
from ...stableidentity_core.store import ProjectorResult, ResultStore, work_key
from ...stableidentity_core.text import NameSpace
from ...stableidentity_core.train import StepReport, TrainConfig
from ...stableidentity_core.train.diagnosis import PROJECTOR_WARNING, verdict
from ...stableidentity_core.train.pretraining import ProjectorPretraining
from ...stableidentity_core.train.projector_init import learned_bytes
from ...stableidentity_core.train.projector_session import ProjectorSession
from ...stableidentity_core.train.session import unchecked
from ...stableidentity_core.train.warm_start import WarmStart
from . import paths
from .cancel import stoppable
from .learned import STORED
from .models import HostBackend
from .plots import configure_matplotlib
from .progress import TrainingProgress, counting
from .progress_text import tell, told_if_stopped
from .session import HostModels, outside_inference_mode

CHECKPOINT_EVERY = 100
log = get_logger(__name__)


@told_if_stopped()
def train_projector_in_host(
    model: Any,
    clip: Any,
    vae: Any,
    *,
    photos: Sequence[tuple[str, Face]],
    name_space: Sequence[NameSpace] | None,
    config: TrainConfig,
    warm_start: WarmStart,
    preview_every: int,
) -> tuple[TrainedProjector, Tensor]:
    """Train on all photos (title and face of each person), or load the stored result of the same training.

    Returns:
        The projector and the loss curve [1, H, W, 3].
    """
    configure_matplotlib()
    require_matplotlib()
    models = HostModels(model, clip, vae, config.resolution)
    name_spaces = list(name_space or models.name_spaces())
    tell("comparing with earlier trainings")
    key = stoppable(lambda: _work_key(photos, name_spaces, models.weights, config, warm_start))
    store = ResultStore(paths.results_folder())
    if (stored := store.get_projector(key)) is not None:
        log.info("StableIdentity: this projector was trained before; loaded from %s", store.folder)
        return _shown(stored, STORED)
    checkpoint = store.checkpoint(key)

    def train(backend: HostBackend) -> ProjectorResult:
        encoding = counting(len(photos), "encoding face")
        session = ProjectorSession(
            backend,
            _one_at_a_time(photos, encoding),
            config,
            name_spaces=outside_inference_mode(name_spaces),
            warm_start=warm_start,
            check=unchecked,  # HostModels.run has checked the gradient
        )
        _resume(session.run, checkpoint)
        return _learned(
            session, checkpoint, TrainingProgress(model, config.steps, preview_every, done=session.run.step)
        )

    begun = time.monotonic()
    with _kept_within_limit(store, key):
        faces = [face for _title, face in photos[:1]]
        result = models.run(config, train, learned=learned_bytes(faces, name_spaces, config))
        _keep(store, key, result)
    return _shown(result, f"in {describe_duration(time.monotonic() - begun)}")


def _one_at_a_time(photos: Sequence[tuple[str, Face]], count: Callable[[int], None]) -> Iterator[tuple[str, Face]]:
    """Copies that can be learned from; memory holds one of them."""
    for number, (title, face) in enumerate(photos):
        count(number)
        yield title, outside_inference_mode([face])[0]


def _work_key(
    photos: Sequence[tuple[str, Face]],
    name_spaces: Sequence[NameSpace],
    weights: str,
    config: TrainConfig,
    warm_start: WarmStart,
) -> str:
    """Key of the training; titles are only part of it if warm_start uses them."""
    titles, faces = [title for title, _face in photos], [face for _title, face in photos]
    known = [] if warm_start == "no" else [warm_start, *titles]
    return work_key(faces, name_spaces, weights, {**config.as_dict(), "known": known, "many_people": True})


@contextmanager
def _kept_within_limit(store: ResultStore, key: str) -> Iterator[None]:
    """Inside, other processes do not remove the checkpoint; afterwards the store is trimmed to its limit."""
    try:
        with store.working(key):
            yield
    finally:
        store.trim()


def _keep(store: ResultStore, key: str, result: ProjectorResult) -> None:
    """Store the result. A full disk must not lose the training, as the result can still be saved elsewhere."""
    try:
        store.put_projector(key, result)
    except StableIdentityError as error:
        log.warning("StableIdentity: this projector is trained, but could not be stored for next time. %s", error)


def _resume(run: ProjectorPretraining, checkpoint: Path) -> None:
    """Resume from the checkpoint if there is one; an unusable one, such as from an older version, is reported."""
    if not checkpoint.is_file():
        return
    try:
        run.load(checkpoint)
        log.info("StableIdentity: resuming from step %d of %s", run.step, checkpoint)
    except StableIdentityError as error:
        log.warning("StableIdentity: cannot resume the interrupted training (%s); training from the start.", error)


def _learned(session: ProjectorSession, checkpoint: Path, progress: TrainingProgress) -> ProjectorResult:
    """Train, leaving a checkpoint if interrupted."""
    run = session.run

    def on_step(report: StepReport) -> None:
        progress((report,))
        if report.step % CHECKPOINT_EVERY == 0:
            _save(run, checkpoint)

    try:
        return session.learn(on_step, progress.stage)
    except BaseException:  # also the host's interruption
        if run.step and run.finite_guard.fault is None:
            _save(run, checkpoint)
        raise


def _save(run: ProjectorPretraining, checkpoint: Path) -> None:
    """Save a checkpoint; a full disk must not end the training."""
    try:
        run.save(checkpoint)
    except StableIdentityError as error:
        log.warning("StableIdentity: the checkpoint of the training could not be written. %s", error)


def _shown(result: ProjectorResult, how: str) -> tuple[TrainedProjector, Tensor]:
    """The projector and the loss curve [1, H, W, 3], and the verdict on the node."""
    facts = result.projector.facts
    warning = facts.get(PROJECTOR_WARNING, "")
    if warning:
        log.warning("StableIdentity: this projector: %s", warning)
    before, after = (facts.get(f"projector_held_out_loss_{when}") for when in ("before", "after"))
    judged = verdict(before, after, warning)
    people = f"{facts['projector_people']} people"
    tell(f"{people} {judged} ({how})" + (f"\n{warning}" if warning else ""))
    curve = loss_curve(result.losses, f"{people} {judged}", warning, phase_losses=result.phase_losses)
    return result.projector, curve[None]

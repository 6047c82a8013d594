"""A training inside the host, with its store of results."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from ...stableidentity_core.errors import StableIdentityError
from ...stableidentity_core.face import Face
from ...stableidentity_core.identity import Identity, normalize_trigger
from ...stableidentity_core.learn import check_spaces, learn_identity, make_projector
from ...stableidentity_core.plots import loss_curve, require_matplotlib
from ...stableidentity_core.store import ResultStore, TrainResult, work_key
from ...stableidentity_core.train import TrainConfig, TrainingRun
from ...stableidentity_core.train.config import compute_of, departures
from ...stableidentity_core.words import NameSpace, TrainedProjector, build_name_space
from . import paths
from .backend import comfy_backend
from .checks import check_resolution, check_trio
from .fingerprint import model_fingerprint, vae_fingerprint
from .guards import check_host_gradient, outside_inference_mode, telling_of_memory
from .progress import progress
from .text import HostText
from .weights import GB

log = logging.getLogger(__name__)


def host_name_spaces(clip: Any, names: Iterable[str] | None = None) -> tuple[NameSpace, ...]:
    """The name spaces of a host CLIP, one for each of its text spaces."""
    text = HostText(clip)
    names = None if names is None else tuple(names)
    return tuple(
        build_name_space(space.name, partial(text.tokenize, space.name), partial(text.embed_tokens, space.name), names)
        for space in text.spaces
    )


def train_in_host(
    model: Any,
    clip: Any,
    vae: Any,
    *,
    faces: list[Face],
    name_space: Sequence[NameSpace] | None,
    trigger: str,
    config: TrainConfig,
    force: bool,
    preview_every: int,
    start: TrainedProjector | None = None,
) -> tuple[Identity, TrainedProjector, Tensor]:
    """Train, or find the same training in the store; with a projector as the start, or afresh.

    Returns:
        The identity, the projector and the loss curve [1, H, W, 3].
    """
    trigger = normalize_trigger(trigger)
    require_matplotlib()
    check_trio(model, HostText(clip), vae)
    check_resolution(model, config.resolution)
    name_spaces = list(name_space or host_name_spaces(clip))
    if departing := departures(config):
        log.info("StableIdentity: %s is trained with %s", config.method, departing)
    store = ResultStore(paths.results_folder())
    fingerprint = model_fingerprint(model, clip)
    key = work_key(faces, name_spaces, f"{fingerprint} {vae_fingerprint(vae)}", config.as_dict(), start)
    result = None if force else store.get(key)
    origin = "stored"
    if result is None:
        result = _train(model, clip, vae, faces, name_spaces, trigger, config, preview_every, fingerprint, start)
        origin = "trained" if _kept(store, key, result) else "trained, not kept: see the log"
    else:
        log.info("StableIdentity: this training was done before; its result is taken from %s", store.path(key))
    identity = result.identity.renamed(trigger)
    return identity, result.projector, loss_curve(result.losses, _title(identity, origin))[None]


def _kept(store: ResultStore, key: str, result: TrainResult) -> bool:
    """Keep a result. A full disk must not cost the training, whose result can still be saved elsewhere."""
    try:
        store.put(key, result)
    except StableIdentityError as error:
        log.warning("StableIdentity: this training is done, but was not kept for the next time. %s", error)
        return False
    return True


def _train(
    model: Any,
    clip: Any,
    vae: Any,
    faces: list[Face],
    name_spaces: list[NameSpace],
    trigger: str,
    config: TrainConfig,
    preview_every: int,
    fingerprint: str,
    start: TrainedProjector | None,
) -> TrainResult:
    needed = 0

    def learned() -> TrainResult:
        nonlocal needed
        with comfy_backend(
            model,
            clip,
            vae,
            resolution=config.resolution,
            batch_size=config.batch_size,
            compute=compute_of(config),
            fingerprint=fingerprint,
        ) as backend:
            needed = backend.memory
            check_spaces(backend, name_spaces)
            check_host_gradient(backend)
            photos, names = outside_inference_mode(faces, name_spaces)
            run = TrainingRun(backend, photos, make_projector(backend, photos, names, config, start), config)
            return learn_identity(run, names, trigger, progress(model, config.steps, preview_every))

    return telling_of_memory(
        learned,
        lambda said: (
            f"The device ran out of memory during training at {config.resolution}x{config.resolution}, batch "
            f"{config.batch_size}, which takes about {needed / GB:.1f} GB beside the model ({said}). Close other "
            "programs on the device, free its models in ComfyUI, set low_memory, or lower resolution or batch size."
        ),
    )


def _title(identity: Identity, origin: str) -> str:
    header = identity.header
    before, after = float(header["held_out_loss_before"]), float(header["held_out_loss_after"])
    how = f"{header['method']}, {header['steps']} steps"
    return f"{identity.trigger}: {how}, held-out loss {before:.4g} to {after:.4g} ({origin})"

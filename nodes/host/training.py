"""A training inside the host, with its store of results."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import torch
from comfy import model_management
from torch import Tensor

from ...stableidentity_core.errors import StableIdentityError
from ...stableidentity_core.face import Face
from ...stableidentity_core.identity import Identity, normalize_trigger
from ...stableidentity_core.learn import check_spaces, learn_identity, make_projector
from ...stableidentity_core.plots import loss_curve
from ...stableidentity_core.store import ResultStore, TrainResult, work_key
from ...stableidentity_core.train import TrainConfig, TrainingRun
from ...stableidentity_core.train.check import check_gradient
from ...stableidentity_core.words import NameSpace, TrainedProjector, build_name_space
from . import paths
from .backend import comfy_backend, model_fingerprint, vae_fingerprint
from .checks import check_trio
from .progress import progress
from .text import HostText

log = logging.getLogger(__name__)


def host_name_space(clip: Any, names: Iterable[str] | None = None) -> NameSpace:
    """The name space of a host CLIP."""
    text = HostText(clip)
    return build_name_space(text.space.name, text.tokenize, text.embed_tokens, names)


def train_in_host(
    model: Any,
    clip: Any,
    vae: Any,
    *,
    faces: list[Face],
    name_space: NameSpace | None,
    trigger: str,
    config: TrainConfig,
    force: bool,
    preview_every: int,
) -> tuple[Identity, TrainedProjector, Tensor]:
    """Train, or find the same training in the store.

    Returns:
        The identity, the projector and the loss curve [1, H, W, 3].
    """
    trigger = normalize_trigger(trigger)
    check_trio(model, HostText(clip), vae)
    name_spaces = [name_space or host_name_space(clip)]
    store = ResultStore(paths.results_folder())
    models = f"{model_fingerprint(model, clip)} {vae_fingerprint(vae)}"
    key = work_key(faces, name_spaces, models, config.as_dict())
    result = None if force else store.get(key)
    origin = "stored"
    if result is None:
        result = _train(model, clip, vae, faces, name_spaces, trigger, config, preview_every)
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
) -> TrainResult:
    out_of_memory = None
    try:
        with comfy_backend(model, clip, vae) as backend:
            check_spaces(backend, name_spaces)
            check_gradient(backend, compare=backend.dtype == torch.float32)
            faces, name_spaces = _outside_inference_mode(faces, name_spaces)
            run = TrainingRun(backend, faces, make_projector(faces, name_spaces, config), config)
            return learn_identity(run, name_spaces, trigger, progress(model, config.steps, preview_every))
    except model_management.OOM_EXCEPTION as error:
        out_of_memory = str(error)
    # Raised out here because the traceback of the caught error would hold on to the tensors.
    raise StableIdentityError(
        f"The device ran out of memory during training at {config.resolution}x{config.resolution}, batch "
        f"{config.batch_size} ({out_of_memory}). Close other programs on it, or lower resolution or batch size."
    )


def _outside_inference_mode(faces: list[Face], name_spaces: list[NameSpace]) -> tuple[list[Face], list[NameSpace]]:
    """Copies without inference tensors, which could not be saved for a backward pass."""
    from dataclasses import fields, is_dataclass, replace

    def copied(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.clone()
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{field.name: copied(getattr(value, field.name)) for field in fields(value)})
        return value

    return [copied(face) for face in faces], [copied(space) for space in name_spaces]


def _title(identity: Identity, origin: str) -> str:
    header = identity.header
    before, after = float(header["held_out_loss_before"]), float(header["held_out_loss_after"])
    return f"{identity.trigger}: {header['steps']} steps, held-out loss {before:.4g} to {after:.4g} ({origin})"

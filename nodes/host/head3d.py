"""Making a head in 3D inside the host: encoded by its CLIP, resumed after a cancel, shown while it grows."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ...stableidentity_core.backends.compute import Compute
from ...stableidentity_core.backends.protocol import Conditioning
from ...stableidentity_core.console.streams import get_logger
from ...stableidentity_core.console.time_left import describe_duration
from ...stableidentity_core.errors import StableIdentityError, TrainingError, WrongModelError
from ...stableidentity_core.head3d import HeadRun, HeadSettings, Splat
from ...stableidentity_core.head3d.checkpoint import load_head, save_head, work_of
from ...stableidentity_core.head3d.memory import head_memory
from ...stableidentity_core.head3d.view_prompts import ViewPrompts, encode_view_prompts
from . import paths
from .any_text import host_text
from .backend import ComfyBackend, comfy_backend
from .cancel import stoppable_at
from .checks import check_resolution, check_trio
from .families import GB
from .fingerprint import model_fingerprint
from .flow.text import FlowTextEncoders
from .head3d_progress import HeadProgress
from .memory import obtainable
from .out_of_memory import with_memory_advice
from .precision import compute_dtype
from .progress_text import tell, told_if_stopped
from .session import outside_inference_mode

SAVE_EVERY = 60.0  # seconds
KEPT = 8  # checkpoints of heads that were not finished
COMPUTE = Compute(precision="auto", low_memory=True)  # only the VAE's encoder is gone back through
log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class MadeHead:
    """A head, and how it was made."""

    splat: Splat
    deviations: list[float]  # of the latents of each step done now
    seconds: float
    resumed: int  # step that was gone on from
    memory: float  # GB beside the weights, as estimated


@told_if_stopped()
def make_head(
    model: Any,
    clip: Any,
    vae: Any,
    *,
    prompt: str,
    negative: str,
    settings: HeadSettings,
    start: Splat | None,
    restart: bool,
) -> MadeHead:
    """Optimise a head, or go on with the same one that was stopped before.

    Args:
        restart: begin again even so.

    Raises:
        WrongModelError: the models do not fit the method or each other.
        StableIdentityError: the settings do not fit the model, out of memory, or values that are not finite.
    """
    text = host_text(clip)
    if isinstance(text, FlowTextEncoders) or text.family.pooled:
        raise _wrong_family(text.family.name)
    check_trio(model, text, vae)
    check_resolution(model, text.family, settings.resolution, "in Head 3D Settings, or choose the preset mini_world")
    memory = _told_memory(model, settings)
    tell("encoding the prompts")
    prompts = encode_view_prompts(lambda texts: _encoded(clip, texts), prompt, negative, by_view=settings.view_prompts)
    tell("reading the models")
    fingerprint = model_fingerprint(model, clip)
    checkpoint = _Checkpoint(work_of(fingerprint, prompts, start), settings, restart)
    tell("loading the models")

    def made() -> MadeHead:
        with comfy_backend(
            model, clip, vae, resolution=settings.resolution, batch_size=1, compute=COMPUTE, fingerprint=fingerprint
        ) as backend:
            return _made(backend, vae, prompts, settings, start, checkpoint, memory)

    return with_memory_advice(made, lambda message: _out_of_memory_advice(settings, memory, message))


def _out_of_memory_advice(settings: HeadSettings, needed: float, message: str) -> str:
    return (
        f"The device ran out of memory at {settings.resolution} pixels with {settings.views} views and gradient "
        f"{settings.gradient}, which takes about {needed:.1f} GB in addition to the model ({message}). Set gradient to "
        "pixel, or lower resolution, views or most_points in Head 3D Settings; or free the device's memory."
    )


def _made(
    backend: ComfyBackend,
    vae: Any,
    prompts: ViewPrompts,
    settings: HeadSettings,
    start: Splat | None,
    checkpoint: _Checkpoint,
    memory: float,
) -> MadeHead:
    layers = [part for part in vae.first_stage_model.modules() if isinstance(part, nn.Conv2d)]
    (prompts,) = outside_inference_mode([prompts])
    (start,) = outside_inference_mode([start])
    with backend.computing(COMPUTE), stoppable_at(layers):
        tell("preparing the Gaussians")
        run = HeadRun(backend, prompts, settings, start)
        checkpoint.resume(run)
        begun, resumed, deviations = time.monotonic(), run.step, []
        progress = HeadProgress(run)
        try:
            for report in run.steps():
                deviations.append(report.deviation)
                progress(report)
                checkpoint.save_sometimes(run)
        except TrainingError:
            raise
        except BaseException:  # also the host's interruption
            checkpoint.save(run)
            raise
        checkpoint.remove()
        return MadeHead(
            splat=run.splat(),
            deviations=deviations,
            seconds=time.monotonic() - begun,
            resumed=resumed,
            memory=memory,
        )


def _encoded(clip: Any, texts: Sequence[str]) -> list[Conditioning]:
    """As CLIPTextEncode does, so that triggers, weights and embeddings work."""
    found = [clip.encode_from_tokens_scheduled(clip.tokenize(text))[0][0].float() for text in texts]
    lengths = sorted({part.shape[1] for part in found})
    if len(lengths) > 1:
        raise StableIdentityError(
            f"The prompts have {' and '.join(map(str, lengths))} tokens, needed the same. Shorten prompt and negative, "
            "so that each fits 75 tokens."
        )
    return [Conditioning(context=part) for part in found]


def _told_memory(model: Any, settings: HeadSettings) -> float:
    """GB that are needed beside the weights; logged, with a warning if there are fewer."""
    needed = head_memory(settings, compute_dtype(model, COMPUTE).itemsize).total / GB
    device = model.load_device
    there = obtainable(device) / GB
    tell(f"needs about {needed:.1f} GB beside the models")
    log.info(
        "StableIdentity: the head takes about %.1f GB beside the models; %.1f GB can be had on %s",
        needed,
        there,
        device,
    )
    if needed > there:
        log.warning(
            "StableIdentity: that may be too much. If it fails, set gradient to pixel, or lower resolution, views or "
            "most_points in Head 3D Settings."
        )
    return needed


def _wrong_family(name: str) -> StableIdentityError:
    return WrongModelError(
        f"The models are of {name}, with which heads in 3D were not tried. Use SD1.5 or SD2.x (the paper's is "
        "stable-diffusion-2-1-base), and an identity that was learned on it."
    )


class _Checkpoint:
    """The file of a head that is not finished, found again by what it is made from."""

    def __init__(self, work: str, settings: HeadSettings, restart: bool):
        self.work = work
        named = json.dumps([work, {**settings.as_dict(), "rasteriser": ""}])
        self.path: Path = paths.heads_folder() / f"{hashlib.sha256(named.encode()).hexdigest()[:32]}.safetensors"
        self._last = time.monotonic()
        if restart:
            self.remove()

    def resume(self, run: HeadRun) -> None:
        """Go on where the same head was stopped; a file that cannot be read is dropped."""
        if not self.path.is_file():
            return
        try:
            load_head(run, self.path, self.work)
        except StableIdentityError as error:
            log.warning("StableIdentity: the checkpoint of the head cannot be used, it begins anew: %s", error)
            self.remove()
        else:
            log.info("StableIdentity: goes on with the head at step %d of %d", run.step, run.settings.steps)

    def save_sometimes(self, run: HeadRun) -> None:
        if time.monotonic() - self._last > SAVE_EVERY and run.step < run.settings.steps:
            self.save(run)

    def save(self, run: HeadRun) -> None:
        """Write the file; a full disk is logged, for the head itself is not lost by it."""
        if not run.step:
            return
        self._last = time.monotonic()
        try:
            save_head(run, self.path, self.work)
            _drop_oldest(self.path.parent)
        except StableIdentityError as error:
            log.warning("StableIdentity: the checkpoint of the head could not be saved: %s", error)
        else:
            log.info("StableIdentity: the head was saved at step %d; queue the same again to go on", run.step)

    def remove(self) -> None:
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def _drop_oldest(folder: Path) -> None:
    with suppress(OSError):
        files = sorted(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime)
        for path in files[:-KEPT]:
            path.unlink(missing_ok=True)


def duration_of(made: MadeHead) -> str:
    """ "in 74 s", and from which step on."""
    since = f", from step {made.resumed} on" if made.resumed else ""
    return f"in {describe_duration(made.seconds)}{since}"

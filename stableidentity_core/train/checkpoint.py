"""A training's state on disk, and going on from it only with the work it was made for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..errors import DamagedFileError, StableIdentityError
from ..files import read_tensors, save_tensors
from ..fingerprint import WHOLE, fingerprint_tensors
from .config import TrainConfig
from .loss_scale import LossScale

if TYPE_CHECKING:
    from .run import TrainingRun
    from .shared import SharedRun

FORMAT = "stableidentity-checkpoint-2"


def save_checkpoint(run: TrainingRun | SharedRun, path: Path) -> None:
    """Write projector, optimiser, random state and step count, atomically, as safetensors."""
    tensors = {f"projector.{key}": value for key, value in run.projector.state_dict().items()}
    for index, state in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items()}
    tensors["generator"] = run.generator.get_state()
    config = json.dumps(run.config.as_dict())
    scale = json.dumps([run.loss_scale.value, run.loss_scale.steps])
    facts = {"step": str(run.step), "loss_scale": scale, "config": config, "work": run.work}
    save_tensors(path, tensors, {"format": FORMAT, **facts})


def load_checkpoint(run: TrainingRun | SharedRun, path: Path) -> None:
    """Bring a run to the state of a checkpoint of the same photos, model, names and settings.

    Raises:
        StableIdentityError: not such a checkpoint; the run is as before.
    """
    tensors, metadata = read_tensors(path)
    _check(run, metadata, path)
    try:
        scale = LossScale(*json.loads(metadata.get("loss_scale", "[]")))
        run.projector.load_state_dict(_under(tensors, "projector."))
        optimizer = run.optimizer.state_dict()
        for index in optimizer["param_groups"][0]["params"]:
            optimizer["state"][index] = _under(tensors, f"optimizer.{index}.")
        run.optimizer.load_state_dict(optimizer)
        run.generator.set_state(tensors["generator"])
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise DamagedFileError(f"{path} lacks parts of a checkpoint: {error}. Start anew.") from error
    run.loss_scale = scale
    run.step = int(metadata["step"])


def _check(run: TrainingRun | SharedRun, metadata: dict[str, str], path: Path) -> None:
    if metadata.get("format") != FORMAT:
        raise StableIdentityError(
            f"{path} is not a training checkpoint: its format is {metadata.get('format')!r}, needed {FORMAT!r}."
        )
    then: dict[str, Any] = TrainConfig().as_dict() | json.loads(metadata["config"])  # older ones lack newer settings
    now = run.config.as_dict()
    # A falling rate was falling towards those steps, so that more of them are another training.
    free = {"steps"} if run.config.rate_schedule == "constant" else set()
    differing = [key for key in now if key not in free and then.get(key) != now[key]]
    if differing:
        changes = ", ".join(f"{key} {then.get(key)!r} -> {now[key]!r}" for key in differing)
        raise StableIdentityError(f"{path} was made with other settings: {changes}. Use the same, or start anew.")
    if int(metadata["step"]) > run.config.steps:
        raise StableIdentityError(
            f"{path} is of step {metadata['step']}, {run.config.steps} are asked for. Ask for more, or start anew."
        )
    if metadata.get("work") != run.work:
        raise StableIdentityError(
            f"{path} is of another photo, model, face encoder or list of names. Choose another file, or start anew."
        )


def work_hash(run: TrainingRun) -> str:
    """Hash of what is learned from: photos, model, the projector's start, its fixed values (which tell the names)."""
    parts = [face.fingerprint for face in run.faces]
    parts += [run.backend.fingerprint(), fingerprint_tensors(run.projector.fixed().items(), samples=WHOLE)]
    parts += [run.projector.origin.get("start", "")]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}

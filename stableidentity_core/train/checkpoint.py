"""Checkpoints: the state of a training on disk, which only the same training can resume from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim import AdamW

from ..errors import DamagedFileError, StableIdentityError
from ..files.json_text import parse_json, parse_object, parse_whole
from ..files.tensors import read_tensors, save_tensors
from ..methods.base import Projector
from .config import TrainConfig
from .loss_scale import LEAST, LossScale
from .scoring import ScoredSteps, check_unscored

FORMAT = "stableidentity-checkpoint-2"


class Resumable(Protocol):
    """What a checkpoint holds of a training."""

    config: TrainConfig
    projector: Projector
    optimizer: AdamW
    generator: torch.Generator
    loss_scale: LossScale
    step: int


def save_checkpoint(run: Resumable, path: Path, work: str, scored: ScoredSteps | None = None) -> None:
    """Write projector, optimizer, random state and step count, atomically, as safetensors.

    Args:
        work: hash of what the training learns from.
        scored: the scores so far, where steps are scored.
    """
    tensors = {f"projector.{key}": value for key, value in run.projector.state_dict().items()}
    for index, state in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items()}
    tensors["generator"] = run.generator.get_state()
    config = json.dumps(run.config.as_dict())
    scale = json.dumps([run.loss_scale.value, run.loss_scale.steps])
    facts = {"step": str(run.step), "loss_scale": scale, "config": config, "work": work}
    if scored is not None:
        tensors |= {f"best.{key}": value for key, value in scored.best.items()}
        facts["scored"] = scored.as_text()
    save_tensors(path, tensors, {"format": FORMAT, **facts})


def load_checkpoint(run: Resumable, path: Path, work: str, scored: ScoredSteps | None = None) -> None:
    """Bring a run to the state of a checkpoint of the same photos, model, names and settings.

    Args:
        scored: where steps are scored; it is brought to that state too.

    Raises:
        StableIdentityError: not such a checkpoint; the run is as before.
    """
    tensors, metadata = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise StableIdentityError(
            f"{path} is not a training checkpoint: its format is {metadata.get('format')!r}, needed {FORMAT!r}."
        )
    try:
        facts = _Facts.of(metadata)
        _check_work(run, facts, path, work)
        state = _State.of(tensors, run)
        _read_scores(scored, metadata.get("scored"), tensors, run, path)
    except DamagedFileError as error:
        raise DamagedFileError(
            f"{path} is not a complete checkpoint: {error} Choose another file, or remove it and start again."
        ) from error
    run.projector.load_state_dict(state.projector)
    run.optimizer.load_state_dict({**run.optimizer.state_dict(), "state": state.optimizer})
    run.generator.set_state(state.generator)
    run.loss_scale = facts.loss_scale
    run.step = facts.step


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """The header's content."""

    step: int
    config: dict[str, Any]
    work: str
    loss_scale: LossScale

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> _Facts:
        missing = [key for key in ("step", "config", "work", "loss_scale") if key not in metadata]
        if missing:
            raise DamagedFileError(f"its header lacks {', '.join(missing)}.")
        try:
            return cls(
                step=parse_whole(metadata["step"], "its step"),
                # Older ones lack newer settings.
                config=TrainConfig().as_dict() | parse_object(metadata["config"], "its config"),
                work=metadata["work"],
                loss_scale=_loss_scale(metadata["loss_scale"]),
            )
        except StableIdentityError as error:
            raise DamagedFileError(str(error)) from error


_MOST = 2.0**127  # of float32


def _loss_scale(text: str) -> LossScale:
    """Of [value, steps]."""
    scale = parse_json(text, "its loss_scale")
    match scale:
        case [float() | int() as value, int() as steps] if LEAST <= value <= _MOST and steps >= 0:
            return LossScale(float(value), steps)
    raise DamagedFileError(
        f"its loss_scale is {str(scale)[:40]!r}, needed a value from {LEAST:g} to {_MOST:g} and a count of steps."
    )


@dataclass(frozen=True, kw_only=True)
class _State:
    """The tensors, each checked against the shape and type that the run has."""

    projector: dict[str, Tensor]
    optimizer: dict[int, dict[str, Tensor]]
    generator: Tensor

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], run: Resumable) -> _State:
        projector = _under(tensors, "projector.")
        _check_alike(projector, run.projector.state_dict(), "projector")
        parameters = [parameter for group in run.optimizer.param_groups for parameter in group["params"]]
        # Before the first step the optimiser has nothing to remember.
        begun = any(key.startswith("optimizer.") for key in tensors)
        optimizer = {index: _under(tensors, f"optimizer.{index}.") for index in range(len(parameters) if begun else 0)}
        for index, state in optimizer.items():
            like = parameters[index].detach()
            needed = {"step": torch.zeros(()), "exp_avg": like, "exp_avg_sq": like}
            _check_alike(state, needed, f"optimizer.{index}")
        return cls(projector=projector, optimizer=optimizer, generator=_generator_state(tensors))


def _read_scores(
    scored: ScoredSteps | None, text: str | None, tensors: Mapping[str, Tensor], run: Resumable, path: Path
) -> None:
    if scored is None:
        check_unscored(text, path)
        return
    best = _under(tensors, "best.")
    if best:
        _check_alike(best, run.projector.state_dict(), "best")
    scored.read(text, best, path)


def _check_alike(found: Mapping[str, Tensor], needed: Mapping[str, Tensor], what: str) -> None:
    for key, like in needed.items():
        if key not in found:
            raise DamagedFileError(f"it lacks {what}.{key}.")
        value = found[key]
        if (value.shape, value.dtype) != (like.shape, like.dtype):
            raise DamagedFileError(
                f"{what}.{key} is {list(value.shape)} of {value.dtype}, needed {list(like.shape)} of {like.dtype}."
            )
        if not value.isfinite().all():
            raise DamagedFileError(f"{what}.{key} holds values that are not finite.")
    if unknown := sorted(found.keys() - needed.keys()):
        raise DamagedFileError(f"it holds {what}.{unknown[0]}, which this training does not have.")


def _generator_state(tensors: Mapping[str, Tensor]) -> Tensor:
    try:
        torch.Generator().set_state(tensors["generator"])
    except (KeyError, RuntimeError, TypeError) as error:
        raise DamagedFileError(f"it lacks a state of random numbers ({error}).") from error
    return tensors["generator"]


def _check_work(run: Resumable, facts: _Facts, path: Path, work: str) -> None:
    now = run.config.as_dict()
    # A falling rate depends on the number of steps, so more steps are another training.
    free = {"steps"} if run.config.rate_schedule == "constant" else set()
    differing = [key for key in now if key not in free and facts.config.get(key) != now[key]]
    if differing:
        changes = ", ".join(f"{key} {facts.config.get(key)!r} -> {now[key]!r}" for key in differing)
        raise StableIdentityError(
            f"{path} was made with other settings: {changes}. Use the same, or another checkpoint file."
        )
    if facts.step > run.config.steps:
        raise StableIdentityError(
            f"{path} is of step {facts.step}, this training has {run.config.steps} steps. Raise steps, or use another "
            "checkpoint file."
        )
    if facts.work != work:
        raise StableIdentityError(
            f"{path} is of another photo, model, face encoder or list of names. Use another checkpoint file."
        )


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}

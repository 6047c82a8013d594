"""Checkpoints of a head: all state of its run on disk, from which only the same run goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import DamagedFileError, StableIdentityError
from ..files.json_text import parse_object, parse_whole
from ..files.tensors import read_tensors, save_tensors
from ..fingerprint import WHOLE, fingerprint_tensors
from .densify import Evidence
from .optimiser import Adam
from .run import HeadRun
from .settings import from_dict
from .splat import Gaussians, Splat
from .view_prompts import ViewPrompts

FORMAT = "stableidentity-head3d-1"
FREE = ("rasteriser",)  # settings that may differ when a run goes on; rates and noise levels depend on the steps


def work_of(model: str, prompts: ViewPrompts, start: Splat | None) -> str:
    """What a head is made from: the model's fingerprint, the prompts, and what it begins as."""
    contexts = {name: part.context.detach().float().cpu() for name, part in vars(prompts).items()}
    begun = {} if start is None else {f"start.{name}": value for name, value in vars(start).items()}
    return f"{model} {fingerprint_tensors({**contexts, **begun}.items(), samples=WHOLE)}"


def save_head(run: HeadRun, path: Path, work: str) -> None:
    """Write Gaussians, optimiser, random state and step count, atomically, as safetensors."""
    tensors = {f"gaussians.{name}": value for name, value in run.gaussians.items()}
    tensors |= {f"adam.means.{name}": value for name, value in run.adam.means.items()}
    tensors |= {f"adam.squares.{name}": value for name, value in run.adam.squares.items()}
    tensors |= {f"evidence.{name}": value for name, value in vars(run.evidence).items()}
    tensors |= {"backdrop": run.backdrop, "generator": run.generator.get_state()}
    facts = {"step": str(run.step), "adam_steps": str(run.adam.steps), "work": work}
    facts["settings"] = json.dumps(run.settings.as_dict())
    save_tensors(path, tensors, {"format": FORMAT, **facts})


def load_head(run: HeadRun, path: Path, work: str) -> None:
    """Bring a run to the state of a checkpoint of the same model, prompts and settings.

    Raises:
        DamagedFileError: the file is incomplete; the run is as before.
        StableIdentityError: no such checkpoint, or one of another head; the run is as before.
    """
    tensors, facts = read_tensors(path)
    if facts.get("format") != FORMAT:
        raise StableIdentityError(
            f"{path} is not a checkpoint of a head in 3D: its format is {facts.get('format')!r}, needed {FORMAT!r}. "
            "Choose another file."
        )
    try:
        state = _State(tensors, facts)
    except (DamagedFileError, KeyError, RuntimeError, TypeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise DamagedFileError(
            f"{path} is not a complete checkpoint of a head: {reason}. Choose another file, or remove it and start "
            "again."
        ) from error
    _check_same(run, state, path, work)
    device = run.backend.device
    run.put(state.gaussians, state.backdrop)
    run.adam = Adam(steps=state.adam_steps, means=_on(state.means, device), squares=_on(state.squares, device))
    run.evidence = Evidence(**_on(state.evidence, device))
    run.generator.set_state(state.generator)
    run.step = state.step


class _State:
    """The content of a file, checked."""

    def __init__(self, tensors: Mapping[str, Tensor], facts: Mapping[str, str]):
        self.gaussians = Gaussians(**{name: tensors[f"gaussians.{name}"] for name in Gaussians.names()})
        self.means, self.squares = _under(tensors, "adam.means."), _under(tensors, "adam.squares.")
        self.evidence = {name: tensors[f"evidence.{name}"] for name in ("gradients", "seen", "largest")}
        self.backdrop, self.generator = tensors["backdrop"], tensors["generator"]
        torch.Generator().set_state(self.generator)
        self.step, self.adam_steps = (parse_whole(facts[name], f"its {name}") for name in ("step", "adam_steps"))
        self.settings = from_dict(parse_object(facts["settings"], "its settings"))
        self.work = facts["work"]
        self.gaussians.splat()  # which checks shapes and values
        known = {**dict(self.gaussians.items()), "backdrop": torch.zeros(3)}
        for moments in (self.means, self.squares):
            for name, value in moments.items():
                if name not in known or value.shape != known[name].shape or not value.isfinite().all():
                    raise DamagedFileError(f"its moments of {name} do not fit the Gaussians")
        if self.backdrop.shape != (3,) or any(
            value.shape != (len(self.gaussians),) for value in self.evidence.values()
        ):
            raise DamagedFileError("its tensors are of different sizes")


def _check_same(run: HeadRun, state: _State, path: Path, work: str) -> None:
    now, before = run.settings.as_dict(), state.settings.as_dict()
    differing = [name for name in now if name not in FREE and now[name] != before[name]]
    if differing:
        changes = ", ".join(f"{name} {before[name]!r} -> {now[name]!r}" for name in differing)
        raise StableIdentityError(
            f"{path} was made with other settings: {changes}. Use the same, or another checkpoint file."
        )
    if state.work != work:
        raise StableIdentityError(
            f"{path} is of another model, person or prompt, or began with another splat. Use another checkpoint file."
        )


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _on(values: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in values.items()}

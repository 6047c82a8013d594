"""How long an evaluation takes and how much room it needs, before it begins."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from ..errors import StableIdentityError
from ..text.prompts import tokenize_templates
from .bench import Bench
from .methods import method_of
from .methods.words import Learned
from .spec import Suite
from .tasks import Task

BYTES_A_PIXEL = 1.7  # of a painted picture as PNG, measured; 3 at most
FEATURES = 40_000  # bytes a picture: vectors and distances
LEARNED = 40_000  # bytes a person
SPARE = 64 << 20  # bytes that stay free


def seconds_of_steps(bench: Bench, suite: Suite) -> dict[str, float]:
    """Measured: one sampling step of one picture; a training step is about three of them (forward, and back twice)."""
    backend, side = bench.backend, suite.sampling.size // bench.backend.latents.factor
    templates = [suite.prompts[0].replace("{}", "a person")] * 2  # with and without guidance
    rows = {space.name: tokenize_templates(templates, space) for space in backend.text_spaces}
    none = {space.name: torch.zeros(2, 0, space.width, device=backend.device) for space in backend.text_spaces}
    with torch.no_grad():
        conditioning = backend.encode_text(rows, none)
        latents = torch.zeros(2, backend.latents.channels, side, side, device=backend.device)
        times = torch.zeros(2, dtype=torch.int64, device=backend.device)
        backend.predict(latents, times, conditioning).sum().item()  # the first call prepares what later ones use
        begun = time.monotonic()
        backend.predict(latents, times, conditioning).sum().item()
    seconds = time.monotonic() - begun
    return {"sampling": seconds, "training": 1.5 * seconds}


def seconds_left(suite: Suite, tasks: Sequence[Task], steps: Mapping[str, float], workers: int) -> float:
    """A rough figure: learning and painting, by their numbers of steps."""
    total = 0.0
    for task in tasks:
        method = method_of(suite.method(task.method))
        if task.stage == "learn" and isinstance(method, Learned):
            total += len(task.people) * method.config.steps * method.config.batch_size * steps["training"]
        elif task.stage == "paint":
            total += suite.pictures * suite.sampling.steps * steps["sampling"]
    return total / workers


def bytes_needed(suite: Suite, tasks: Sequence[Task]) -> int:
    """What these tasks will write."""
    picture = BYTES_A_PIXEL * suite.sampling.size**2
    each = {"learn": LEARNED, "paint": suite.pictures * picture, "score": suite.pictures * FEATURES, "measure": LEARNED}
    return round(sum(each[task.stage] * (len(task.people) if task.stage == "learn" else 1) for task in tasks))


def check_room(folder: Path, needed: int) -> None:
    """Raises StableIdentityError if the disk has not so many bytes free, and some to spare."""
    place = next(parent for parent in [folder, *folder.absolute().parents] if parent.is_dir())
    free = shutil.disk_usage(place).free
    if free < needed + SPARE:
        raise StableIdentityError(
            f"The evaluation will write about {needed / 1e9:.1f} GB to {folder}, where {free / 1e9:.1f} GB are free. "
            "Make room, name another --out, or take fewer people with --people."
        )

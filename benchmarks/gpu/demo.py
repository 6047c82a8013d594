"""The mini world's demo, the one thing with weights that are not random: seconds, and how alike the person is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from mini_world.outcome import Task
from mini_world.run import run_demo

from .job import Row, Setting

PERSON = 7
FIGURES = {
    "face_similarity": "face similarity",
    "named_people_similarity": "of a known name",
    "other_people_similarity": "of other people",
    "prompt_accuracy": "prompts followed",
}


def measure(setting: Setting) -> Iterator[Row]:
    """In ComfyUI where there is one; in short through diffusers, as another part starts a server."""
    host = None if setting.short else setting.host
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        if setting.short:
            stack.enter_context(patch("mini_world.headless.SAMPLING_STEPS", 1))
            stack.enter_context(patch("mini_world.run.OTHERS", 2))
        task = Task(person=PERSON, steps=2) if setting.short else Task(person=PERSON)
        _files, report = run_demo(task, Path(folder) / "demo", host, device=setting.device)
    alike = ", ".join(f"{name} {report[key]:.2f}" for key, name in FIGURES.items())
    yield Row(
        what=f"person {PERSON}, {report['steps']} steps",
        measured=f"learned in {report['train_seconds']:.1f} s, {report['total_seconds']:.1f} s in all; {alike}; "
        f"host: {report['host']}",
        figures=report,
    )

"""The whole demo: draw and learn a person, generate pictures, write contact sheet, identity and report."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .core import (
    FileTakenError,
    StableIdentityError,
    check_folder,
    load_identity,
    progress_bar,
    require_matplotlib,
    save_identity,
    write_atomically,
)
from .describe import describe
from .evaluators import Evaluators
from .headless import HOST as HEADLESS
from .headless import run_headless
from .hosted import run_hosted
from .look import PROMPTS
from .measure import distractors, measure_people, picture_tensor
from .outcome import Outcome, Task
from .person import named_person, unseen_person
from .pipeline import ENCODER
from .preset import CFG, SAMPLER, SAMPLING_STEPS
from .sheet import contact_sheet
from .weights import Weights, load_weights

EVIDENCE = "drawn faces and compositional names: says nothing about real photos"
OTHERS = 40  # people that the person is compared with; the benchmarks use 200


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files that the demo writes."""

    sheet: Path
    identity: Path
    report: Path
    log: Path  # ComfyUI's log, also on failure

    @classmethod
    def of(cls, out: Path, trigger: str) -> Files:
        return cls(
            sheet=out / "contact_sheet.png",
            identity=out / f"{trigger}.safetensors",
            report=out / "report.json",
            log=out / "comfyui.log",
        )


def run_demo(
    task: Task, out: Path, comfyui: Path | None = None, port: int | None = None, device: str = "cpu"
) -> tuple[Files, dict[str, Any]]:
    """Run the demo in ComfyUI, or with the core alone if `comfyui` is None.

    Args:
        device: to compute on; ComfyUI chooses its own if it is not the CPU.

    Returns:
        The files that were written, and the content of the report.

    Raises:
        StableIdentityError: `out` is not writable, the weights are damaged, or ComfyUI failed; only
            ComfyUI's log is written in this case.
    """
    started = time.monotonic()
    files = Files.of(out, task.trigger)
    check_out(out, files)
    require_matplotlib()
    weights = load_weights()
    with progress_bar(total=task.work, unit="step", desc="starting") as bar:

        def progress(what: str, units: int) -> None:
            bar.set_description(what, refresh=what not in bar.desc)
            bar.update(units)

        outcome = (
            run_headless(task, weights, progress, device)
            if comfyui is None
            else run_hosted(task, comfyui, files.log, port, progress, cpu=device == "cpu")
        )
    report = make_report(task, outcome, weights)
    sheet = _sheet(task, outcome, report)
    report["total_seconds"] = round(time.monotonic() - started, 2)
    # The report first: it tells the next run that the other files may be replaced.
    write_atomically(files.report, (json.dumps(report, indent=2, allow_nan=False) + "\n").encode())
    write_atomically(files.sheet, sheet)
    save_identity(outcome.identity, files.identity)
    return files, report


def check_out(out: Path, files: Files) -> None:
    """Raise unless the results can be written to this folder without overwriting anything but an earlier demo's."""
    check_folder(out, "--out")
    ours = _is_report(files.report)
    replaceable = {files.sheet: ours, files.report: ours, files.identity: _is_drawn(files.identity)}
    others = [path.name for path, is_ours in replaceable.items() if os.path.lexists(path) and not is_ours]
    if others:
        raise FileTakenError(
            f"--out is {out}, which contains {others[0]} already, not written by a demo. Choose another folder."
        )


def _is_report(path: Path) -> bool:
    try:
        return json.loads(path.read_text("utf-8")).get("evidence") == EVIDENCE
    except (OSError, ValueError, RecursionError, AttributeError):  # AttributeError: JSON that is not an object
        return False


def _is_drawn(path: Path) -> bool:
    """Whether a file contains a person learned in the mini world."""
    try:
        return load_identity(path).header.get("face_encoder", "").startswith(ENCODER)
    except StableIdentityError:
        return False


def make_report(task: Task, outcome: Outcome, weights: Weights) -> dict[str, Any]:
    """The metrics of one person, as defined in measure.py."""
    evaluators = Evaluators.of(weights.judge)
    others = distractors(evaluators, OTHERS)
    people = {
        "person": unseen_person(task.person),
        "celebrity": named_person(task.celebrity),
        "untrained": unseen_person(task.person),
    }
    figures = {
        row: measure_people(evaluators, outcome.pictures[row][None], [person], PROMPTS, others)
        for row, person in people.items()
    }
    ranges = json.loads(outcome.identity.header["value_range"])
    (value_range,) = ranges.values()
    rounded = {row: {key: round(figure[key], 4) for key in figure["per_person"]} for row, figure in figures.items()}
    return {
        "person": task.person,
        "looks_like": describe(people["person"]),
        "celebrity": task.celebrity,
        "host": outcome.host,
        "device_threads": torch.get_num_threads(),
        "train_seconds": round(outcome.train_seconds, 2),
        "total_seconds": 0.0,
        "steps": task.steps,
        "face_similarity": rounded["person"]["face_similarity"],
        "other_people_similarity": rounded["person"]["other_people_similarity"],
        "named_people_similarity": rounded["celebrity"]["face_similarity"],
        "untrained_similarity": rounded["untrained"]["face_similarity"],
        "prompt_accuracy": rounded["person"]["prompt_accuracy"],
        "named_prompt_accuracy": rounded["celebrity"]["prompt_accuracy"],
        "trusted_face_diversity": rounded["person"]["trusted_face_diversity"],
        "value_range": value_range,
        "sampler": {"name": SAMPLER, "steps": SAMPLING_STEPS, "cfg": CFG},
        "settings": json.loads(outcome.identity.header["settings"]),
        "evidence": EVIDENCE,
    }


def _sheet(task: Task, outcome: Outcome, report: dict[str, Any]) -> bytes:
    rows = [
        (f"<{task.trigger}> in twelve prompts: learned only from the photo on the left", outcome.pictures["person"]),
        (
            f"{task.celebrity} in the same prompts: a name that the model knows, with a made-up face",
            outcome.pictures["celebrity"],
        ),
        ("The same words before training", outcome.pictures["untrained"]),
    ]
    notes = [
        "The only photo. No other picture of this person was used.",
        f"Learned in {report['train_seconds']:.0f} s: {task.steps} steps, "
        + ("without ComfyUI." if outcome.host == HEADLESS else f"in {outcome.host}."),
        f"Face similarity {report['face_similarity']:.2f} (known name {report['named_people_similarity']:.2f}, "
        f"other people {report['other_people_similarity']:.2f}).",
        f"Prompts followed {report['prompt_accuracy']:.0%} (known name {report['named_prompt_accuracy']:.0%}).",
    ]
    photo = picture_tensor(unseen_person(task.person))
    return contact_sheet(photo, rows, PROMPTS, task.trigger.replace("-", " ").capitalize(), notes)

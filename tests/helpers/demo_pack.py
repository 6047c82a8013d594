"""The pack as a user has it, copied with quick presets, and the demo as a user starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from helpers.archive import unpack_archive
from stableidentity_core.comfyui import Json

QUICK = {
    "preset.py": (r"SAMPLING_STEPS = \d+", "SAMPLING_STEPS = 2"),
    "run.py": (r"OTHERS = \d+", "OTHERS = 4"),
}
KEYS = {
    "person",
    "host",
    "train_seconds",
    "total_seconds",
    "steps",
    "face_similarity",
    "other_people_similarity",
    "named_people_similarity",
    "prompt_accuracy",
    "named_prompt_accuracy",
    "trusted_face_diversity",
    "value_range",
}


def quick_pack(folder: Path) -> Path:
    """What the registry gives a user, but sampling in two steps and comparing with four people; gives the folder."""
    unpack_archive(folder)
    assert not (folder / "tests").exists(), "the demo must do without what the registry does not ship"
    for name, (pattern, quick) in QUICK.items():
        file = folder / "mini_world" / name
        text, count = re.subn(pattern, quick, file.read_text("utf-8"))
        assert count == 1, pattern
        file.write_text(text, "utf-8")
    return folder


def start_demo(pack: Path, *options: object, program: tuple[str, ...] = (), **environment: str) -> subprocess.Popen:
    """Start `python -m mini_world`, or another program that takes the same options."""
    command = [sys.executable, *(program or ("-m", "mini_world")), *map(str, options)]
    surroundings = {"OMP_NUM_THREADS": "1", **os.environ, **environment}
    return subprocess.Popen(
        command,
        cwd=pack,
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=None if os.name == "nt" else heed_interrupts,
    )


def heed_interrupts() -> None:
    """In a child: Ctrl-C interrupts it. What a shell starts with & ignores Ctrl-C, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_demo(pack: Path, *options: object, **more: object) -> subprocess.CompletedProcess:
    process = start_demo(pack, *options, **more)
    out, err = process.communicate(timeout=500)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def report_in(out: Path) -> Json:
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert report.keys() >= KEYS
    return report


def files_in(out: Path) -> set[str]:
    return {path.name for path in out.iterdir()} if out.is_dir() else set()

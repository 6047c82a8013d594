"""Stores with trainings in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

from helpers.make import rng, some_identity, some_names
from stableidentity_core.methods import StableIdentityProjector, TrainedProjector
from stableidentity_core.store import ResultStore, TrainResult
from stableidentity_core.store.folder import Kind

ROOT = Path(__file__).resolve().parents[2]


HOUR = 3600 * 10**9


def key(number: int) -> str:
    return f"{number:032x}"


def some_result(trigger: str = "anna") -> TrainResult:
    projector = StableIdentityProjector(64, [some_names(width=64)], "per_word", rng(4))
    trained = TrainedProjector(
        state=projector.state_dict(), feature_width=64, settings={"normalization": "per_word"}, encoder="random"
    )
    identity = some_identity(64, trigger, method="stableidentity", steps="3")
    return TrainResult(identity=identity, projector=trained, losses=torch.zeros(3))


def fill(store: ResultStore, count: int) -> None:
    """Trainings 0, 1, ... of which the first was used the longest ago."""
    for number in range(count):
        store.put(key(number), some_result(f"person-{number}"))
        for kind in (Kind.WORDS, Kind.PROJECTOR):
            path = store.path(key(number), kind)
            written = path.stat().st_mtime_ns - (count - number) * HOUR
            os.utime(path, ns=(written, written))


WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from stableidentity_core.store.folder import working
with working(Path(sys.argv[1]), sys.argv[2]):
    print("working", flush=True)
    sys.stdin.read()
"""


def at_work(folder: Path, key: str) -> subprocess.Popen:
    """A process that trains, until its stdin is closed."""
    command = [sys.executable, "-c", WORKER, str(folder), key, str(ROOT)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "working\n"
    return process

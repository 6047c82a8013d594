"""The client beside the API workflows, as a user runs it: a program of its own, with nothing but Python's library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image

from helpers.server import ComfyServer
from helpers.workflows import FOLDER, api_path, called

CLIENT = FOLDER / "api" / "queue_from_python.py"
QUICK = ("StableIdentityTrain.preset=custom", "StableIdentityTrain.steps=2", "KSampler.steps=2")


def run(server: ComfyServer, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-S", "-E", str(CLIENT), str(api_path(called(1))), "--server", server.url]
    command += ["--out", str(out), *(part for one in options for part in ("--set", one))]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_it_saves_the_pictures(server, tmp_path):
    done = run(server, tmp_path / "out", *QUICK, "StableIdentityMiniWorldPerson.person=3")
    assert done.returncode == 0, done.stderr
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert len(paths) == 4 and sorted((tmp_path / "out").iterdir()) == sorted(paths)
    assert {Image.open(path).size for path in paths} == {(256, 256)}


def test_it_says_what_failed(server, tmp_path):
    refused = run(server, tmp_path, *QUICK, "KSampler.steps=0")
    assert refused.returncode == 1 and "steps" in refused.stderr and "Traceback" not in refused.stderr
    failed = run(server, tmp_path, *QUICK, "StableIdentityTrain.resolution=512")
    assert failed.returncode == 1 and "StableIdentityTrain" in failed.stderr and "128" in failed.stderr

"""`python3 tasks.py demo` with the real ComfyUI, and what becomes of it when somebody breaks it off."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

import tasks
from helpers.demo_pack import files_in, quick_pack, report_in, run_demo, start_demo
from mini_world import sheet
from stableidentity_core.identity import load_identity

LONG = 2_000  # steps: minutes. The server tells of every 0.5 %, so the first news must not be far.
HUGE = 10**30  # no widget of a node takes such a number


@pytest.fixture(scope="module")
def pack(tmp_path_factory) -> Path:
    return quick_pack(tmp_path_factory.mktemp("demo_pack"))


@pytest.fixture(scope="module")
def through_tasks(comfyui, tmp_path_factory) -> dict:
    """How start_demo runs tasks.py, with a venv that it takes for its own: this one, by links, with a stamp."""
    venv = tmp_path_factory.mktemp("venv")
    for path in Path(sys.prefix).iterdir():
        (venv / path.name).symlink_to(path)
    stamp = venv / "stableidentity-stamp.txt"
    stamp.unlink(missing_ok=True)
    stamp.write_text("\n".join(tasks.stamp_lines(tasks.requirement_files(tasks.host_at(comfyui)))))
    return {"program": ("tasks.py", "demo"), "COMFYUI_PATH": str(comfyui), "STABLEIDENTITY_VENV": str(venv)}


@pytest.fixture(scope="module")
def done(pack, through_tasks, tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    return run_demo(pack, "--person", HUGE, "--steps", 3, "--out", out, **through_tasks), out


def test_it_runs_in_the_real_server(done):
    process, out = done
    assert process.returncode == 0, process.stderr
    report = report_in(out)
    assert re.fullmatch(r"ComfyUI \d+\.\d+\.\d+.*", report["host"])
    assert report["person"] == HUGE and report["steps"] == 3
    assert 0 < report["train_seconds"] < report["total_seconds"]
    (identity,) = out.glob("person-*.safetensors")
    assert files_in(out) == {"contact_sheet.png", identity.name, "report.json", "comfyui.log"}
    assert load_identity(identity).header["steps"] == "3"
    assert str(out / "contact_sheet.png") in process.stdout
    assert "100%" in process.stderr


def test_without_a_host_it_makes_the_same(done, pack, tmp_path):
    """Words and pictures of the same person through diffusers; masks came to the host as 8-bit files."""
    _process, hosted = done
    alone = tmp_path / "alone"
    process = run_demo(pack, "--person", HUGE, "--steps", 3, "--out", alone)
    assert process.returncode == 0, process.stderr
    (name,) = {path.name for path in alone.glob("person-*.safetensors")}
    words = [load_identity(folder / name).words["clip_h"] for folder in (hosted, alone)]
    assert (words[0] - words[1]).norm() < 0.01 * words[0].norm()  # people are about as far from each other as from zero
    one, other = (_tiles(folder / "contact_sheet.png") for folder in (hosted, alone))
    by_the_side = np.roll(one, sheet.TILE + sheet.GAP, axis=1)
    assert np.abs(one - other).mean() < 0.05 * np.abs(one - by_the_side).mean()


def _tiles(path: Path) -> np.ndarray:
    """The rows of pictures, without the text at the left and the top."""
    with Image.open(path) as picture:
        width = 12 * (sheet.TILE + sheet.GAP) + sheet.MARGIN
        return np.asarray(picture).astype(int)[sheet.MARGIN + sheet.HEAD + sheet.STRIP :, -width:]


@contextmanager
def learning(pack: Path, out: Path, through_tasks: dict) -> Iterator[tuple[subprocess.Popen, psutil.Process]]:
    """The demo in the middle of its training, and the server it has started."""
    process = start_demo(pack, "--steps", LONG, "--out", out, **through_tasks)
    try:
        seen = ""
        while not re.search(r"learning: +\d+% [1-9]\d*/", seen):
            seen = (seen + process.stderr.read(1))[-200:]
            assert process.poll() is None, seen
        servers = [child for child in psutil.Process(process.pid).children(recursive=True) if _is_server(child)]
        assert len(servers) == 1
        yield process, servers[0]
    finally:
        for child in [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []:
            child.kill()
        process.kill()
        process.communicate()


def _is_server(process: psutil.Process) -> bool:
    return any(part.endswith("main.py") for part in process.cmdline())


def test_a_host_that_dies_at_work_is_told(pack, through_tasks, tmp_path):
    out = tmp_path / "out"
    with learning(pack, out, through_tasks) as (process, server):
        server.kill()
        _out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    ours, found, _log = err.partition("ComfyUI has exited; the end of its log:\n")  # in which 0.8.0 has tracebacks
    assert "ComfyUI closed the connection" in ours and found
    assert "Traceback" not in ours and files_in(out) == {"comfyui.log"}


# The one is turned into the other, and each costs a start of the server.
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGINT, id="Ctrl-C", marks=pytest.mark.full_size),
        pytest.param(signal.SIGTERM, id="terminated"),
    ],
)
def test_broken_off_it_stops_the_server_and_leaves_only_the_log(pack, through_tasks, tmp_path, how):
    out = tmp_path / "out"
    with learning(pack, out, through_tasks) as (process, server):
        process.send_signal(how)
        asked = time.monotonic()
        _out, err = process.communicate(timeout=60)
        assert process.returncode == 130 and time.monotonic() - asked < 20
        assert not server.is_running()
    assert "Interrupted" in err and "Traceback" not in err
    assert files_in(out) == {"comfyui.log"}

"""`tasks.py gpu` on the CPU: each part gives rows, faults and the end of the time are said, and the files agree."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from helpers.gpu_report import PARTS, files_in
from helpers.pretend_device import PretendDevice

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
BROKEN = """
import os, subprocess, sys, time
from gpu.job import Row

def raises(setting):
    yield Row(what="before", measured="1 s", figures={"seconds": 1.0})
    raise ValueError("two\\nlines | and a bar")

def dies(setting):
    os._exit(9)
    yield

def hangs(setting, file):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open(file, "w").write(str(child.pid))
    yield Row(what="before", measured="1 s")
    time.sleep(600)

def works(setting):
    yield Row(what="all", measured="2 s", figures={"seconds": 2.0}, goal="at most 1 s", met=False)
"""


@pytest.fixture(autouse=True)
def path(monkeypatch, tmp_path):
    """The benchmarks and the jobs above can be imported, here and in the processes of jobs."""
    (tmp_path / "broken_jobs.py").write_text(BROKEN, "utf-8")
    for folder in (BENCHMARKS, tmp_path):
        monkeypatch.syspath_prepend(str(folder))


def measured(folder: Path, seconds: float, *works: str, **arguments: Any) -> tuple[dict[str, Any], str]:
    """The table of these jobs, each of which is expected to take a second."""
    from gpu.__main__ import measure
    from gpu.job import Job, Setting

    jobs = [
        Job(part=work, what="it", work=f"broken_jobs:{work}", seconds=1, arguments=arguments if work == "hangs" else {})
        for work in works
    ]
    measure(jobs, Setting(device="cpu", short=False), seconds, {"short": False}, folder)
    return files_in(folder)


def test_parts_that_fail_are_said_and_the_others_go_on(tmp_path, capfd):
    found, text = measured(tmp_path, 60, "raises", "dies", "works")
    assert [job["state"] for job in found["jobs"]] == ["failed", "failed", "measured"]
    assert "| raises | before | 1 s |  |  |\n| raises | it | **failed**: ValueError: two lines \\| and a bar |" in text
    assert "| dies | it | **failed**: the process ended with code 9" in text
    assert "| works | all | 2 s | at most 1 s | **no** |" in text
    assert 'raise ValueError("two\\nlines' in capfd.readouterr().err


def test_a_part_is_broken_off_when_the_time_is_up_and_leaves_nothing_running(tmp_path):
    started = time.monotonic()
    found, text = measured(tmp_path, 6, "hangs", "works", file=str(tmp_path / "child"))
    assert time.monotonic() - started < 30
    assert [job["state"] for job in found["jobs"]] == ["broken off", "not begun"]
    assert "| hangs | before | 1 s |" in text and "| hangs | it | **broken off**: the time was up after" in text
    assert "| works | it | **not begun**: the time is up: about 1 s are needed, 0 of 6 s left |" in text
    child = int((tmp_path / "child").read_text())
    assert not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]


def test_what_is_measured_is_written_at_once(tmp_path, monkeypatch):
    from gpu import __main__ as command

    seen = []
    write = command.write_report
    monkeypatch.setattr(
        command, "write_report", lambda *all_: (write(*all_), seen.append(len(files_in(tmp_path)[0]["jobs"])))
    )
    measured(tmp_path, 60, "works", "works")
    assert seen == [0, 1, 2]


def test_time_that_is_up_from_the_start_is_said_of_each_part(tmp_path, capsys, monkeypatch):
    from gpu.__main__ import main

    monkeypatch.setenv("COMFYUI_PATH", "none")
    assert main(["--device", "cpu", "--minutes", "0", "--out", str(tmp_path)]) == 1
    found, text = files_in(tmp_path)
    assert [(job["part"], job["state"]) for job in found["jobs"]] == [(part, "not begun") for part in PARTS]
    assert text in capsys.readouterr().out


def test_a_gpu_that_is_asked_for_and_not_there_is_told(tmp_path, capsys):
    import torch
    from gpu.__main__ import main

    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert main(["--device", "cuda", "--out", str(tmp_path)]) == 2
    assert "finds no GPU" in capsys.readouterr().err and not (tmp_path / "gpu.json").exists()


def test_without_comfyui_what_can_be_is_measured_through_diffusers(tmp_path, monkeypatch):
    from gpu.__main__ import main

    monkeypatch.setenv("COMFYUI_PATH", "none")
    assert main(["--device", "cpu", "--out", str(tmp_path), "--only", "memory, SD2.1", "gradients", "ComfyUI"]) == 1
    found, text = files_in(tmp_path)
    memory, gradients, hosted = found["jobs"]
    assert [bool(row["reason"]) for row in memory["rows"]] == [False, False, True, False]
    assert all("through diffusers" in row["measured"] for row in memory["rows"] if not row["reason"])
    assert [0.9 < row["figures"]["cosine"] <= 1 for row in gradients["rows"]] == [True, True]
    assert hosted["state"] == "failed" and "| ComfyUI | a queued workflow | **failed**: HostError: There is no" in text


def test_the_speed_of_both_loops_can_be_measured_where_ours_computes_with_a_copy(monkeypatch):
    """On a GPU the copy takes the place of the weights that the published loop computes with."""
    import speed_measures
    import training_speed
    from gpu.job import Setting
    from gpu.speed import measure

    monkeypatch.setattr(speed_measures, "SIDE", 8)
    monkeypatch.setattr(training_speed, "flops_of_step", lambda steps: float(next(steps).step > 0))
    with PretendDevice() as gpu:
        rows = list(measure(Setting(device="cuda", short=True)))
    assert rows[0].figures["on"] == str(gpu.device) and len(rows) == 4
    assert all(row.figures.get("seconds_per_step", 1) > 0 for row in rows)


@pytest.mark.skipif(os.name == "nt", reason="the tool is played by a shell script")
@pytest.mark.parametrize(
    ("shown", "build"), [("CUDA Version: 13.0", "cu130"), ("CUDA Version: 12.4", "cu126"), ("", "")]
)
def test_tasks_chooses_torch_by_the_driver(tmp_path, monkeypatch, shown, build):
    spec = importlib.util.spec_from_file_location("tasks_under_test", BENCHMARKS.parent / "tasks.py")
    assert spec and spec.loader
    monkeypatch.setitem(sys.modules, spec.name, tasks := importlib.util.module_from_spec(spec))
    spec.loader.exec_module(tasks)
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{shown}'\n", "utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert tasks.gpu_build() == build

"""Jobs one after the other, each in a process of its own and with what is left of the time.

In full, a process begins afresh, and so does its memory. Short ones are forked from one that has imported what takes
seconds to import.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest.mock import patch

from .child import work
from .job import Done, Job, Setting

GRACE = 20  # seconds to stop what a job has started
LOG_LINES = 15
PRELOADED = [
    *(f"gpu.{part}" for part in ("memory", "gradients", "speed", "people", "server", "demo")),
    "open_clip",  # whose tokenizer the text encoders have
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
    "diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl",
]
PRELOADED_HOST = "gpu.preloaded_host"
SHORT_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}  # tiny networks are fastest so


def run_jobs(jobs: Sequence[Job], setting: Setting, seconds: float, say: Callable[[str], None]) -> Iterator[Done]:
    """Run what there is time for; gives each job's outcome as soon as it is there."""
    end = time.monotonic() + seconds
    for job in jobs:
        left = end - time.monotonic()
        if job.seconds > left:
            reason = f"the time is up: about {job.seconds:.0f} s are needed, {max(left, 0):.0f} of {seconds:.0f} s left"
            yield Done(part=job.part, what=job.what, state="not begun", reason=reason)
            continue
        say(f"{job.part}: {job.what} ({left:.0f} s left)")
        yield run_job(job, setting, left)


def run_job(job: Job, setting: Setting, limit: float) -> Done:
    """One job in its process, which is stopped after `limit` seconds."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stableidentity-gpu-") as folder:
        file, log = Path(folder) / "rows", Path(folder) / "log"
        code = _wait(_started(job, setting, file, log), limit)
        *rows, failed = [*_lines(file), None]
        if rows and "failed" in rows[-1]:
            failed = rows.pop()["failed"]
        end = _end_of(log)
    seconds = time.monotonic() - started
    state, reason = "measured", ""
    if code is None:
        state, reason = "broken off", f"the time was up after {seconds:.0f} s"
    elif failed or code:
        state, reason = "failed", failed or f"the process ended with code {code}: {end.splitlines()[-1:]}"
        print(end, file=sys.stderr, flush=True)
    return Done(part=job.part, what=job.what, state=state, reason=_short(reason), seconds=round(seconds, 1), rows=rows)


def _started(job: Job, setting: Setting, file: Path, log: Path) -> BaseProcess:
    if setting.short and os.name != "nt":
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([*PRELOADED, *[PRELOADED_HOST] * (setting.host is not None)])
    else:
        context = multiprocessing.get_context("spawn")
    with patch.dict(os.environ, _short_environment(setting) if setting.short else {}):
        process = context.Process(target=work, args=(job, setting, file, log))
        process.start()
    return process


def _short_environment(setting: Setting) -> dict[str, str]:
    """The server of forks imports by PYTHONPATH: Python 3.11 does not give it this process's `sys.path`."""
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COMFYUI_PATH": setting.comfyui}
    return {**SHORT_ENVIRONMENT, **{name: value for name, value in paths.items() if value}}


def _wait(process: BaseProcess, limit: float) -> int | None:
    """The exit code, or None if the time was up; nothing of the process is left running."""
    try:
        process.join(limit)
        return process.exitcode
    finally:  # also when this program is interrupted
        _stop(process)


def _stop(process: BaseProcess) -> None:
    process.terminate()
    process.join(GRACE)
    if os.name == "nt":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):  # it has its own group, with the processes that it started
            os.killpg(process.pid or 0, signal.SIGKILL)
    process.join()


def _lines(file: Path) -> list[dict[str, Any]]:
    text = file.read_text("utf-8") if file.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-LOG_LINES:])


def _short(reason: str) -> str:
    """One line; errors of servers bring the end of their log along."""
    line = " ".join(reason.split())
    return line if len(line) <= 400 else f"{line[:400]} ..."

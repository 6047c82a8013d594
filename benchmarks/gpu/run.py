"""Jobs one after the other, each in a process of its own and with what is left of the time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .job import Done, Job, Setting

GRACE = 20  # seconds to stop what a job has started
LOG_LINES = 15
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
        with log.open("wb") as output:
            code = _wait(_start(job, setting, file, output), limit)
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


def _start(job: Job, setting: Setting, file: Path, output: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gpu.child", job.work, json.dumps(job.arguments)]
    return subprocess.Popen(
        [*command, json.dumps(asdict(setting)), str(file)],
        env={**(SHORT_ENVIRONMENT if setting.short else {}), **os.environ},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _wait(process: subprocess.Popen[bytes], limit: float) -> int | None:
    """The exit code, or None if the time was up; nothing of the process is left running."""
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        return None
    finally:  # also when this program is interrupted
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    if os.name == "nt":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):  # it has its own group, with the processes that it started
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _lines(file: Path) -> list[dict[str, Any]]:
    text = file.read_text("utf-8") if file.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-LOG_LINES:])


def _short(reason: str) -> str:
    """One line; errors of servers bring the end of their log along."""
    line = " ".join(reason.split())
    return line if len(line) <= 400 else f"{line[:400]} ..."

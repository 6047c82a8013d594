"""One job, in a process of its own; rows go to a file as they come."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from .job import Job, Setting, as_line


def work(job: Job, setting: Setting, rows: Path, log: Path) -> None:
    """Do the job; a fault is the last line of the file, and the exit code is then 1."""
    if os.name != "nt":
        os.setsid()  # a group, with the processes that the job starts
    with log.open("wb") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    signal.signal(signal.SIGTERM, _interrupt)  # so that servers that the job started are stopped
    module, _, name = job.work.partition(":")
    with rows.open("a", encoding="utf-8", buffering=1) as file:
        try:
            for row in getattr(importlib.import_module(module), name)(setting, **job.arguments):
                file.write(as_line(row))
        except Exception as error:
            traceback.print_exc()
            file.write(as_line({"failed": f"{type(error).__name__}: {error}"}))
            sys.exit(1)


def _interrupt(_signal: int, _frame: Any) -> None:
    raise KeyboardInterrupt

"""One job in this process: `python -m gpu.child WORK ARGUMENTS SETTING FILE`; rows go to the file as they come."""

from __future__ import annotations

import importlib
import json
import signal
import sys
import traceback
from typing import Any

from .job import Setting, as_line


def main(work: str, arguments: str, setting: str, file: str) -> int:
    """Run the work; a fault is the last line of the file, and the exit code is then 1."""
    signal.signal(signal.SIGTERM, _interrupt)  # so that servers that the job started are stopped
    module, _, name = work.partition(":")
    with open(file, "a", encoding="utf-8", buffering=1) as rows:
        try:
            function = getattr(importlib.import_module(module), name)
            for row in function(Setting(**json.loads(setting)), **json.loads(arguments)):
                rows.write(as_line(row))
        except Exception as error:
            traceback.print_exc()
            rows.write(as_line({"failed": f"{type(error).__name__}: {error}"}))
            return 1
    return 0


def _interrupt(_signal: int, _frame: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""matplotlib in the host: its settings and font cache are kept in the host's user folder, not the home folder."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import folder_paths

from .paths import FOLDER

VARIABLE = "MPLCONFIGDIR"  # matplotlib reads it once, while it is imported


def configure_matplotlib() -> None:
    """Import matplotlib before the first plot, with a configuration folder inside the host's user folder.

    Does nothing if it is already imported or the variable is set. The variable is only set during the import, so that
    child processes do not inherit it. A missing or broken matplotlib is reported by the code that plots.
    """
    if "matplotlib.font_manager" in sys.modules or VARIABLE in os.environ:
        return
    folder = str(Path(folder_paths.get_user_directory()) / FOLDER / "matplotlib")
    os.environ[VARIABLE] = folder
    try:
        with contextlib.suppress(Exception):  # compiled packages break in many ways
            import matplotlib.font_manager  # noqa: F401
    finally:
        if os.environ.get(VARIABLE) == folder:
            del os.environ[VARIABLE]

"""matplotlib in the host: its settings and its font cache lie in the host's user folder, not in the home folder."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import folder_paths

from .paths import FOLDER

VARIABLE = "MPLCONFIGDIR"  # matplotlib reads it once, while it is imported


def settle_matplotlib() -> None:
    """Import matplotlib before the first plot with a folder of its own inside the host's.

    Nothing happens where somebody has imported it before or has set the variable. The variable is set during the import
    only, so that no other program that is started later sees it. A matplotlib that is missing or broken is told of by
    what draws.
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

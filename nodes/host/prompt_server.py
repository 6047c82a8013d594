"""The host's server, which talks to browsers."""

from __future__ import annotations

import sys
from typing import Any


def prompt_server() -> Any:
    """The running server; None without one, as in tools that only list nodes."""
    module = sys.modules.get("server")  # not imported here: that would start parts of the host that nobody asked for
    return getattr(getattr(module, "PromptServer", None), "instance", None)

"""Errors of nodes as the host can write them into its log.

The host logs the traceback of a failed node. Where its streams cannot write a character in it (of the pack's own path,
of a cause's message), Python's logging fails while it reports that, and ComfyUI's queue stands still until a restart.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from ..stableidentity_core.console.streams import get_logger, writable
from ..stableidentity_core.errors import StableIdentityError

PACK = "ComfyUI-StableIdentity"
ASKED = ("execute", "fingerprint_inputs")  # whose errors the host logs while it works off its queue
log = get_logger(__name__)


def make_errors_printable(node: type) -> None:
    """Let the node class raise what the host's streams can write; where they can anyway, nothing changes."""
    for name in ASKED:
        if name in vars(node):
            setattr(node, name, classmethod(_printing(vars(node)[name].__func__)))


def _printing(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def called(cls: type, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(cls, *args, **kwargs)
        except Exception as error:
            whole = traceback.format_exc()
            if writable(whole) == whole:
                raise
            log.error("%s", whole)
            short = error if writable(str(error)) == str(error) else _told(error)
        raise short.with_traceback(None) from None  # its causes and frames are in the log, with escapes

    function: Any = called  # which the type of what `wraps` gives hides
    function.__code__ = function.__code__.replace(co_filename=PACK)  # the one frame left, whose path may be unprintable
    return function


def _told(error: Exception) -> StableIdentityError:
    return StableIdentityError(f"{type(error).__name__}: {error}")

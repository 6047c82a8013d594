"""Node errors in a form that the host can write to its log.

The host logs the traceback of a failed node. If its streams cannot encode a character in it (in the pack's own path or
a cause's message), Python's logging fails in turn, and ComfyUI's queue stops until a restart.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from ..stableidentity_core.console.streams import get_logger, writable
from ..stableidentity_core.errors import StableIdentityError

PACK = "ComfyUI-StableIdentity"
METHODS = ("execute", "fingerprint_inputs")  # the host logs errors raised here while it processes its queue
log = get_logger(__name__)


def make_errors_printable(node: type) -> None:
    """Make the node class raise only errors that the host's streams can write; others pass unchanged."""
    for name in METHODS:
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
            short = error if writable(str(error)) == str(error) else _as_pack_error(error)
        raise short.with_traceback(None) from None  # its causes and frames are in the log, escaped

    function: Any = called  # `wraps` hides that it is a function
    # The path of the only frame left may be unprintable too.
    function.__code__ = function.__code__.replace(co_filename=PACK)
    return function


def _as_pack_error(error: Exception) -> StableIdentityError:
    return StableIdentityError(f"{type(error).__name__}: {error}")

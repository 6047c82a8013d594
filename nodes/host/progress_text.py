"""A line of text on the node that runs: what it does, and how long it still takes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...stableidentity_core.console.printable import printable
from ...stableidentity_core.console.time_left import TimeLeft, describe_time_left
from .prompt_server import prompt_server

SECONDS = 0.5  # between lines that count
NO_MARKUP = str.maketrans("<>", "\u2039\u203a")  # frontends take angle brackets for HTML


def tell(text: str) -> None:
    """Show a text on the node that runs; on hosts without such lines nothing happens."""
    with contextlib.suppress(Exception):  # a text is never worth a failed node; hosts differ in what they need
        from comfy_execution.utils import get_executing_context

        server, context = prompt_server(), get_executing_context()
        if context is not None:
            server.send_progress_text(printable(text).translate(NO_MARKUP), context.node_id, server.client_id)


@contextmanager
def told_if_stopped() -> Iterator[None]:
    """Inside, an error or a cancel leaves no line on the node that says what it does."""
    try:
        yield
    except BaseException:  # also the host's interruption
        tell("stopped")
        raise


class Teller:
    """Tells how far counted work is, at most twice a second, and the first count at once."""

    def __init__(self, left: TimeLeft, say: Callable[[str], None] = tell):
        self.left = left
        self._say = say
        self.begin()

    def begin(self) -> None:
        """Something else is counted from now on: its first count is told at once."""
        self._last = float("-inf")

    def count(self, what: str) -> None:
        """Tell, unless another count has just been told: "step 120 of 450, 2 min left"."""
        if time.monotonic() - self._last >= SECONDS:
            self._last = time.monotonic()
            self.now(what)

    def now(self, what: str) -> None:
        """Tell what takes time now, in any case, with the time that is left in all where it is known."""
        seconds = self.left.seconds()
        self._say(what if seconds is None else f"{what}, {describe_time_left(seconds)}")

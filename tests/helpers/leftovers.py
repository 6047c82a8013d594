"""The files of a running server, so that no test file finds what another has left there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.server import ComfyServer


class Leftovers:
    """What has come into the server's folders since `begin`."""

    def __init__(self) -> None:
        self.server: ComfyServer | None = None
        self.known: set[Path] = set()

    def begin(self, server: ComfyServer) -> None:
        """What is there now belongs to the server and stays."""
        self.server = server
        self.known = set(self._paths())

    @contextmanager
    def staying(self) -> Iterator[None]:
        """What comes inside stays too."""
        before = set(self._paths())
        yield
        self.known |= set(self._paths()) - before

    def remove(self) -> None:
        """All but the folders of kinds of models, also below `output`: the host looks for those it has once seen."""
        if self.server is None:
            return
        kinds = {self.server.models, self.server.output}
        for path in sorted(set(self._paths()) - self.known):  # a folder before what it holds
            if not path.is_dir() or path.is_symlink():
                path.unlink(missing_ok=True)
            elif path.parent not in kinds:
                shutil.rmtree(path, ignore_errors=True)  # the server may be removing parts of it itself

    def _paths(self) -> Iterator[Path]:
        if self.server is not None:
            server = self.server
            users = (server.user / name for name in ("default", "stableidentity"))
            for folder in (server.models, server.input, server.output, *users):
                yield from folder.rglob("*")

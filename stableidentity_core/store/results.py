"""The store: results of trainings on disk, within the limit of space that the user has set."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from ..console.streams import get_logger
from ..errors import StableIdentityError
from ..files.tensors import read_tensors, save_tensors
from .folder import Kind, trim, working
from .limit import GB, SETTING, read_limit, settings_file
from .pack import Packed, pack_projector, pack_words, unpack_projector, unpack_words
from .types import ProjectorResult, TrainResult

log = get_logger(__name__)
Result = TypeVar("Result", TrainResult, ProjectorResult)


class ResultStore:
    """A folder of safetensors files, up to three for a training, named by its key.

    `KEY.safetensors` holds the words, the losses and the header, some tens of kilobytes. The projector is a thousand
    times as large. It has a file of its own, which leaves first when the room ends, and so have checkpoints of
    unfinished work.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, key: str, kind: Kind = Kind.WORDS) -> Path:
        return self.folder / f"{key}{kind.value}"

    def checkpoint(self, key: str) -> Path:
        """Where unfinished work is to be kept."""
        return self.path(key, Kind.CHECKPOINT)

    def working(self, key: str) -> AbstractContextManager[None]:
        """Inside, no process removes the checkpoint of this work."""
        return working(self.folder, key)

    def get(self, key: str, again: Callable[[], TrainResult] | None = None) -> TrainResult | None:
        """The stored training of a person, or None. A damaged file is reported, and counts as none.

        Args:
            again: does the same training. It is called where the words are there and the projector is not, at the
                moment when somebody looks at the projector's weights; without it such a training counts as none.
        """
        result = self._read(self.path(key), unpack_words)
        if result is None:
            return None
        kept = self._read(self.path(key, Kind.PROJECTOR), unpack_projector)
        if kept is not None:
            return replace(result, projector=kept.projector)
        if again is None:
            return None
        return replace(
            result, projector=replace(result.projector, state=_MadeWhenUsed(lambda: again().projector.state))
        )

    def put(self, key: str, result: TrainResult) -> None:
        """Keep the training of a person.

        Raises:
            StableIdentityError: the disk is full or the folder cannot be written.
        """
        projector = self.path(key, Kind.PROJECTOR)
        self._write(projector, pack_projector(result))
        try:
            self._write(self.path(key), pack_words(result))
        except StableIdentityError:
            with contextlib.suppress(OSError):
                projector.unlink()
            raise
        self.trim()

    def get_projector(self, key: str) -> ProjectorResult | None:
        """What was learned over many people, or None. A damaged file is reported, and counts as none."""
        return self._read(self.path(key, Kind.PROJECTOR), unpack_projector)

    def put_projector(self, key: str, result: ProjectorResult) -> None:
        """Keep what was learned over many people; its checkpoint is not needed any more.

        Raises:
            StableIdentityError: the disk is full or the folder cannot be written.
        """
        self._write(self.path(key, Kind.PROJECTOR), pack_projector(result))
        with contextlib.suppress(OSError):
            self.checkpoint(key).unlink()
        self.trim()

    def trim(self) -> None:
        """Make the folder as small as the user's setting asks for; never raises."""
        limit = read_limit(self.folder)
        removed = trim(self.folder, limit * GB)
        if removed:
            log.info(
                "StableIdentity: %d files of stored trainings (%.0f MB) that were not used for the longest time have "
                "been removed, because all together may take %g GB (%s in %s).",
                len(removed),
                sum(entry.size for entry in removed) / 1e6,
                limit,
                SETTING,
                settings_file(self.folder),
            )

    def _write(self, path: Path, packed: Packed) -> None:
        save_tensors(path, *packed)

    def _read(self, path: Path, unpack: Callable[[Mapping[str, Tensor], Mapping[str, str]], Result]) -> Result | None:
        if not os.path.isfile(path):
            return None
        try:
            result = unpack(*read_tensors(path))
        except StableIdentityError as error:
            if os.path.lexists(path):  # or another process has just removed it
                log.warning("StableIdentity: the stored %s cannot be used and counts as not there: %s", path, error)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # which makes it the last to leave
        return result


class _MadeWhenUsed(Mapping[str, Tensor]):
    """Weights that are made when somebody first looks at them."""

    def __init__(self, make: Callable[[], Mapping[str, Tensor]]):
        self._make: Callable[[], Mapping[str, Tensor]] | None = make
        self._state: Mapping[str, Tensor] = {}

    def _made(self) -> Mapping[str, Tensor]:
        if self._make is not None:
            self._state, self._make = self._make(), None
        return self._state

    def __getitem__(self, name: str) -> Tensor:
        return self._made()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made())

    def __len__(self) -> int:
        return len(self._made())

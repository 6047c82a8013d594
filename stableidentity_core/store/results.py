"""The store: training results on disk, within the size limit set by the user."""

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
    """A folder of safetensors files, up to three per training, named by its key.

    `KEY.safetensors` contains the words, the losses and the header, tens of kilobytes. The projector is a thousand
    times as large, so it has its own file, which is removed first when space runs out, like the checkpoints of
    unfinished trainings.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, key: str, kind: Kind = Kind.WORDS) -> Path:
        return self.folder / f"{key}{kind.value}"

    def checkpoint(self, key: str) -> Path:
        """The path for the checkpoint of an unfinished training."""
        return self.path(key, Kind.CHECKPOINT)

    def working(self, key: str) -> AbstractContextManager[None]:
        """Lock the checkpoint of this training against removal by other processes."""
        return working(self.folder, key)

    def get(self, key: str, again: Callable[[], TrainResult] | None = None) -> TrainResult | None:
        """The stored training of a person, or None. A damaged file is logged and counts as missing.

        Args:
            again: repeats the training. If the words are stored but the projector is not, it is called on first access
                to the projector's weights; without it such a training counts as missing.
        """
        result = self._read(self.path(key), unpack_words)
        if result is None:
            return None
        kept = self._read(self.path(key, Kind.PROJECTOR), unpack_projector)
        if kept is not None:
            return replace(result, projector=kept.projector)
        if again is None:
            return None
        return replace(result, projector=replace(result.projector, state=_LazyState(lambda: again().projector.state)))

    def put(self, key: str, result: TrainResult) -> None:
        """Store the training of a person.

        Raises:
            StableIdentityError: the disk is full or the folder is not writable.
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
        """The stored projector of a training over many people, or None. A damaged file is logged and ignored."""
        return self._read(self.path(key, Kind.PROJECTOR), unpack_projector)

    def put_projector(self, key: str, result: ProjectorResult) -> None:
        """Store the projector of a training over many people, and remove its checkpoint.

        Raises:
            StableIdentityError: the disk is full or the folder is not writable.
        """
        self._write(self.path(key, Kind.PROJECTOR), pack_projector(result))
        with contextlib.suppress(OSError):
            self.checkpoint(key).unlink()
        self.trim()

    def trim(self) -> None:
        """Reduce the folder to the user's size limit; never raises."""
        limit = read_limit(self.folder)
        removed = trim(self.folder, limit * GB)
        if removed:
            log.info(
                "StableIdentity: the %d least recently used files of stored trainings (%.0f MB) were removed to stay "
                "within the limit of %g GB (%s in %s).",
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
            if os.path.lexists(path):  # otherwise another process has just removed it
                log.warning("StableIdentity: the stored file %s cannot be used and is ignored: %s", path, error)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # marks it as most recently used
        return result


class _LazyState(Mapping[str, Tensor]):
    """Weights that are computed on first access."""

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

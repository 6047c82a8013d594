"""Errors a user can act on: what was found, what was needed, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from .console.streams import writable

_UNREADABLE = re.compile(r"\S{500,}")  # names that nobody reads to the end


class StableIdentityError(ValueError):
    """Input or environment the method cannot work with; the message says what to do.

    Messages quote names and headers of files of others: what is no text, what would steer a terminal and what a log's
    encoding lacks is escaped.
    """

    __module__ = "stableidentity_core.errors"  # hosts write it into their logs, and put the pack's path before it

    def __init_subclass__(cls) -> None:
        cls.__module__ = StableIdentityError.__module__

    def __str__(self) -> str:
        return _UNREADABLE.sub(lambda word: f"{word[0][:200]}...{word[0][-100:]}", writable(super().__str__()))


class ShapeError(StableIdentityError):
    """A tensor of the wrong shape."""


class NoFaceError(StableIdentityError):
    """A picture in which the wanted face is not found."""


class MissingFileError(StableIdentityError, FileNotFoundError):
    """A file the user has to provide; the message names path, source and size."""


class FileTakenError(StableIdentityError):
    """A file that must not be replaced has the name already."""


class DamagedFileError(StableIdentityError):
    """A file that cannot be read whole."""


class IdentityFileError(DamagedFileError):
    """A file that is not a readable identity."""


class WrongModelError(StableIdentityError):
    """A diffusion model, text encoder or VAE that does not fit the method or each other."""


class TrainingError(StableIdentityError):
    """A training that cannot teach anything: a loss or gradient is zero or not finite."""


class HostError(StableIdentityError):
    """A ComfyUI server that does not start, breaks off, or refuses what it is asked."""


class MissingPackageError(StableIdentityError, ImportError):
    """A Python package that a feature needs is not installed or broken; the message gives the line to type."""


class DownloadError(StableIdentityError):
    """A file of weights that could not be fetched or put in place."""


@contextmanager
def error_context(who: str) -> Iterator[None]:
    """Errors inside say whom they are about; without a name they stay as they are."""
    try:
        yield
    except StableIdentityError as error:
        if not who:
            raise
        raise type(error)(f"{who}: {error}") from error

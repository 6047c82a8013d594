"""Errors a user can act on: what was found, what was needed, what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from .console.streams import writable

_UNREADABLE = re.compile(r"\S{500,}")  # names too long for a message


class StableIdentityError(ValueError):
    """Input or an environment that cannot be used; the message says what to do.

    Messages quote untrusted names and headers of files, so control characters, invalid text and characters missing in
    a log's encoding are escaped.
    """

    _home = __name__  # where the class is really defined
    # Hosts, tracebacks and logs put a class's module before its name, here with the pack's path in front; only for
    # built-in classes do they show the name alone.
    __module__ = "builtins"

    def __init_subclass__(cls) -> None:
        cls._home, cls.__module__ = cls.__module__, StableIdentityError.__module__

    def __reduce__(self) -> tuple[Callable[..., BaseException], tuple[Any, ...], dict[str, Any]]:
        kind = type(self)
        return _remake, (kind._home, kind.__qualname__, self.args), self.__dict__

    def __str__(self) -> str:
        return _UNREADABLE.sub(lambda word: f"{word[0][:200]}...{word[0][-100:]}", writable(super().__str__()))


def _remake(home: str, name: str, args: tuple[Any, ...]) -> BaseException:
    """For pickle, which looks classes up in `__module__`."""
    return getattr(import_module(home), name)(*args)


class ShapeError(StableIdentityError):
    """A tensor of the wrong shape."""


class NoFaceError(StableIdentityError):
    """A picture in which the requested face is not found."""


class MissingFileError(StableIdentityError, FileNotFoundError):
    """A file that the user has to provide; the message names its path, source and size."""


class FileTakenError(StableIdentityError):
    """The name is already taken by a file that must not be replaced."""


class DamagedFileError(StableIdentityError):
    """A file that is incomplete or cannot be read."""


class IdentityFileError(DamagedFileError):
    """A file that is not a readable identity."""


class WrongModelError(StableIdentityError):
    """A diffusion model, text encoder or VAE that does not fit the method or the other models."""


class TrainingError(StableIdentityError):
    """A training run that cannot learn anything: a loss or gradient is zero or not finite."""


class HostError(StableIdentityError):
    """A ComfyUI server that does not start, disconnects, or rejects a request."""


class MissingPackageError(StableIdentityError, ImportError):
    """A Python package that a feature needs is not installed or broken; the message gives the command to run."""


class DownloadError(StableIdentityError):
    """A weight file that could not be downloaded or put in place."""


@contextmanager
def error_context(who: str) -> Iterator[None]:
    """Prefix errors with the person they are about; an empty name leaves them unchanged."""
    try:
        yield
    except StableIdentityError as error:
        if not who:
            raise
        raise type(error)(f"{who}: {error}") from error

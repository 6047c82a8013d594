"""The size limit of stored trainings: a user setting, in a file next to their folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..console.streams import get_logger
from ..errors import StableIdentityError
from ..files.atomic import write_atomically
from ..files.json_text import parse_object

SETTING = "trained_gb"
DEFAULT_GB = 2.0
MAX_GB = 10**6
GB = 10**9
log = get_logger(__name__)


def settings_file(folder: Path) -> Path:
    """The file with the limit of a folder of stored trainings."""
    return folder.parent / "settings.json"


def read_limit(folder: Path) -> float:
    """The limit in gigabytes; if the setting cannot be read, that is logged and the default is used."""
    path = settings_file(folder)
    if not os.path.lexists(path):
        return DEFAULT_GB
    try:
        return check_limit(_settings(path).get(SETTING, DEFAULT_GB))
    except StableIdentityError as error:
        log.warning("StableIdentity: %s is ignored: %s The limit for stored trainings is 2 GB.", path, error)
        return DEFAULT_GB


def write_limit(folder: Path, gigabytes: float) -> None:
    """Set the limit; other settings in the file are kept.

    Raises:
        StableIdentityError: an invalid limit, or a file that cannot be read or written.
    """
    path = settings_file(folder)
    settings = _settings(path) if os.path.lexists(path) else {}
    settings[SETTING] = check_limit(gigabytes)
    write_atomically(path, (json.dumps(settings, indent=2) + "\n").encode())


def check_limit(value: object) -> float:
    """The value as a number of gigabytes, 0 or more.

    Raises:
        StableIdentityError: anything else.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_GB:
        return float(value)
    raise StableIdentityError(f"{SETTING} is {str(value)[:40]!r}, needed a number of gigabytes from 0 to {MAX_GB:,}.")


def _settings(path: Path) -> dict:
    try:
        text = path.read_text("utf-8-sig")  # Windows editors add a byte order mark
    except (OSError, ValueError) as error:
        raise StableIdentityError(f"{path} cannot be read: {error}. Delete it, or write it again.") from error
    return parse_object(text, str(path))

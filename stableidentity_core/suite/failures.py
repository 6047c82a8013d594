"""What could not be done, noted in the folder of an evaluation for its report."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..errors import StableIdentityError
from ..files.json_text import parse_object
from .folder import Folder, write_json


def note_failures(folder: Folder, failures: Mapping[str, str], others: Collection[str]) -> None:
    """Write {what failed: why}; what was noted earlier stays where it is among `others`, which were not tried now."""
    earlier = {what: why for what, why in read_failures(folder).items() if what in others}
    write_json(folder.failures, {**earlier, **failures})


def read_failures(folder: Folder) -> dict[str, str]:
    """{what failed: why}; nothing where the file is missing or damaged."""
    try:
        content = parse_object(folder.failures.read_text("utf-8"), "the failures")
    except (OSError, UnicodeDecodeError, StableIdentityError):
        return {}
    return {str(what): str(why) for what, why in content.items()}

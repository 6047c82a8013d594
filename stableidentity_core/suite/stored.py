"""The suite that is stored in the folder of an evaluation, with the methods that were added to it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from ..errors import DamagedFileError, MissingFileError, StableIdentityError
from ..files.json_text import parse_object
from .add import added_methods
from .folder import Folder, write_json
from .read import suite_of
from .spec import Suite


def store_suite(folder: Folder, suite: Suite) -> None:
    """Write the suite into the folder of its evaluation.

    Raises:
        StableIdentityError: it cannot be written.
    """
    write_json(folder.suite, asdict(suite))


def stored_suite(folder: Folder) -> Suite:
    """The suite that an evaluation's folder was made by, with the methods whose pictures were added.

    Raises:
        MissingFileError: it is no folder of an evaluation.
        DamagedFileError: its suite is damaged.
    """
    try:
        text = folder.suite.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f"{folder.root} holds no evaluation. Start one with `evaluate run`.") from error
    except (OSError, ValueError) as error:  # ValueError: no text
        raise DamagedFileError(_damaged(folder, error)) from error
    try:
        content = parse_object(text, "its text")
        suite = suite_of({**content, "methods": [_flat(one) for one in content.get("methods", [])]}, folder.root)
    except (StableIdentityError, TypeError) as error:  # TypeError: no list of methods
        raise DamagedFileError(_damaged(folder, error)) from error
    return with_added(suite, folder)


def _flat(method: Any) -> Any:
    """As in a suite file, where the options stand beside the name."""
    if not isinstance(method, dict) or not isinstance(method.get("options", {}), dict):
        return method  # which `suite_of` refuses
    return {**method.get("options", {}), **{name: value for name, value in method.items() if name != "options"}}


def _damaged(folder: Folder, error: Exception) -> str:
    return f"{folder.suite} cannot be used: {error} Run the suite again with `evaluate run`, which writes it anew."


def with_added(suite: Suite, folder: Folder) -> Suite:
    """The suite with the methods whose pictures were added to its folder.

    Raises:
        StableIdentityError: one has the name of a method of the suite.
    """
    added = added_methods(folder)
    own = {method.name.lower() for method in suite.methods if method.kind != "added"}
    if taken := [method.name for method in added if method.name.lower() in own]:
        raise StableIdentityError(
            f"The suite paints {taken[0]!r} itself, and pictures of that name were added to {folder.root}. Rename "
            "the method in the suite, or use another folder."
        )
    names = {method.name for method in added}
    return replace(suite, methods=(*(method for method in suite.methods if method.name not in names), *added))

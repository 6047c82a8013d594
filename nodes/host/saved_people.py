"""The people in the host's embeddings folders, as the sidebar lists, renames and deletes them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import Any

from ...stableidentity_core.errors import MissingFileError, StableIdentityError
from ...stableidentity_core.identity import load_identity
from ...stableidentity_core.identity.housekeeping import belongings, delete_person, rename_person
from ...stableidentity_core.identity.people import Kind, Saved, facts_of, saved_people
from ...stableidentity_core.identity.places import signature
from ...stableidentity_core.identity.portraits import portraits_of, read_portrait
from ...stableidentity_core.methods.registry import METHODS
from ...stableidentity_core.store.person import remove_trainings, trainings_of
from ...stableidentity_core.store.summary import Stored
from ...stableidentity_core.train.diagnosis import WARNING
from . import paths
from .flow.table import has_to_be_applied
from .mini_world import is_of_mini_world

Json = dict[str, Any]
SHOWN = 80  # characters of an untrusted text
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def listed() -> Json:
    """All embeddings as JSON, and the folders in which they are."""
    folders = paths.embeddings_folders()
    numbers = {folder: number for number, folder in reversed([*enumerate(folders)])}
    people, loadable = [], set()
    for saved in saved_people(folders):
        entry = _described(saved, numbers[saved.top])
        if saved.file in loadable:
            entry["load"] = ""  # the host's list has the name only once, for the file in the first folder
        loadable.add(saved.file)
        people.append(entry)
    return {"folders": [str(folder) for folder in folders], "people": people}


def details(folder: int, file: str) -> Json:
    """What belongs to a person: files, and the stored trainings that gave exactly these words."""
    path = _path(folder, file)
    top = paths.embeddings_folders()[folder]
    files = [{"name": one.relative_to(top).as_posix(), "bytes": one.lstat().st_size} for one in belongings(path)]
    return {"files": files, "trainings": [_training(one) for one in _trainings(path)], "state": _state(path)}


def rename(folder: int, file: str, name: str) -> Json:
    """Rename a person in its folder; gives the new name in the host's list."""
    path = _own(_path(folder, file))
    folders = paths.embeddings_folders()
    new = rename_person(path, name, folders)
    return {"load": str(new.relative_to(folders[folder]))}


def delete(folder: int, file: str, state: str, trainings: Iterable[str]) -> Json:
    """Delete a person's files, and of its stored trainings those with these keys.

    Args:
        state: of the file when the user was asked.
    """
    path = _own(_path(folder, file))
    if state != _state(path):
        raise StableIdentityError(f"{path.name} has changed since you were asked, so nothing was deleted. Try again.")
    keys = set(trainings)
    chosen = [one for one in _trainings(path) if one.key in keys] if keys else []
    deleted = delete_person(path)
    left = remove_trainings(chosen)
    return {
        "files": [one.name for one in deleted],
        "trainings": len(chosen) - len({entry.key for entry in left}),
        "left": [entry.path.name for entry in left],
    }


def portrait(folder: int, file: str) -> tuple[bytes, str]:
    """The portrait of an embedding, and its media type."""
    path = _path(folder, file)
    found = next(portraits_of(path), None)
    if found is None:
        raise MissingFileError(f"{path.name} has no portrait.")
    return read_portrait(found)


def _described(saved: Saved, folder: int) -> Json:
    texts, kind = saved.facts.texts, saved.facts.kind
    method, date = texts.get("method", ""), texts.get("date", "")
    changed = datetime.fromtimestamp(saved.changed / 1e9, timezone.utc).strftime("%Y-%m-%d")
    demo, applied = is_of_mini_world(saved.facts.widths), has_to_be_applied(saved.facts.widths)
    return {
        "folder": folder,
        "file": saved.file,
        "name": saved.path.stem,
        "kind": kind.value,
        "problem": saved.facts.problem,
        "trigger": saved.facts.trigger,
        "prompt": saved.facts.trigger if applied else saved.prompt and f"embedding:{saved.prompt}",
        "applied": applied,  # no prompt understands it without Apply Identity
        "load": str(saved.path.relative_to(saved.top)),  # as the host lists it
        "base": "mini world" if demo else saved.base[:SHOWN],
        "demo": demo,
        "method": (METHODS[method].title if method in METHODS else method)[:SHOWN],
        "date": date if _DATE.fullmatch(date) else changed,
        "likeness": saved.likeness,
        "warning": texts.get(WARNING, "")[: 5 * SHOWN],
        "portrait": _state(saved.portrait) if saved.portrait else "",
    }


def _path(folder: int, file: str) -> Path:
    """The file of this name below an embeddings folder.

    Raises:
        MissingFileError: it does not exist, or the name leaves the folder.
    """
    folders, parts = paths.embeddings_folders(), PurePosixPath(file).parts
    if 0 <= folder < len(folders) and parts and not {"..", "/"} & set(parts):
        path = folders[folder].joinpath(*parts)
        with contextlib.suppress(OSError, ValueError):  # no path that the system can have
            if path.is_relative_to(folders[folder]) and path.is_file() and path.name in os.listdir(path.parent):
                return path
    raise MissingFileError(f"There is no {file[:SHOWN]!a} among the embeddings (any more). Refresh the list.")


def _own(path: Path) -> Path:
    """Raises StableIdentityError for a file that the sidebar must not change."""
    if facts_of(path).kind is Kind.EMBEDDING:
        raise StableIdentityError(
            f"{path.name} was not saved by Save Identity, so it is not renamed or deleted here. Do it in its folder."
        )
    return path


def _trainings(path: Path) -> list[Stored]:
    try:
        identity = load_identity(path)
    except StableIdentityError:  # damaged: whose it was is not known
        return []
    return trainings_of(paths.results_folder(), identity)


def _training(stored: Stored) -> Json:
    used = datetime.fromtimestamp(stored.used / 1e9, timezone.utc).strftime("%Y-%m-%d")
    return {"key": stored.key, "what": stored.what[:SHOWN], "bytes": stored.size, "used": used}


def _state(path: Path) -> str:
    return "-".join(map(str, signature(path)))

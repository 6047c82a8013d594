"""Saving under a user-chosen name without losing another person's file, and so that prompts find the new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path

from ..errors import FileTakenError, StableIdentityError
from ..files.atomic import remove_abandoned
from ..files.names import IfExists, safe_file_name
from .file import ENDINGS, FORMAT, load_identity, save_identity
from .places import Places, is_number, signature
from .portraits import keep_portrait, remove_portraits
from .types import Identity

_SAVED_AS = ENDINGS[0]


def embedding_name(name: str) -> str:
    """Check a user's name for an embedding, with or without `.safetensors`, and return it without.

    Raises:
        StableIdentityError: not valid as a file name, or not usable in prompts.
    """
    name = name.strip()
    if name.lower().endswith(_SAVED_AS):
        name = name[: -len(_SAVED_AS)]
    name = safe_file_name(name)
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), None)
    if ending:
        raise StableIdentityError(
            f"The name {name!r} ends in {ending!r}, so embedding:{name} could refer to two files, {name} and "
            f"{name}{_SAVED_AS}. Use the name without it, such as {name[: -len(ending)]!r}."
        )
    if is_number(name) or is_number(f"{name}-2"):  # the second form has an added number
        raise StableIdentityError(
            f"The name {name!r} can be read as a number: ComfyUI parses it in (embedding:{name}) as a weight. "
            f"Add a word, such as 'person-{name}'."
        )
    return name


def save_under_name(
    identity: Identity,
    folder: Path,
    name: str,
    if_exists: IfExists = IfExists.NUMBER,
    others: Sequence[Path] = (),
    *,
    portrait: bytes | None = None,
    may_stay: Callable[[Path], bool] = lambda _path: True,
) -> Path:
    """Save so that `embedding:STEM` of the returned path refers only to this person.

    If a file of that name already contains the same words, it is kept. REPLACE writes to the folder of the existing
    file, and removes that file if it has another extension. A portrait of whoever had the name before is removed.

    Args:
        others: other folders that the host searches, with their subfolders.
        portrait: a PNG that is kept beside the file as its preview.
        may_stay: whether this person may be saved in the folder of an existing file, which REPLACE then uses;
            otherwise that file is removed and the person is saved in `folder`.

    Raises:
        StableIdentityError: the name is invalid or taken (STOP), several files have it (REPLACE), or the disk is full.
    """
    path, is_new = _saved(identity, folder, embedding_name(name), if_exists, others, may_stay)
    if portrait is not None:
        keep_portrait(path, portrait)
    elif is_new:
        remove_portraits(path)
    return path


def _saved(
    identity: Identity,
    folder: Path,
    name: str,
    if_exists: IfExists,
    others: Sequence[Path],
    may_stay: Callable[[Path], bool],
) -> tuple[Path, bool]:
    """The person's file, and whether it was written now."""
    places, own = Places([folder, *others]), _words(identity)
    for candidate in _candidates(name):
        path = folder / f"{candidate}{_SAVED_AS}"
        there = places.files_for(candidate)
        if not there:
            try:
                save_identity(identity, path, replace=False)
                return path, True
            except FileTakenError:  # another process was faster
                places = Places([folder, *others])
                there = places.files_for(candidate) or [path]
        strangers = [file for file in there if file.suffix != _SAVED_AS or _held(file, signature(file)) != own]
        if not strangers:
            remove_abandoned(there[0].parent)  # of a process killed between naming the file and cleaning up
            return there[0], False
        if if_exists is IfExists.REPLACE:
            return _replace(identity, candidate, there, folder, may_stay), True
        if if_exists is IfExists.STOP:
            raise _taken(candidate, strangers[0])
    raise AssertionError("unreachable: candidates never end")


def _candidates(name: str) -> Iterator[str]:
    yield name
    for number in count(2):
        yield f"{name}-{number}"


def _taken(name: str, there: Path) -> StableIdentityError:
    return StableIdentityError(
        f"embedding:{name} already refers to {there}, which is not this person. Choose another name, or set "
        f"if_exists to '{IfExists.NUMBER.value}' or '{IfExists.REPLACE.value}'."
    )


def _replace(identity: Identity, name: str, there: list[Path], folder: Path, may_stay: Callable[[Path], bool]) -> Path:
    """Replace the one file that has the name."""
    if len(there) > 1:
        raise StableIdentityError(
            f"embedding:{name} refers to {len(there)} files, {', '.join(map(str, there[:5]))}, and ComfyUI uses any "
            "one of them. Delete or rename all but one, or choose another name."
        )
    (old,) = there
    new = (old.parent if may_stay(old) else folder) / f"{name}{_SAVED_AS}"
    if old.name == name:
        raise StableIdentityError(
            f"embedding:{name} refers to {old}, which does not have the extension of an embedding "
            f"({', '.join(ENDINGS)}) and is not replaced. Move it away, or choose another name."
        )
    save_identity(identity, new)
    if old != new and not _is_same(old, new):
        _remove(old, new)
        remove_portraits(old)
    return new


def _is_same(old: Path, new: Path) -> bool:
    """Whether both are one file, like `Anna` and `anna` on a case-insensitive file system."""
    try:
        return old.samefile(new)
    except OSError:
        return False


def _remove(old: Path, new: Path) -> None:
    try:
        old.unlink(missing_ok=True)
    except OSError as error:
        raise StableIdentityError(
            f"{new} was saved, but {old}, which has the same name, could not be deleted: {error.strerror}. Delete it."
        ) from error


def _words(identity: Identity) -> str:
    """Trigger and words, as read back from a file."""
    words = {space: tensor.float() for space, tensor in identity.words.items()}
    return f"{identity.trigger} {Identity(trigger=identity.trigger, words=words).content_hash}"


@lru_cache(maxsize=1 << 16)
def _held(path: Path, _signature: tuple[int, ...]) -> str:
    """The content of one of this pack's files, read once per signature; "" for any other file."""
    try:
        there = load_identity(path)
    except StableIdentityError:
        return ""
    return _words(there) if there.header.get("format") == FORMAT else ""

"""Saving under a user's name without losing an older person of that name, and so that prompts find this one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path

from ..errors import FileTakenError, StableIdentityError
from ..files.names import IfExists, safe_file_name
from .file import ENDINGS, FORMAT, load_identity, save_identity
from .places import Places, signature
from .types import Identity

_SAVED_AS = ENDINGS[0]


def embedding_name(name: str) -> str:
    """Check a user's name for an embedding, with or without `.safetensors`, and return it without.

    Raises:
        StableIdentityError: it cannot be a file's, or prompts could not say it.
    """
    name = name.strip()
    if name.lower().endswith(_SAVED_AS):
        name = name[: -len(_SAVED_AS)]
    name = safe_file_name(name)
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), None)
    if ending:
        raise StableIdentityError(
            f"The name {name!r} ends in {ending!r}, so that embedding:{name} would stand for two files, {name} and "
            f"{name}{_SAVED_AS}. Leave the ending out, such as {name[: -len(ending)]!r}."
        )
    if _is_number(name) or _is_number(f"{name}-2"):  # the second is how a number is added
        raise StableIdentityError(
            f"The name {name!r} can be read as a number: ComfyUI takes (embedding:{name}) for a weight. "
            f"Add a word, such as 'person-{name}'."
        )
    return name


def _is_number(name: str) -> bool:
    """As the host finds weights: also `1e5`, `nan`, `1_000` and digits of other scripts."""
    try:
        float(name)
    except ValueError:
        return False
    return True


def save_under_name(
    identity: Identity,
    folder: Path,
    name: str,
    if_exists: IfExists = IfExists.NUMBER,
    others: Sequence[Path] = (),
) -> Path:
    """Save so that `embedding:STEM` of the returned path stands for this person alone.

    Equal words already there under the name are left alone. REPLACE writes where the name's file is, in whichever
    folder, and removes one of another ending.

    Args:
        others: more folders in which the host looks; all are searched with what is below.

    Raises:
        StableIdentityError: the name is not allowed or taken (STOP), several files have it (REPLACE), or the disk
            is full.
    """
    name, places, own = embedding_name(name), Places([folder, *others]), _words(identity)
    for candidate in _candidates(name):
        path = folder / f"{candidate}{_SAVED_AS}"
        there = places.answering(candidate)
        if not there:
            try:
                save_identity(identity, path, replace=False)
                return path
            except FileTakenError:  # another process was faster
                places = Places([folder, *others])
                there = places.answering(candidate) or [path]
        strangers = [file for file in there if file.suffix != _SAVED_AS or _held(file, signature(file)) != own]
        if not strangers:
            return there[0]
        if if_exists is IfExists.REPLACE:
            return _replace(identity, candidate, there)
        if if_exists is IfExists.STOP:
            raise _taken(candidate, strangers[0])
    raise AssertionError("unreachable: candidates never end")


def _candidates(name: str) -> Iterator[str]:
    yield name
    for number in count(2):
        yield f"{name}-{number}"


def _taken(name: str, there: Path) -> StableIdentityError:
    return StableIdentityError(
        f"embedding:{name} already stands for {there}, which does not hold this person. Choose another name, or set "
        f"if_exists to '{IfExists.NUMBER.value}' or '{IfExists.REPLACE.value}'."
    )


def _replace(identity: Identity, name: str, there: list[Path]) -> Path:
    """Put an identity in the place of the one file that has the name."""
    if len(there) > 1:
        raise StableIdentityError(
            f"embedding:{name} stands for {len(there)} files, {', '.join(map(str, there[:5]))}, and ComfyUI takes any "
            "one of them. Remove or rename all but one, or choose another name."
        )
    (old,) = there
    new = old.with_name(f"{name}{_SAVED_AS}")
    if old.name == name:
        raise StableIdentityError(
            f"embedding:{name} stands for {old}, which has no ending of an embedding ({', '.join(ENDINGS)}) and is not "
            "replaced. Move it away, or choose another name."
        )
    save_identity(identity, new)
    if old != new and not _is_same(old, new):
        _remove(old, new)
    return new


def _is_same(old: Path, new: Path) -> bool:
    """Are they one file, as `Anna` and `anna` are where the file system ignores case?"""
    try:
        return old.samefile(new)
    except OSError:
        return False


def _remove(old: Path, new: Path) -> None:
    try:
        old.unlink(missing_ok=True)
    except OSError as error:
        raise StableIdentityError(
            f"{new} was saved, but {old}, which has the same name, could not be removed: {error.strerror}. Remove it."
        ) from error


def _words(identity: Identity) -> str:
    """Trigger and words, as they come back from a file."""
    words = {space: tensor.float() for space, tensor in identity.words.items()}
    return f"{identity.trigger} {Identity(trigger=identity.trigger, words=words).content_hash}"


@lru_cache(maxsize=1 << 16)
def _held(path: Path, _signature: tuple[int, ...]) -> str:
    """What a file of this pack holds, read once for each signature; "" of any other, which hosts may read otherwise."""
    try:
        there = load_identity(path)
    except StableIdentityError:
        return ""
    return _words(there) if there.header.get("format") == FORMAT else ""

"""Pictures that another program made, taken into an evaluation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DamagedFileError, StableIdentityError
from ..face.folder import pictures_in
from ..files.atomic import write_atomically
from ..files.json_text import parse_object
from ..files.names import safe_file_name
from .folder import Folder, key_of, sha256_of, write_json
from .people import as_person, person_of
from .spec import MethodSpec, Suite
from .work import png, read_picture, rows_of

_PICTURE = re.compile(r"(\d{1,9})-(\d{1,9})", re.ASCII)  # number of the prompt from 1, and seed


@dataclass
class Added:
    """What was taken in."""

    pictures: dict[str, int] = field(default_factory=dict)  # of each person
    left_out: list[tuple[str, str]] = field(default_factory=list)  # file, and why
    incomplete: list[str] = field(default_factory=list)  # people of whom pictures are missing


def add_pictures(folder: Folder, suite: Suite, people: Sequence[str], spec: MethodSpec, pictures: Path) -> Added:
    """Copy pictures `PERSON/003-1.png` (prompt 3, seed 1) into the folder of a method, beside those added before.

    A person counts once all prompts with all seeds are there. Files that are of no person, prompt or seed of the suite
    are left out, as are second pictures of one prompt and seed, and pictures that cannot be read.

    Raises:
        MissingFileError: no picture in the folder.
        StableIdentityError: none that belongs to the suite; or the suite has another method of this name.
    """
    _check_name(folder, suite, spec)
    known = {person.lower(): person for person in people}
    added, found = Added(), dict[tuple[str, int, int], str]()
    for path in pictures_in(pictures).found:
        shown = path.relative_to(pictures).as_posix()
        try:
            place = _place(path, known, suite)
            if place in found:
                raise StableIdentityError(f"{found[place]} is of the same person, prompt and seed")
            person, number, seed = place
            about = {"prompt": suite.prompts[number], "seed": str(seed), "method": spec.name, **spec.options}
            content = png(read_picture(path), about)
        except StableIdentityError as error:
            added.left_out.append((shown, str(error)))
            continue
        write_atomically(folder.picture(spec.name, *place), content)
        found[place] = shown
        added.pictures[person] = added.pictures.get(person, 0) + 1
    if not found:
        reasons = "".join(f"\n{name}: {why}" for name, why in added.left_out[:5])
        raise StableIdentityError(f"No picture in {pictures} belongs to the suite.{reasons}")
    complete = _people(folder, suite, spec)
    added.incomplete = [person for person in people if person not in complete]
    _note(folder, spec)
    return added


def _check_name(folder: Folder, suite: Suite, spec: MethodSpec) -> None:
    """Names are folders, also where case does not count."""
    others = [*suite.methods, *added_methods(folder)]
    if taken := [one for one in others if one.name.lower() == spec.name.lower() and one.name != spec.name]:
        raise StableIdentityError(f"There is a method {taken[0].name!r} already. Give another --method.")
    if any(one.name == spec.name and one.kind != "added" for one in others):
        raise StableIdentityError(f"The suite paints {spec.name!r} itself. Add the pictures under another name.")


def added_methods(folder: Folder) -> list[MethodSpec]:
    """Methods whose pictures were added, with base model and source.

    Raises:
        DamagedFileError: their list is damaged.
    """
    path = _list(folder)
    try:
        content = parse_object(path.read_text("utf-8"), "it")
        return [_of_list(name, about) for name, about in content.items()]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, StableIdentityError) as error:  # ValueError: no text
        raise DamagedFileError(
            f"{path} cannot be used: {error} Remove it and add the pictures of the other programs again."
        ) from error


def _of_list(name: str, about: Any) -> MethodSpec:
    if not isinstance(about, dict) or not all(isinstance(text, str) for text in about.values()):
        raise StableIdentityError(f"{name!r:.60} is {about!r:.60}, needed texts of base, source and group.")
    options = {option: about[option] for option in ("base", "source") if option in about}
    group = safe_file_name(about.get("group", "methods"))
    return MethodSpec(name=safe_file_name(name), kind="added", group=group, options=options)


def added_to(folder: Folder, suite: Suite) -> dict[str, dict[str, str]]:
    """Of each method that paints nothing itself, {person: content hash of the pictures} where all of them are there."""
    return {spec.name: _people(folder, suite, spec) for spec in suite.methods if spec.kind == "added"}


def _people(folder: Folder, suite: Suite, spec: MethodSpec) -> dict[str, str]:
    root, found = folder.pictures(spec.name, "x").parent, {}
    for place in sorted(root.iterdir()) if root.is_dir() else []:
        paths = [folder.picture(spec.name, place.name, number, seed) for number, seed in rows_of(suite)]
        if all(path.is_file() for path in paths):
            found[place.name] = key_of(*(sha256_of(path) for path in paths))
    return found


def _place(path: Path, known: Mapping[str, str], suite: Suite) -> tuple[str, int, int]:
    """Person, number of the prompt and seed of a picture.

    Raises:
        StableIdentityError: it is of nobody, or of nothing that the suite has.
    """
    name = path.parent.name
    person = known.get(as_person(name).lower()) or known.get(person_of(Path(name)).lower())
    if person is None:
        raise StableIdentityError(f"its folder {name!r} is not a person of the suite")
    match = _PICTURE.fullmatch(path.stem)
    if match is None:
        raise StableIdentityError("its name is not PROMPT-SEED, such as 003-1.png for the third prompt with seed 1")
    number, seed = int(match[1]), int(match[2])
    if (number - 1, seed) not in rows_of(suite):
        raise StableIdentityError(f"the suite has no prompt {number} with seed {seed}")
    return person, number - 1, seed


def _note(folder: Folder, spec: MethodSpec) -> None:
    others = {one.name: {**one.options, "group": one.group} for one in added_methods(folder)}
    write_json(_list(folder), {**others, spec.name: {**spec.options, "group": spec.group}})


def _list(folder: Folder) -> Path:
    return folder.root / "added.json"

"""What the report needs of the bench, kept in the folder: the report is also written where no model is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import StableIdentityError
from ..files.json_text import parse_object
from ..files.tensors import read_tensors, save_tensors
from ..text.names import NameSpace
from .bench import Bench
from .folder import Folder, key_of, write_json

NAMES = "names.safetensors"


@dataclass(frozen=True)
class World:
    """Who and what an evaluation is about.

    Attributes:
        people: whose photos can be used, in the order of the suite.
        facts: see `Bench.facts`.
        tasks: keys of all its work.
        stamp: of the model's files, see `Bench.model_stamp`.
    """

    people: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    tasks: Sequence[str] = ()
    stamp: str = ""


def note_world(folder: Folder, world: World) -> None:
    content = {"people": list(world.people), "facts": dict(world.facts), "tasks": list(world.tasks)}
    content["stamp"] = world.stamp
    write_json(folder.root / "world.json", content)


def read_world(folder: Folder) -> World:
    """An empty one where nothing, or nothing readable, was noted."""
    try:
        content = parse_object((folder.root / "world.json").read_text("utf-8"), "the world")
        people, facts = content["people"], content["facts"]
        return World(
            [str(person) for person in people],
            {str(name): str(fact) for name, fact in facts.items()},
            [str(key) for key in content["tasks"]],
            str(content.get("stamp", "")),
        )
    except (OSError, UnicodeDecodeError, StableIdentityError, KeyError, TypeError, AttributeError):
        return World()


def names_key(facts: Mapping[str, str]) -> str:
    """Changes with the text encoders and with the list of names."""
    return key_of(facts.get("model"), facts.get("names"))


def names_are_kept(folder: Folder, key: str) -> bool:
    try:
        return read_tensors(folder.root / NAMES)[1].get("key") == key
    except StableIdentityError:
        return False


def ask_names(bench: Bench) -> list[NameSpace]:
    """What the map shows words among; nothing where the names are too few."""
    try:
        return bench.name_spaces
    except StableIdentityError:  # those who learn from it say why
        return []


def keep_names(folder: Folder, key: str, spaces: Sequence[NameSpace]) -> None:
    """The names and their embeddings [M, 2, D] in each text space."""
    names = {f"names {one.space}": "\n".join(one.names) for one in spaces}
    save_tensors(folder.root / NAMES, {one.space: one.embeddings for one in spaces}, {"key": key, **names})


def read_names(folder: Folder) -> list[NameSpace]:
    """As `keep_names` wrote them; none where the file is missing or damaged."""
    try:
        tensors, header = read_tensors(folder.root / NAMES)
        return [_space(space, embeddings, header) for space, embeddings in sorted(tensors.items())]
    except (StableIdentityError, KeyError):
        return []


def _space(space: str, embeddings: Any, header: Mapping[str, str]) -> NameSpace:
    return NameSpace(space=space, names=tuple(header[f"names {space}"].split("\n")), embeddings=embeddings.float())

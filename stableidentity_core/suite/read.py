"""Suite files: TOML to a Suite, with a sentence for everything that cannot be so."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from ..errors import MissingFileError, StableIdentityError
from ..files.names import safe_file_name
from ..files.readable import path_kind, read_text
from ..optional import optional_import
from ..text.prompts import SLOT
from .methods import check_method
from .methods.base import fits
from .paths import with_absolute_paths
from .spec import NOISES, MethodSpec, Sampling, Scoring, Suite

SHIPPED = Path(__file__).resolve().parent / "shipped"
WORLDS = ("photos", "mini world")
MOST = 100_000
MOST_THREADS = 256
Spec = TypeVar("Spec", Sampling, Scoring)


def shipped_suites() -> list[str]:
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def find_suite(name: str | Path) -> Path:
    """A suite file: one of the user's, or by its name one that the pack ships.

    Raises:
        MissingFileError: there is none; names those that are shipped.
    """
    path = Path(name)
    if path_kind(path) == "file":
        return path
    shipped = SHIPPED / f"{path.stem}.toml"
    if path.parent == Path() and path.suffix in ("", ".toml") and shipped.is_file():
        return shipped
    raise MissingFileError(
        f"There is no suite file {path}. Give the path of one, or a suite of the pack: {', '.join(shipped_suites())}."
    )


def read_suite(name: str | Path) -> Suite:
    """Read and check a suite.

    Raises:
        MissingFileError: there is no such file.
        StableIdentityError: not TOML, an unknown entry, or a value that cannot be used; the message names it.
    """
    path = find_suite(name)
    text = read_text(path, "a suite, a TOML file")
    toml = _toml()
    try:
        content = toml.loads(text)
    except (ValueError, RecursionError) as error:  # its own error is a ValueError
        raise StableIdentityError(f"{path} is not a TOML file: {error}.") from error
    try:
        return suite_of(content, path.parent)
    except StableIdentityError as error:
        raise type(error)(f"{path}: {error}") from error


def suite_of(content: Mapping[str, Any], folder: Path) -> Suite:
    """A suite of what its file holds; relative paths in it are relative to `folder`, and absolute in the suite."""
    rest = dict(content)
    world = _take(rest, "world", str, "photos")
    if world not in WORLDS:
        raise StableIdentityError(f"world is {world!r}, needed one of {', '.join(map(repr, WORLDS))}.")
    suite = Suite(
        title=_take(rest, "title", str, "Evaluation"),
        note=_take(rest, "note", str, ""),
        world=world,
        world_options=_take(rest, "world_options", dict, {}),
        prompts=_prompts(_take(rest, "prompts", (list, str), None), folder),
        people=_whole("people", _take(rest, "people", int, 70)),
        at_once=_whole("at_once", _take(rest, "at_once", int, 1)),
        threads=_whole("threads", _take(rest, "threads", int, 1), MOST_THREADS),
        sampling=_sampling(_take(rest, "sampling", dict, {})),
        scoring=_part(Scoring, "scoring", _take(rest, "scoring", dict, {})),
        methods=_methods(_take(rest, "methods", list, [])),
    )
    _nothing_left(rest, "the suite", [field.name for field in fields(Suite)])
    compared = suite.scoring.compared
    if compared is not None and compared not in {method.name for method in suite.methods}:
        raise StableIdentityError(f"compared is {compared!r}, which is not the name of one of the methods.")
    return with_absolute_paths(suite, folder)


def _toml() -> ModuleType:
    try:
        import tomllib

        return tomllib
    except ModuleNotFoundError:  # Python 3.10
        return optional_import("tomli", feature="a suite file", install="pip install tomli")


def _prompts(given: list[Any] | str | None, folder: Path) -> tuple[str, ...]:
    """A list of prompts, or the name of a file with one on each line."""
    if isinstance(given, str):
        here, shipped = folder / given, SHIPPED / given
        given = read_text(
            shipped if not here.is_file() and shipped.is_file() else here, "prompts, one a line"
        ).splitlines()
    prompts = [str(prompt).strip() for prompt in given or [] if str(prompt).strip()]
    prompts = [prompt for prompt in prompts if not prompt.startswith("#")]
    if not prompts:
        raise StableIdentityError("There are no prompts. Give a list `prompts`, or the name of a file with one a line.")
    for prompt in prompts:
        if prompt.count(SLOT) != 1:
            raise StableIdentityError(
                f"The prompt {prompt!r:.100} has {prompt.count(SLOT)} slots {SLOT}, needed one, for the person."
            )
    if len(prompts) > NOISES:
        raise StableIdentityError(f"There are {len(prompts):,} prompts, needed at most {NOISES:,}.")
    return tuple(prompts)


def _methods(given: list[Any]) -> tuple[MethodSpec, ...]:
    methods = []
    for entry in given:
        if not isinstance(entry, dict):
            raise StableIdentityError(f"A method is {entry!r:.60}, needed a table [[methods]].")
        rest = dict(entry)
        method = MethodSpec(
            name=safe_file_name(_take(rest, "name", str, "")),
            kind=_take(rest, "kind", str, "learn"),
            group=safe_file_name(_take(rest, "group", str, "methods")),
            options=rest,
        )
        check_method(method)
        methods.append(method)
    names = [method.name.lower() for method in methods]  # which are folders, also where case does not count
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise StableIdentityError(f"Two methods are called {twice[0]!r}; each needs a name of its own.")
    if not methods:
        raise StableIdentityError("There are no methods. Give at least one table [[methods]].")
    return tuple(methods)


def _sampling(given: Mapping[str, Any]) -> Sampling:
    made = _part(Sampling, "sampling", given)
    for name, most in {"size": 4096, "steps": 1000, "at_once": MOST}.items():
        _whole(f"sampling.{name}", getattr(made, name), most)
    if made.size % 8:
        raise StableIdentityError(f"sampling.size is {made.size}, needed a multiple of 8.")
    seeds = made.seeds
    if not seeds or len(set(seeds)) < len(seeds) or not all(_is_whole(seed) and 0 <= seed < MOST for seed in seeds):
        raise StableIdentityError(
            f"sampling.seeds is {list(seeds)!r:.60}, needed different whole numbers from 0 to {MOST - 1:,}."
        )
    return made


def _part(kind: type[Spec], what: str, given: Mapping[str, Any]) -> Spec:
    """A table of the file whose entries are the fields of a class."""
    known = {field.name: field.default for field in fields(kind)}
    _nothing_left({name: 0 for name in given if name not in known}, what, known)
    values = {}
    for name, value in given.items():
        usual = known[name]
        if isinstance(usual, tuple):
            value = tuple(value) if isinstance(value, list) else value
        unset = value is None and usual is None  # in a stored suite
        if not (unset or fits(value, "a method" if usual is None else usual)):
            raise StableIdentityError(f"{what}.{name} is {value!r:.60}, needed such as {usual or 'a method'!r}.")
        if isinstance(value, float) and not math.isfinite(value):
            raise StableIdentityError(f"{what}.{name} is {value}, needed a finite number.")
        values[name] = value
    return kind(**values)


def _take(rest: dict[str, Any], name: str, kind: type | tuple[type, ...], usual: Any) -> Any:
    value = rest.pop(name, usual)
    if value is not usual and (not isinstance(value, kind) or isinstance(value, bool)):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        words = {str: "a text", int: "a whole number", dict: "a table", list: "a list"}
        raise StableIdentityError(f"{name} is {value!r:.60}, needed {' or '.join(words[one] for one in kinds)}.")
    return value


def _whole(name: str, value: int, most: int = MOST) -> int:
    if not (_is_whole(value) and 1 <= value <= most):
        raise StableIdentityError(f"{name} is {value!r:.60}, needed a whole number from 1 to {most:,}.")
    return value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _nothing_left(rest: Mapping[str, Any], what: str, known: Sequence[str] | Mapping[str, Any]) -> None:
    if rest:
        raise StableIdentityError(
            f"{what} has an unknown entry {next(iter(rest))!r:.60}; known are {', '.join(known)}."
        )

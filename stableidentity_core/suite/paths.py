"""Paths in suites: absolute, so that other commands, processes and machines find the same files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..weights.table import WEIGHTS
from .spec import Suite

OF_THE_WORLD = ("photos", "model", "models", "encoder", "names")
OF_METHODS = ("projector", "encoder")


def with_absolute_paths(suite: Suite, folder: Path) -> Suite:
    """The suite with its paths, which are relative to `folder`, made absolute."""
    if suite.world != "photos":  # where encoders are names
        methods = tuple(_located(one, "options", ("projector",), folder) for one in suite.methods)
        return replace(_located(suite, "world_options", ("second_recogniser",), folder), methods=methods)
    found = [name if name in WEIGHTS else _absolute(name, folder) for name in suite.scoring.recognisers]
    return replace(
        _located(suite, "world_options", OF_THE_WORLD, folder),
        scoring=replace(suite.scoring, recognisers=tuple(found)),
        methods=tuple(_located(one, "options", OF_METHODS, folder) for one in suite.methods),
    )


def _located(spec: Any, part: str, names: tuple[str, ...], folder: Path) -> Any:
    """A specification in which these entries of a part are absolute paths."""
    given: Mapping[str, Any] = getattr(spec, part)
    paths = {name: _absolute(given[name], folder) for name in names if given.get(name)}
    return replace(spec, **{part: {**given, **paths}}) if paths else spec


def _absolute(path: Any, folder: Path) -> str:
    return os.path.abspath(folder / Path(str(path)).expanduser())

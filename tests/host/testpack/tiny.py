"""Modules of tests/helpers, by their paths: the server does not have the tests' folder on sys.path."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

_FOLDER = Path(__file__).resolve().parents[2] / "helpers"


def helper(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"stableidentity_{name}", _FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


host_tiny = helper("host_tiny")
in_use = helper("in_use")

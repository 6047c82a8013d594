"""Optional packages that single features need."""

from __future__ import annotations

import importlib
import re
import sys
from importlib.metadata import packages_distributions
from traceback import extract_tb, walk_tb
from types import ModuleType

from .errors import MissingPackageError

_BYSTANDERS = {"importlib", "_frozen_importlib", "_frozen_importlib_external", "numpy"}


def optional_import(module: str, *, feature: str, install: str) -> ModuleType:
    """Import a module where it is used.

    Args:
        module: its full name.
        feature: what needs it, in the user's terms, such as "face detection".
        install: the command to run.

    Raises:
        MissingPackageError: it is not installed, lacks the module, or fails to import.
    """
    package = module.partition(".")[0]
    needs = f"{feature[0].upper()}{feature[1:]} needs the package {package}, which"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        found = _what_is_missing(package, error.name or module)
        raise MissingPackageError(f"{needs} {found}. In ComfyUI's Python run: {install}") from error
    except Exception as error:  # incompatible versions of binary packages raise many types
        broken = _broken_package(package, error)
        line = f"{install} --upgrade" if broken == package else f"pip install --upgrade {_distribution(broken)}"
        raise MissingPackageError(
            f"{needs} is installed but fails to import{'' if broken == package else f', because of {broken}'} "
            f"({type(error).__name__}: {error}). Often a compiled package is incompatible with the numpy version. "
            f"In ComfyUI's Python run: {line}"
        ) from error


def _what_is_missing(package: str, missing: str) -> str:
    if missing == package:
        return "is not installed"
    if missing.partition(".")[0] == package:
        return f"is installed in a version without {missing}"
    return f"is installed, but its own dependency {missing.partition('.')[0]} is missing"


def _broken_package(package: str, error: Exception) -> str:
    """The innermost package in the traceback of a failed import; numpy is not to blame, others are incompatible."""
    trace = error.__traceback__
    names = [str(frame.f_globals.get("__name__")).partition(".")[0] for frame, _line in walk_tb(trace)]
    begin = names.index(package) if package in names else len(names)
    inner = [at for at in range(begin, len(names)) if names[at] not in _BYSTANDERS]
    if not inner:
        return package
    # A compiled module has no frame of its own, only the line that imports it.
    line = re.match(r"(?:import|from) +(\w+)", extract_tb(trace)[inner[-1]].line or "")
    foreign = line and line[1] not in sys.stdlib_module_names and "cannot import name" not in str(error)
    return line[1] if line and foreign else names[inner[-1]]


def _distribution(package: str) -> str:
    """The name for pip: cv2 is opencv-python."""
    return " ".join(sorted(set(packages_distributions().get(package, [package]))))

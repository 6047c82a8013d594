"""Packages a feature needs: each way in which they can be missing or broken is told in one sentence."""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import sys
from pathlib import Path

import pytest

from stableidentity_core.errors import MissingPackageError, StableIdentityError
from stableidentity_core.optional import optional_import

LINE = "pip install facething"


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A folder of packages; afterwards nothing of it is left among the imported modules."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(site: Path, module: str, code: str) -> None:
    path = site.joinpath(*module.split("."))
    path.mkdir(parents=True, exist_ok=True)
    (path / "__init__.py").write_text(code)
    importlib.invalidate_caches()


def sentence(module: str) -> str:
    with pytest.raises(MissingPackageError) as caught:
        optional_import(module, feature="face detection", install=LINE)
    assert isinstance(caught.value, StableIdentityError) and isinstance(caught.value, ImportError)
    assert caught.value.__cause__ is not None
    return str(caught.value)


def test_a_package_that_is_there_is_given():
    assert optional_import("json", feature="anything", install="nothing") is json
    assert optional_import("json.decoder", feature="anything", install="nothing") is sys.modules["json.decoder"]


def test_a_package_that_is_not_installed_gives_the_line_to_type(site):
    assert sentence("facething.net") == (
        f"Face detection needs the package facething, which is not installed. In ComfyUI's Python run: {LINE}"
    )


def test_a_package_that_lacks_another_one_names_it(site):
    write(site, "facething", "import secondthing.part\n")
    assert sentence("facething").startswith(
        "Face detection needs the package facething, which is installed, but its own dependency secondthing is missing."
    )


def test_a_package_without_the_module_is_of_another_version(site):
    write(site, "facething", "")
    assert "is installed in a version without facething.net." in sentence("facething.net")


@pytest.mark.parametrize(
    "code, told",
    [
        (
            "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')",
            "ValueError: numpy.dtype",
        ),
        ("raise AttributeError('_ARRAY_API not found')", "AttributeError: _ARRAY_API not found"),
        ("from json import no_such_name", "ImportError: cannot import name 'no_such_name'"),
        ("raise ImportError('libGL.so.1: cannot open shared object file')", "libGL.so.1"),
        ("raise SystemError('initialization of _internal failed')", "SystemError"),
        ("def broken(:\n", "SyntaxError"),
    ],
)
def test_a_package_that_breaks_while_it_is_imported_says_how(site, code, told):
    write(site, "facething", code)
    said = sentence("facething")
    assert "is installed but fails to import (" in said and told in said
    assert said.endswith(f"{LINE} --upgrade")


def test_a_package_that_breaks_another_one_is_the_one_to_upgrade(site):
    write(site, "compiled", "import importlib\nimportlib.import_module('compiled.wheel')")
    write(site, "compiled.wheel", "raise ImportError('numpy.core.multiarray failed to import')")
    (site / "fast_compiled-1.0.dist-info").mkdir()
    (site / "fast_compiled-1.0.dist-info" / "METADATA").write_text("Name: fast-compiled\nVersion: 1.0\n")
    (site / "fast_compiled-1.0.dist-info" / "top_level.txt").write_text("compiled\n")
    write(site, "facething", "import compiled\n")
    write(site, "facething.net", "")
    said = sentence("facething.net")
    assert "the package facething, which is installed but fails to import, because of compiled" in said
    assert "numpy.core.multiarray failed to import" in said
    assert said.endswith("run: pip install --upgrade fast-compiled"), "pip's name, not the module's"


def test_a_compiled_module_without_lines_of_its_own_is_named(site):
    name = f"compiled{importlib.machinery.EXTENSION_SUFFIXES[0]}"
    (site / name).write_bytes(b"not a library")
    write(site, "facething", "import compiled\n")
    said = sentence("facething")
    assert "fails to import, because of compiled (ImportError: " in said
    assert said.endswith("run: pip install --upgrade compiled")


def test_a_repaired_package_is_found_without_a_restart(site):
    sentence("facething")
    write(site, "facething", "ANSWER = 42")
    assert optional_import("facething", feature="face detection", install=LINE).ANSWER == 42


def test_an_interrupt_while_importing_stays_an_interrupt(site):
    write(site, "facething", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        optional_import("facething", feature="face detection", install=LINE)

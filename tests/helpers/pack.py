"""The pack's `nodes` package in this process, as the host would import it, without its server.

The pack's root cannot be imported as a package here, and `nodes` alone is the name of a host module.
So the pack gets a name of its own, under which its core is the very core the tests import.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACK = "stableidentity_pack"
CORE = f"{PACK}.stableidentity_core"


class _CoreAlias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, fullname, path=None, target=None):
        if fullname == CORE or fullname.startswith(f"{CORE}."):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):
        module = importlib.import_module(spec.name.removeprefix(f"{PACK}."))
        self.own_spec = module.__spec__
        return module

    def exec_module(self, module):
        module.__spec__ = self.own_spec  # the import system has just put the alias's there


def pack_module(name: str, comfyui: Path, cpu: bool = True) -> types.ModuleType:
    """Import a module of the pack such as `nodes.host.backend`, with the host on the path.

    The first import decides for the whole process whether the host computes on the CPU or on the device it chooses.
    """
    if PACK not in sys.modules:
        sys.path.append(str(comfyui))
        import comfy.cli_args

        comfy.cli_args.args.cpu = cpu
        sys.meta_path.insert(0, _CoreAlias())
        package = types.ModuleType(PACK)
        package.__path__ = [str(ROOT)]
        sys.modules[PACK] = package
        nodes = types.ModuleType(f"{PACK}.nodes")  # without running nodes/__init__.py, which needs the server
        nodes.__path__ = [str(ROOT / "nodes")]
        sys.modules[nodes.__name__] = nodes
    return importlib.import_module(f"{PACK}.{name}")

"""What may import what, how long files and functions may be, and whether the picture of it is up to date."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "stableidentity_core"
FILES = sorted(CORE.rglob("*.py"))
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in FILES]

NODES, MINI_WORLD = ROOT / "nodes", ROOT / "mini_world"
HOUSES = (CORE, NODES, MINI_WORLD)
ALL_FILES = sorted(path for house in HOUSES for path in house.rglob("*.py"))
TRAINING = MINI_WORLD / "training"
# The host's modules, whose names and arguments change from version to version; comfy_api is its public interface.
INTERNALS = {"comfy", "comfy_execution", "comfy_extras", "execution", "folder_paths", "latent_preview", "server"}

MAX_FILE, MAX_FUNCTION = 250, 60

IMPORT_ALL = """
import importlib, sys
for name in sys.argv[2].split(","):
    sys.modules[name] = None  # importing it raises ImportError
sys.path.insert(0, sys.argv[1])
for name in sys.argv[3:]:
    importlib.import_module(name)
loaded = {name.partition(".")[0] for name in sys.modules if sys.modules[name] is not None}
print(" ".join(sorted(loaded)))
"""


def import_all(blocked: list[str]) -> subprocess.CompletedProcess:
    modules = [name for name in MODULES if not name.endswith("__main__")]  # which runs the command line
    command = [sys.executable, "-c", IMPORT_ALL, str(ROOT), ",".join(blocked), *modules]
    return subprocess.run(command, capture_output=True, text=True, cwd="/")


def test_every_module_can_be_imported_without_a_host_and_without_heavy_packages():
    host = ["comfy", "comfy_api", "folder_paths"]
    faces = ["cv2", "facexlib", "filterpy", "numba", "scipy", "timm"]
    measuring = ["lpips", "ray", "torchmetrics"]
    others = ["av", "diffusers", "matplotlib", "open_clip", "skimage", "sklearn", "transformers"]
    done = import_all([*host, *faces, *measuring, *others])
    assert done.returncode == 0, done.stderr
    assert "torch" in done.stdout.split()


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Module -> the core's modules it imports when it is imported itself."""
    return {name: _core_imports(path, name) for name, path in zip(MODULES, FILES, strict=True)}


def _core_imports(path: Path, module: str) -> set[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in _executed(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1] if node.level else [])
            base = ".".join(filter(None, [base, node.module]))
            # `from . import files` names a module, `from .names import NameSpace` something within one.
            found |= {name if (name := f"{base}.{alias.name}") in MODULES else base for alias in node.names}
    return {name for name in found if name in MODULES and name != module}


def _executed(tree: ast.AST) -> list[ast.AST]:
    """Nodes that run at import: not within functions, not under TYPE_CHECKING."""
    nodes = []
    for child in ast.iter_child_nodes(tree):
        guarded = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not guarded and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes += [child, *_executed(child)]
    return nodes


def test_no_module_imports_itself_by_way_of_others(imports):
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join([*above[above.index(name) :], name])
        if name not in done:
            for other in sorted(imports[name]):
                visit(other, (*above, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())
    assert sum(map(len, imports.values())) > len(MODULES), "the imports were not read"


BELOW_ALL = {
    "background",
    "console",
    "devices",
    "errors",
    "files",
    "fingerprint",
    "optional",
    "plots",
    "provenance",
    "shapes",
}


LAYERS = {
    "console": {"console", "errors", "optional"},
    "files": {"console", "errors", "files"},
    "text": BELOW_ALL,
    "comfyui": BELOW_ALL,
    "video": BELOW_ALL,
    "weights": BELOW_ALL,
    "face": BELOW_ALL | {"weights"},
    "encode": BELOW_ALL | {"face", "weights"},
    "methods": BELOW_ALL | {"text"},
    "backends": BELOW_ALL | {"text"},
    "identity": BELOW_ALL | {"text"},
    "store": BELOW_ALL | {"face", "identity", "methods", "text"},
    "train": BELOW_ALL | {"backends", "face", "identity", "methods", "store", "text"},
    "evaluate": BELOW_ALL | {"backends", "encode", "face", "identity", "text", "weights"},
    "head3d": BELOW_ALL | {"backends", "text", "train"},
    "suite": BELOW_ALL
    | {"backends", "encode", "evaluate", "face", "identity", "methods", "store", "text", "train", "weights"},
}


@pytest.mark.parametrize(("package", "may_use"), LAYERS.items())
def test_packages_know_only_the_layers_below(imports, package, may_use):
    used = set()
    for name, others in imports.items():
        if name.split(".")[1:2] == [package]:
            used |= {other.split(".")[1] for other in others if "." in other}
    assert used - {package} <= may_use


def test_every_package_has_a_place_in_the_layers():
    packages = {path.name for path in CORE.iterdir() if (path / "__init__.py").is_file()}
    assert packages == LAYERS.keys() | {"cli"}


DOWNLOADERS = re.compile(
    r"\b(load_file_from_url|init_(detection|parsing|recognition)_model|hf_hub_download|snapshot_download"
    r"|download_url_to_file|load_state_dict_from_url|pretrained=True|urlretrieve)\b|hf[-_]hub:"
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CORE)))
def test_no_module_lets_a_library_fetch_weights(path):
    """Such helpers download at run time, facexlib's even into site-packages; `weights` alone fetches, when asked."""
    found = DOWNLOADERS.search(path.read_text("utf-8"))
    assert not found, found[0]


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_and_no_function_is_too_long(path):
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= MAX_FILE
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno + 1 <= MAX_FUNCTION, node.name


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    """docs/draw_architecture.py, which reads imports too, those within functions included."""
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "docs" / "draw_architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def named(drawing) -> dict[Path, set[str]]:
    """File of the three houses -> absolute dotted names of all that it imports."""
    found = {path: set(drawing.imported_names(path)) for path in ALL_FILES}
    assert "stableidentity_core.train.project.project" in found[NODES / "identity.py"], "the imports were not read"
    return found


def _is_below(name: str, package: str) -> bool:
    return f"{name}.".startswith(f"{package}.")


def houses(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def test_the_core_knows_neither_nodes_nor_the_mini_world_nor_the_host(named):
    others = {"nodes", "mini_world", "comfy_api", *INTERNALS}
    assert {path for path in FILES if houses(named[path]) & others} == set()


def test_only_the_room_for_the_host_knows_its_internals(named):
    users = {path for path in ALL_FILES if houses(named[path]) & INTERNALS}
    assert users, "the imports were not read"
    assert {path for path in users if not path.is_relative_to(NODES / "host")} == set()


def test_the_mini_world_is_used_by_its_own_nodes_alone(named):
    users = {path for path in ALL_FILES if "mini_world" in houses(named[path]) and not path.is_relative_to(MINI_WORLD)}
    assert users == {NODES / "mini_world.py", NODES / "host" / "mini_world.py"}


def test_the_mini_world_has_one_door_to_the_core(named):
    shipped = {path for path in ALL_FILES if path.is_relative_to(MINI_WORLD) and not path.is_relative_to(TRAINING)}
    assert {path for path in shipped if CORE.name in houses(named[path])} == {MINI_WORLD / "core.py"}
    assert {path for path in shipped if "nodes" in houses(named[path])} == set()


def test_what_makes_the_mini_world_is_not_needed_to_run_it(named):
    makers = {path for path, names in named.items() if any(_is_below(name, "mini_world.training") for name in names)}
    assert {path for path in makers if not path.is_relative_to(TRAINING)} == set()


def test_inside_the_host_the_pack_names_itself_relatively():
    """There the pack is one package, which is not on the path, and `nodes` is a module of the host's."""
    own = {house.name for house in HOUSES}
    inside = [path for path in ALL_FILES if not path.is_relative_to(TRAINING) and path != MINI_WORLD / "core.py"]
    for path in [ROOT / "__init__.py", *inside]:
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        absolute = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
        absolute |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        assert houses(absolute) & own == set(), path


def test_all_modules_that_the_houses_name_exist(named):
    """pyright leaves this to us for nodes/, where it cannot see the host's modules."""
    for path, names in named.items():
        for name in names:
            parts = name.split(".")
            if parts[0] in {house.name for house in HOUSES}:
                base = ROOT.joinpath(*parts[:-1])  # the last one is a module or something within one
                assert base.with_suffix(".py").is_file() or base.is_dir(), f"{path}: {name}"


def test_the_picture_of_the_rooms_is_up_to_date(drawing):
    assert drawing.PICTURE.read_text("utf-8") == drawing.draw(), "run: python3 docs/draw_architecture.py"


def test_the_text_about_the_rooms_names_each_of_them(drawing):
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    told = {*drawing.read_packages(), *drawing.base_modules()}
    assert {room for room in told if f"`{room}`" not in text} == set()

"""What the registry, GitHub and citation tools read."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest
import yaml
from PIL import Image

from helpers.archive import ROOT, archive_files, repository_files

toml = pytest.importorskip("tomllib", reason="Python 3.10 has no tomllib")
PROJECT = (ROOT / "pyproject.toml").read_text("utf-8")
ADDRESS = "https://github.com/somebody/a-pack"
GITHUB = [name for name in repository_files() if name.startswith(".github/")]


@pytest.fixture(scope="module")
def addresses() -> ModuleType:
    spec = importlib.util.spec_from_file_location("addresses", ROOT / ".ci" / "addresses.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_registry_gets_what_it_asks_for():
    project, comfy = toml.loads(PROJECT)["project"], toml.loads(PROJECT)["tool"]["comfy"]
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,98}", project["name"]) and "comfyui" not in project["name"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert (ROOT / project["license"]["file"]).is_file() and project["description"]
    assert "Operating System :: OS Independent" in project["classifiers"]
    assert re.fullmatch(r">=\d+\.\d+\.\d+", comfy["requires-comfyui"])
    assert comfy["PublisherId"] and comfy["DisplayName"]


def test_icon_and_banner_have_the_registrys_shapes():
    comfy = toml.loads(PROJECT)["tool"]["comfy"]
    with Image.open(ROOT / comfy["Icon"]) as icon, Image.open(ROOT / comfy["Banner"]) as banner:
        assert icon.width == icon.height <= 400
        assert banner.width * 9 == banner.height * 21
    assert {comfy["Icon"], comfy["Banner"]} <= {*archive_files()}


def test_no_address_is_in_the_checkout_and_one_command_fills_them_all(addresses, tmp_path):
    file = tmp_path / "pyproject.toml"
    file.write_text(PROJECT, "utf-8")
    assert "urls" not in toml.loads(PROJECT)["project"]
    assert addresses.main([ADDRESS + ".git", "--file", str(file)]) == 0
    filled, before = toml.loads(file.read_text("utf-8")), toml.loads(PROJECT)
    version = before["project"]["version"]
    assert filled["project"].pop("urls") == {
        "Repository": ADDRESS,
        "Documentation": f"{ADDRESS}/blob/v{version}/README.md",
        "Issues": f"{ADDRESS}/issues",
    }
    for name in ("Icon", "Banner"):
        assert filled["tool"]["comfy"].pop(name) == f"{ADDRESS}/raw/v{version}/{before['tool']['comfy'].pop(name)}"
    assert filled == before


@pytest.mark.parametrize("address", ["", "github.com/a/b", "https://github.com/a", 'https://github.com/a/b"c'])
def test_what_is_no_address_is_refused(addresses, tmp_path, address, capsys):
    file = tmp_path / "pyproject.toml"
    file.write_text(PROJECT, "utf-8")
    assert addresses.main([address, "--file", str(file)]) == 2
    assert "needed https://HOST/OWNER/NAME" in capsys.readouterr().err
    assert file.read_text("utf-8") == PROJECT


def test_a_filled_file_is_not_filled_again(addresses, tmp_path, capsys):
    file = tmp_path / "pyproject.toml"
    file.write_text(PROJECT, "utf-8")
    assert [addresses.main([ADDRESS, "--file", str(file)]) for _ in range(2)] == [0, 2]
    assert "has [project.urls] already" in capsys.readouterr().err


def test_yaml_of_github_can_be_read_and_its_files_exist():
    assert {"test.yml", "publish.yml", "bug.yml", "question.yml", "feature.yml"} <= {
        name.split("/")[-1] for name in GITHUB
    }
    for name in GITHUB:
        text = (ROOT / name).read_text("utf-8")
        assert isinstance(yaml.safe_load(text), dict), name
        for path in re.findall(r"\b(?:tasks\.py|pyproject\.toml|docs/\w+\.md|\.ci/\w+\.py)|(?<=python3 )\S+\.py", text):
            assert (ROOT / path).is_file(), f"{name}: {path}"


def test_the_test_action_runs_lint_and_tests_with_a_comfyui():
    steps = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text("utf-8"))["jobs"]["test"]["steps"]
    runs = "\n".join(step.get("run", "") for step in steps)
    assert "python3 tasks.py lint" in runs and "python3 tasks.py test" in runs
    assert "ComfyUI" in runs and "COMFYUI_PATH" in runs


@pytest.mark.parametrize("name", [name for name in GITHUB if "ISSUE_TEMPLATE" in name and "config" not in name])
def test_an_issue_form_is_complete(name):
    form = yaml.safe_load((ROOT / name).read_text("utf-8"))
    assert form["name"] and form["description"] and form["body"]
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0
    for part in form["body"]:
        assert part["attributes"].get("label") or part["type"] == "markdown"


def test_a_report_of_a_fault_asks_for_what_matters():
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text("utf-8"))
    needed = {part["id"] for part in form["body"] if part.get("validations", {}).get("required")}
    assert {"what", "log", "comfyui", "model", "device"} <= needed


def test_the_citation_names_the_paper_and_nobody_made_up():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited["cff-version"] == "1.2.0" and cited["message"] and cited["type"] == "software"
    assert cited["authors"] == [{"name": cited["title"]}]
    (paper,) = cited["references"]
    assert paper["doi"].endswith("2401.15975") and len(paper["authors"]) == 7


def test_the_archive_is_the_pack_without_what_only_developers_need():
    files = {*archive_files()}
    assert {"__init__.py", "tasks.py", "requirements.txt", "pyproject.toml", "LICENSE", "README.md"} <= files
    assert {
        "mini_world/mini_world.safetensors",
        "workflows/api/01 Try it without downloads.json",
        "docs/methods.md",
    } <= files
    tops = {name.split("/")[0] for name in files}
    assert tops.isdisjoint({"tests", ".ci", ".github"})
    assert {name for name in files if name.startswith(("benchmarks/", "mini_world/training/"))} == {
        "benchmarks/README.md",
        "mini_world/training/README.md",
    }

"""The shipped workflows: `workflows/NAME.json` is what a person sees, `workflows/api/NAME.json` what is queued."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.prompts import Json
from helpers.server import ROOT

FOLDER = ROOT / "workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
NOTES = ("MarkdownNote", "Note")
# The first ComfyUI that has all nodes of a workflow, and one that no older one has.
NEWER = {20: ("0.26", "VAEDecodeTripoSplat")}


def ui_path(name: str) -> Path:
    return FOLDER / f"{name}.json"


def api_path(name: str) -> Path:
    return FOLDER / "api" / f"{name}.json"


def called(number: int) -> str:
    """The name of the workflow with this number."""
    (name,) = (name for name in NAMES if name.startswith(f"{number:02d} "))
    return name


def ui_workflow(number: int) -> Json:
    return json.loads(ui_path(called(number)).read_text("utf-8"))


def api_workflow(number: int) -> Json:
    return json.loads(api_path(called(number)).read_text("utf-8"))


def write(path: Path, content: Json) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def all_nodes(ui: Json) -> Iterator[Json]:
    """Of the workflow and of its subgraphs, without the subgraphs' own boxes."""
    subgraphs = ui.get("definitions", {}).get("subgraphs", [])
    kinds = {one["id"] for one in subgraphs}
    for graph in (ui, *subgraphs):
        yield from (node for node in graph["nodes"] if node["type"] not in kinds)


def kinds_in(ui: Json) -> set[str]:
    """The ids of the nodes that run, in subgraphs too."""
    return {node["type"] for node in all_nodes(ui) if node["type"] not in NOTES}


def needs_nodes(known: Json, number: int) -> None:
    """Skip a workflow of nodes that only newer hosts have.

    Args:
        known: `object_info` of all nodes.
    """
    missing = kinds_in(ui_workflow(number)) - known.keys()
    host, new = NEWER.get(number, ("", ""))
    if new in missing:
        pytest.skip(f"THIS COMFYUI LACKS {', '.join(sorted(missing))}: workflow {number} needs {host}")
    assert not missing, f"the server does not tell of {', '.join(sorted(missing))}"


def of_kind(prompt: Json, kind: str) -> list[Json]:
    """The inputs of the nodes of a kind in an API prompt."""
    return [entry["inputs"] for entry in prompt.values() if entry["class_type"] == kind]

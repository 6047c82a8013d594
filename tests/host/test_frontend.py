"""The shipped workflows, opened as a user opens them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.frontend import (
    Json,
    Page,
    browser_path,
    current_prompt,
    load_workflow,
    open_frontend,
    ui_from_api,
    without_titles,
)
from host.server import ROOT, ComfyServer

WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
SMALL_PROMPT: Json = {
    "1": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "2": {"class_type": "LatentUpscaleBy", "inputs": {"samples": ["1", 0], "upscale_method": "area", "scale_by": 2.0}},
    "3": {"class_type": "SaveLatent", "inputs": {"samples": ["2", 0], "filename_prefix": "small"}},
}


def read(path: Path) -> Json:
    return json.loads(path.read_text(encoding="utf-8"))


def api_twin(workflow: Path) -> Path:
    return workflow.parent / "api" / workflow.name


@pytest.fixture(scope="module")
def page(server: ComfyServer) -> Iterator[Page]:
    browser = browser_path()
    if browser is None:
        pytest.skip("NO CHROMIUM: install the system package chromium to test the workflows in the real frontend")
    with open_frontend(server.url, browser) as opened:
        yield opened


def test_each_workflow_has_both_forms() -> None:
    ui, api = {path.name for path in WORKFLOWS}, {path.name for path in (ROOT / "workflows" / "api").glob("*.json")}
    assert ui, "workflows/ holds no UI-format workflow"
    assert ui == api, f"only one form of {sorted(ui ^ api)}: each needs workflows/NAME.json and workflows/api/NAME.json"


def test_authoring_round_trip(page: Page) -> None:
    authored = ui_from_api(page, SMALL_PROMPT)
    assert load_workflow(page, authored) == []
    assert without_titles(current_prompt(page)) == SMALL_PROMPT


def test_problems_are_noticed(page: Page) -> None:
    broken = ui_from_api(page, SMALL_PROMPT)
    broken["nodes"][0]["type"] = "NoSuchNode"
    broken["links"].append([99, 2, 0, 3, 7, "LATENT"])
    problems = load_workflow(page, broken)
    assert any("NoSuchNode" in text for text in problems)
    assert any("99" in text for text in problems)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_opens_whole(page: Page, workflow: Path) -> None:
    assert load_workflow(page, read(workflow)) == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_converts_to_its_api_file(page: Page, workflow: Path) -> None:
    load_workflow(page, read(workflow))
    assert without_titles(current_prompt(page)) == without_titles(read(api_twin(workflow)))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_feeds_every_required_input(server: ComfyServer, workflow: Path) -> None:
    known = server.object_info()
    starved = []
    for number, node in read(api_twin(workflow)).items():
        required = known[node["class_type"]]["input"].get("required", {})
        starved += [f"node {number} {node['class_type']}.{name}" for name in required if name not in node["inputs"]]
    assert starved == []

"""A person without weights opens a workflow: the frontend offers every file, and asks for nothing more once they lie
where it says. In workflow 22 the loaders are in a subgraph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error as PlaywrightError

from helpers.frontend import Page, load_workflow, wait_until_ready
from helpers.server import ComfyServer
from helpers.workflows import all_nodes, ui_workflow

ALL = re.compile("See Errors|Show missing models")  # opens the list, in frontends that do not show it at once
WORKFLOWS = {2: 4, 22: 6}  # and how many files they need


def missing(page: Page, number: int) -> str:
    """What the frontend says about the workflow's files."""
    assert load_workflow(page, ui_workflow(number)) == []
    page.wait_for_timeout(3000)  # it looks into the folders first
    page.keyboard.press("Escape")  # the dialog that a new ComfyUI opens
    try:
        page.get_by_text(ALL).first.click(timeout=3000)
        page.wait_for_timeout(1000)
    except PlaywrightError:
        pass
    return page.inner_text("body")


@pytest.fixture(params=WORKFLOWS)
def number(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def files(server: ComfyServer, number: int) -> Iterator[list[Path]]:
    models = [model for node in all_nodes(ui_workflow(number)) for model in node["properties"].get("models", [])]
    paths = [server.models / model["directory"] / model["name"] for model in models]
    yield paths
    for path in paths:
        path.unlink(missing_ok=True)


def test_every_file_is_offered_and_then_none_is_missing(page: Page, files: list[Path], number: int) -> None:
    said = missing(page, number)
    assert len(files) == WORKFLOWS[number]
    for path in files:
        assert path.name in said or path.name[:8] in said, path.name
    assert said.count("Download") >= len(files)
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"as if downloaded")
    page.reload(wait_until="domcontentloaded")
    wait_until_ready(page)
    said = missing(page, number)
    assert not [path.name for path in files if path.name in said and path.parent.name != "checkpoints"]
    assert "models are missing" not in said and "Missing Models" not in said

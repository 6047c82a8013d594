"""The shipped workflows in the real frontend, in both of its renderers: nothing covers anything, also after a run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest

from helpers.frontend import Json, Page, load_workflow, use_nodes_2
from helpers.server import ComfyServer
from helpers.workflows import NAMES, all_nodes, api_workflow, kinds_in, needs_nodes, ui_workflow

NUMBERS = [int(name[:2]) for name in NAMES]
RENDERERS = ("classic", "Nodes 2.0")
FIT = "() => { app.canvas.ds.scale = 0.5; app.canvas.ds.offset = [300, 200]; app.canvas.setDirty(true, true); }"
# Boxes in the coordinates of the graph, title included; Nodes 2.0 are elements of the page.
BOXES = """(nodes2) => {
  const { scale, offset } = app.canvas.ds, canvas = app.canvas.canvas.getBoundingClientRect();
  return app.graph.nodes.map((node) => {
    const box = document.querySelector(`[data-node-id="${node.id}"]`)?.getBoundingClientRect();
    if (!nodes2) return [node.title, node.pos[0], node.pos[1] - 30, node.size[0], node.size[1] + 30];
    if (!box) return null;
    const x = (box.x - canvas.x) / scale - offset[0], y = (box.y - canvas.y) / scale - offset[1];
    return [node.title, x, y, box.width / scale, box.height / scale];
  });
}"""
RUN = "() => app.queuePrompt(0)"
STILL = 2  # pixels by which rounding may move an edge


@pytest.fixture(scope="module")
def wide(page: Page) -> Iterator[Page]:
    page.set_viewport_size({"width": 1920, "height": 1080})
    yield page
    use_nodes_2(page, False)


@pytest.fixture(scope="module", params=RENDERERS)
def renderer(wide: Page, request: pytest.FixtureRequest) -> str:
    use_nodes_2(wide, request.param != "classic")
    return request.param


def settled(page: Page, renderer: str) -> list[list]:
    """The boxes, once two looks in a row see the same."""
    seen = None
    for _look in range(40):
        page.wait_for_timeout(150)
        boxes = page.evaluate(BOXES, renderer != "classic")
        if boxes == seen and None not in boxes:
            return boxes
        seen = boxes
    raise AssertionError(f"the nodes do not come to rest: {seen}")


def covered(boxes: list[list]) -> list[str]:
    return [
        f"{a[0]} and {b[0]}"
        for a, b in combinations(boxes, 2)
        if all(a[n] + STILL < b[n] + b[n + 2] and b[n] + STILL < a[n] + a[n + 2] for n in (1, 2))
    ]


def show(page: Page, ui: Json) -> None:
    assert load_workflow(page, ui) == []
    page.evaluate(FIT)


@pytest.mark.parametrize("number", NUMBERS)
def test_nothing_is_covered_at_rest(page: Page, server: ComfyServer, renderer: str, number: int) -> None:
    needs_nodes(server.object_info(), number)
    show(page, ui_workflow(number))
    assert covered(settled(page, renderer)) == []


def _inmost(key: str) -> str:
    """A node's number; in a subgraph, host and frontend put different things before it."""
    return key.split(":")[-1]


def quick(ui: Json) -> Json:
    """With as little training and sampling as leaves the same pictures in the nodes."""
    less = {"StableIdentityTrain": {"steps": 2, "preset": "custom"}, "KSampler": {"steps": 2}}
    for node in all_nodes(ui):
        names = [one["widget"]["name"] for one in node["inputs"] if "widget" in one]
        for name, value in less.get(node["type"], {}).items():
            node["widgets_values"][names.index(name) + (name == "steps" and node["type"] == "KSampler")] = value
    return ui


@pytest.mark.parametrize("drawn", RENDERERS)
@pytest.mark.parametrize("number", [1, 7])
def test_nothing_is_covered_after_a_run(wide: Page, server: ComfyServer, number: int, drawn: str) -> None:
    """In the second renderer all comes from the host's cache, which sends the nodes their pictures again."""
    page = wide
    use_nodes_2(page, drawn != "classic")
    show(page, quick(ui_workflow(number)))
    before = len(server.client.get("/history"))
    page.evaluate(RUN)
    for _look in range(1200):
        page.wait_for_timeout(100)
        if len(server.client.get("/history")) > before:
            break
    *_old, last = server.client.get("/history").values()
    assert last["status"]["status_str"] == "success", last["status"]
    page.wait_for_timeout(1500)  # pictures arrive after the run
    with_pictures = {_inmost(key) for key, output in last["outputs"].items() if "images" in output}
    assert with_pictures and with_pictures <= {
        _inmost(key) for key in page.evaluate("() => Object.keys(app.nodeOutputs)")
    }
    assert covered(settled(page, drawn)) == []


@pytest.mark.parametrize("number", NUMBERS)
def test_no_node_is_deprecated(server: ComfyServer, number: int) -> None:
    known = server.object_info()
    needs_nodes(known, number)
    kinds = kinds_in(ui_workflow(number))
    assert {entry["class_type"] for entry in api_workflow(number).values()} == kinds
    assert [kind for kind in kinds if known[kind].get("deprecated")] == []

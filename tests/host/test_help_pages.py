"""The help pages tell every input and output, with the defaults of the live nodes, and the frontend shows them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from helpers.frontend import Page
from helpers.server import PACK, ROOT, ComfyServer

Json = dict[str, Any]
# Pages with long words, many folds or many pictures.
SHOWN_PAGES = ("Train", "PrepareFace", "Save", "LoadFaceEncoder", "LoadVideoModel", "Map")
# What the help panel of a page shows, once its pictures are there.
SHOWN = """async ([name, beginning]) => {
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const node = LiteGraph.createNode(name);
  app.graph.clear();
  app.graph.add(node);
  app.canvas.selectNode(node);
  const page = () => document.querySelector('.node-help-content');
  const title = () => page()?.textContent ?? '';
  for (let tries = 0; tries < 100 && !title().includes(beginning); tries++) await wait(100);
  const pictures = [...page().querySelectorAll('img')];
  for (let tries = 0; tries < 100 && pictures.some((one) => !one.complete); tries++) await wait(100);
  const folds = [...page().querySelectorAll('details')];
  const open = folds.map((one) => one.open);
  folds.forEach((one) => (one.open = true));
  return {
    text: title(),
    panel: page().clientWidth,
    wide: page().scrollWidth,
    pictures: pictures.map((one) => one.naturalWidth),
    open,
    markup: page().querySelectorAll('details p, details li').length,
  };
}"""


@pytest.fixture(scope="module")
def infos(server: ComfyServer) -> dict[str, Json]:
    return {name: info for name, info in server.object_info().items() if name.startswith("StableIdentity")}


def page_of(name: str) -> str:
    return (ROOT / "web" / "docs" / f"{name}.md").read_text("utf-8")


def beginning(text: str) -> str:
    """The first words, which no other page begins with, as they are shown."""
    found = re.search(r"^## In short\n\n(?:!.*\n\n)?(\w[\w ]+)", text)
    assert found, "no sentence at the beginning"
    return found[1]


def part(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def entries(text: str) -> dict[str, str]:
    """{name: what stands in brackets behind it}."""
    found = {}
    for line in text.splitlines():
        head = re.fullmatch(r"((?:\*\*\w+\*\*(?:, )?)+)(?:\.\.\.)?(?: \((.*)\))?\\", line)
        if head:
            found |= dict.fromkeys(re.findall(r"\*\*(\w+)\*\*", head[1]), head[2] or "")
    return found


def inputs_told(name: str) -> dict[str, str]:
    text = page_of(name)
    return entries(part(text, "## Inputs", "## Outputs")) | entries(part(text, "<summary><b>Further", "</details>"))


def declared(info: Json) -> dict[str, Json]:
    """The options of each input; of sockets that grow, those of the first two."""
    found = {}
    for kind in ("required", "optional"):
        for name, spec in (info["input"].get(kind) or {}).items():
            options = {**(list(spec) + [{}])[1], "optional": kind == "optional"}
            template = options.get("template")
            names = template["names"][:2] if template else [name.rpartition(".")[2]]
            found |= dict.fromkeys(names, options)
    return found


def as_told(options: Json) -> str:
    """How a page gives the default."""
    value = options.get("default")
    if value is None:
        return "optional" if options["optional"] else ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:f}".rstrip("0").rstrip(".")
    if "\n" in str(value):
        return f"{len(str(value).splitlines())} lines"
    return str(value).replace("<", r"\<").replace(">", r"\>") or "empty"


def test_pages_and_nodes_are_the_same(infos):
    assert {path.stem for path in (ROOT / "web" / "docs").glob("*.md")} == infos.keys()


def test_every_input_is_told_with_its_default_and_no_other(infos):
    for name, info in infos.items():
        there = {key: as_told(options) for key, options in declared(info).items()}
        assert inputs_told(name) == there, name


def test_every_output_is_told_and_no_other(infos):
    for name, info in infos.items():
        assert {*entries(part(page_of(name), "## Outputs", "\n## "))} == {*info["output_name"]}, name


def test_pages_and_their_pictures_are_served(server, infos):
    for name in infos:
        text = server.fetch(f"/extensions/{PACK}/docs/{name}.md")[1].decode()
        for picture in re.findall(r"\]\((pictures/[\w.]+)\)", text):
            status, content = server.fetch(f"/extensions/{PACK}/docs/{picture}")
            assert status == 200 and content.startswith(b"\xff\xd8"), picture


@pytest.fixture(scope="module")
def panel(page: Page) -> Page:
    """The frontend with the help of the selected node beside the graph."""
    page.evaluate("async () => app.extensionManager.setting.set('Comfy.TutorialCompleted', true)")
    page.evaluate(
        """() => {
          const node = LiteGraph.createNode('StableIdentityPick');
          app.graph.clear();
          node.pos = [400, 400];
          app.graph.add(node);
          Object.assign(app.canvas.ds, { scale: 0.6, offset: [0, 0] });
          app.canvas.selectNode(node);
        }"""
    )
    button = page.get_by_test_id("info-button")
    if not button.count():
        pytest.skip("this frontend shows help elsewhere")
    button.first.dispatch_event("click")
    page.wait_for_selector(".node-help-content")
    return page


def test_the_panel_shows_pictures_and_folds_and_need_not_be_scrolled_sideways(panel):
    for name in (f"StableIdentity{page}" for page in SHOWN_PAGES):
        text = page_of(name)
        shown = panel.evaluate(SHOWN, [name, beginning(text)])
        assert shown["pictures"] == [540] * text.count("](pictures/"), name
        assert len(shown["open"]) == text.count("<details>") and not any(shown["open"]), name
        assert bool(shown["open"]) == bool(shown["markup"]) and "**" not in shown["text"], name
        assert shown["wide"] <= shown["panel"] < 300, name

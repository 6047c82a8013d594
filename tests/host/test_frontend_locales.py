"""Nothing English is left in the pack's nodes in the Chinese and the Japanese interface of the real frontend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from helpers.frontend import Page, use_nodes_2, wait_until_ready
from helpers.locales import english_left

SET = "async ([name, value]) => app.extensionManager.setting.set(name, value)"
RENDERERS = {"classic": False, "nodes 2.0": True}
USUAL = {"Comfy.Locale": "en", "Comfy.Node.AlwaysShowAdvancedWidgets": False, "LiteGraph.Canvas.MinFontSizeForLOD": 8}
IN_FULL = {
    "Comfy.TutorialCompleted": True,
    "Comfy.Node.AlwaysShowAdvancedWidgets": True,
    "LiteGraph.Canvas.MinFontSizeForLOD": 0,  # small letters are drawn too
}
WORDS = {"zh": ("准备人脸", "最大的", "1 照片", "人脸 2"), "ja": ("顔を準備", "最も大きい顔", "1 写真", "顔 2")}
OURS = "Object.keys(LiteGraph.registered_node_types).filter((type) => type.startsWith('StableIdentity'))"
RECORD = """() => {
  const canvas = CanvasRenderingContext2D.prototype, draw = canvas.fillText;
  window.drawn = new Set();
  canvas.fillText = function (text, ...rest) {
    if (this.canvas === app.canvas.canvas || this.canvas === app.canvas.bgcanvas) window.drawn.add(String(text));
    return draw.call(this, text, ...rest);
  };
}"""
ADD_ALL = f"""() => {{
  app.graph.clear();
  {OURS}.forEach((type, number) => {{
    const node = LiteGraph.createNode(type);
    node.pos = [(number % 8) * 460, Math.floor(number / 8) * 760];
    app.graph.add(node);
  }});
  Object.assign(app.canvas.ds, {{ scale: 0.4, offset: [100, 150] }});
  app.canvas.show_info = false;
  window.drawn.clear();
  app.canvas.setDirty(true, true);
}}"""
NEAR = """() => {
  Object.assign(app.canvas.ds, { scale: 1, offset: [200, 200] });
  app.canvas.setDirty(true, true);
}"""
# What a user typed or has on disk is in no language.
TYPED = """() => app.graph.nodes.flatMap((node) => node.widgets ?? [])
  .filter((widget) => widget.type !== 'toggle' && !(widget.options?.getOptionLabel)).map((one) => String(one.value))"""
DRAWN = "() => [...window.drawn]"
WRITTEN = """() => [...document.querySelectorAll('[data-node-id]')].flatMap((node) => node.innerText.split('\\n'))"""
PLACEHOLDERS = "() => [...document.querySelectorAll('textarea')].map((one) => one.placeholder)"
CHOICES = """() => app.graph.nodes.flatMap((node) => node.widgets ?? []).filter((one) => one.options?.getOptionLabel)
  .flatMap((widget) => widget.options.values.map((value) => widget.options.getOptionLabel(value)))"""
TABS = """() => app.extensionManager.getSidebarTabs().filter((tab) => tab.id.startsWith('stableidentity'))
  .map((tab) => tab.title)"""
ABOUT = f"""() => {OURS}.flatMap((type) => {{
  const {{ title, category, nodeData }} = LiteGraph.registered_node_types[type];
  return [title, ...category.split('/'), nodeData.description];
}})"""
SAVED = """(label) => {
  app.graph.clear();
  const node = LiteGraph.createNode('StableIdentityPeople');
  app.graph.add(node);
  const saved = node.serialize();
  for (const input of saved.inputs) if (input.name === 'faces.face_1') input.label = label;
  node.configure(saved);
  return node.inputs.find((input) => input.name === 'faces.face_1').label;
}"""


@pytest.fixture(scope="module", params=WORDS)
def language(request: pytest.FixtureRequest, page: Page) -> Iterator[str]:
    choose(page, {**IN_FULL, "Comfy.Locale": request.param})
    page.reload(wait_until="domcontentloaded")
    wait_until_ready(page)
    yield request.param
    choose(page, USUAL)  # the server keeps the settings for all pages


def choose(page: Page, settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        page.evaluate(SET, [name, value])


@pytest.fixture(params=RENDERERS)
def renderer(request: pytest.FixtureRequest, page: Page) -> Iterator[str]:
    page.set_viewport_size({"width": 1700, "height": 1500})
    use_nodes_2(page, RENDERERS[request.param])
    yield request.param
    use_nodes_2(page, False)


def shown(page: Page, renderer: str) -> list[str]:
    """All texts on the pack's nodes, each of which is added to the canvas once."""
    page.evaluate(RECORD)
    page.evaluate(ADD_ALL)
    page.wait_for_timeout(2000)
    return page.evaluate(DRAWN if renderer == "classic" else WRITTEN)


def english(texts: list[Any], typed: set[str]) -> dict[str, list[str]]:
    """The texts with English in them; the classic renderer cuts long ones."""

    def is_typed(text: str) -> bool:
        return any(one.startswith(text.rstrip("….")) for one in typed if text)

    return {text: left for text in texts if (left := english_left(text)) and not is_typed(text)}


def test_english_nodes_are_as_the_frontend_makes_them(page):
    page.evaluate("() => { window.drawn = new Set(); }")
    page.evaluate(ADD_ALL)
    assert "empty: the pack's own list" in page.evaluate(PLACEHOLDERS)
    assert page.evaluate(CHOICES) == [] and page.evaluate(SAVED, "人脸 1") == "face_1"


def test_no_english_is_left_on_the_nodes(page, language, renderer):
    texts = shown(page, renderer)
    assert {*WORDS[language][:2], WORDS[language][3]} <= {*texts}, "the nodes are not in the language"
    assert english([*texts, *page.evaluate(PLACEHOLDERS)], {*page.evaluate(TYPED), "undefined"}) == {}


def test_no_english_is_left_in_lists_and_menus(page, language):
    page.evaluate("() => { window.drawn = new Set(); }")
    page.evaluate(ADD_ALL)
    texts = [*page.evaluate(CHOICES), *page.evaluate(ABOUT)]
    assert {WORDS[language][1], WORDS[language][2]} <= {*texts}
    assert english([*texts, *page.evaluate(TABS)], set()) == {}


def test_grown_sockets_take_the_language_but_keep_a_users_name(page, language):
    here = WORDS[language][3].replace("2", "1")
    assert [page.evaluate(SAVED, label) for label in ("face_1", "人脸 1", "顔 1")] == [here] * 3
    assert page.evaluate(SAVED, "Anna") == "Anna"


def test_a_tooltip_is_in_the_language(page, language):
    page.evaluate("() => { window.drawn = new Set(); }")
    page.evaluate(ADD_ALL)
    page.evaluate(NEAR)
    page.evaluate(SET, ["LiteGraph.Node.TooltipDelay", 50])
    page.wait_for_timeout(500)  # until it is drawn there
    page.mouse.move(280, 190)
    page.mouse.move(300, 190)
    page.locator(".node-tooltip").wait_for()
    assert english_left(page.locator(".node-tooltip").inner_text()) == []

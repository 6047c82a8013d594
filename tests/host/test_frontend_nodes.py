"""What makes the nodes easy to find and to read in the real frontend: search, colours, sockets that grow, errors."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.frontend import (
    SETTLED,
    Page,
    current_prompt,
    load_workflow,
    needs_frontend,
    ui_from_api,
    use_nodes_2,
    wait_until_ready,
)
from helpers.prompts import Json, learn, node, several
from helpers.server import ComfyServer
from helpers.workflows import ui_workflow
from helpers.world import World

RENDERERS = {"classic": False, "nodes 2.0": True}
SEARCH_BOX = "async () => app.extensionManager.command.execute('Workspace.SearchBox.Toggle')"
SET = "async ([name, value]) => app.extensionManager.setting.set(name, value)"
CSS_COLORS = """(types) => types.map((type) =>
  getComputedStyle(document.documentElement).getPropertyValue('--color-datatype-' + type))"""
COLORS = """() => [LGraphCanvas.link_type_colors, app.canvas.default_connection_color_byType].map((table) =>
  Object.fromEntries(Object.entries(table).filter(([type]) => type.startsWith('STABLEIDENTITY_'))))"""
SHOW_ALL = "() => { app.canvas.ds.scale = 0.5; app.canvas.ds.offset = [40, 120]; app.canvas.setDirty(true, true); }"
GROW = """async ([sources, kind]) => {
  app.graph.clear();
  const people = LiteGraph.createNode(kind);
  app.graph.add(people);
  const free = () => people.inputs.findIndex((input) => input.link == null && input.name.startsWith('faces.'));
  for (let number = 0; number < sources; number++) {
    const source = LiteGraph.createNode('StableIdentityPrepareFace');
    app.graph.add(source);
    source.connect(0, people, free());
  }
}"""
FACES = """() => app.graph.nodes.find((node) => node.type === 'StableIdentityPeople').inputs
  .map((input) => input.name).filter((name) => name.startsWith('faces.'))"""
CUT = """() => {
  const people = app.graph.nodes.find((node) => node.type === 'StableIdentityPeople');
  people.disconnectInput(people.inputs.findLastIndex((input) => input.link != null));
}"""
# Machado, Oliveira and Fernandes 2009, complete deficiency, on linear RGB.
SEEN_BY = {
    "everybody": np.eye(3),
    "protanopes": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopes": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopes": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
STOCK = ("#FFD500", "#B39DDB", "#FF6E6E", "#64B5F6", "#FFA931", "#FF9CF9", "#81C784", "#AAAAAA")


@pytest.fixture(scope="module", autouse=True)
def without_welcome(page: Page) -> None:
    """A first visitor is shown the templates, over everything else."""
    page.evaluate(SET, ["Comfy.TutorialCompleted", True])
    page.reload(wait_until="domcontentloaded")
    wait_until_ready(page)


@pytest.fixture(params=RENDERERS)
def renderer(request: pytest.FixtureRequest, page: Page) -> Any:
    use_nodes_2(page, RENDERERS[request.param])
    yield request.param
    use_nodes_2(page, False)


def found(page: Page, word: str) -> list[str]:
    """The names of the nodes that the search box lists for a word."""
    page.evaluate(SEARCH_BOX)
    page.get_by_placeholder("Add a node...").fill(word)
    items = page.get_by_test_id("result-item")
    page.wait_for_timeout(600)
    names = [text.splitlines()[0] for text in items.all_inner_texts()]
    page.keyboard.press("Escape")
    return names


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("人脸", {"Prepare Face", "StableIdentity Train", "Apply Identity", "Load Identity"}),
        ("likeness", {"Prepare Face", "StableIdentity Train", "Apply Identity", "Face Similarity"}),
        ("顔写真", {"Prepare Face"}),
        ("textual inversion", {"StableIdentity Train", "Load Identity"}),
    ],
)
def test_the_search_box_finds_nodes_by_what_they_are_called_elsewhere(page, server, word, names):
    if not server.object_info("StableIdentityTrain").get("search_aliases"):
        pytest.skip("this host has no search words")
    assert names <= {*found(page, word)}


def own_types(server: ComfyServer) -> set[str]:
    outputs = (one["output"] for name, one in server.object_info().items() if name.startswith("StableIdentity"))
    return {kind for kinds in outputs for kind in kinds if kind.startswith("STABLEIDENTITY_")}


def test_each_type_keeps_its_colour_in_every_theme(page, server):
    links, sockets = page.evaluate(COLORS)
    assert links.keys() == own_types(server) and len({*links.values()}) == len(links)
    for theme in ("light", "nord", "dark"):
        page.evaluate(SET, ["Comfy.ColorPalette", theme])
        page.wait_for_timeout(300)
        assert page.evaluate(COLORS) == [links, sockets] and sockets == links
        assert page.evaluate(CSS_COLORS, [*links]) == [*links.values()], "Nodes 2.0 reads these"


def test_a_theme_that_names_a_type_wins(page):
    answer = """() => {
      const table = LGraphCanvas.link_type_colors, type = 'STABLEIDENTITY_FACE', own = table[type];
      Object.assign(table, { [type]: '#123456' });
      const themed = table[type];
      Object.assign(table, { [type]: '' });
      return [themed, table[type] === own];
    }"""
    assert page.evaluate(answer) == ["#123456", True]


def test_links_and_sockets_are_drawn_in_their_colours(page, server, renderer):
    page.set_viewport_size({"width": 1900, "height": 900})
    seen = set()
    scores = {"1": node("StableIdentityScore"), "2": node("StableIdentityReport", **{"scores.score_1": ["1", 3]})}
    head = {"3": node("StableIdentityHead3DSettings"), "4": node("StableIdentityHead3D", settings=["3", 0])}
    for ui in (ui_workflow(8), ui_from_api(page, scores | head)):  # which have all types between them
        load_workflow(page, ui)
        page.evaluate(SHOW_ALL)
        page.wait_for_timeout(1500)
        picture = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)
        colors = page.evaluate(COLORS)[0]
        seen |= {kind for kind, color in colors.items() if (np.abs(picture - rgb(color)).max(axis=-1) < 12).sum() > 20}
    assert seen == colors.keys(), f"not to be seen in {renderer}"


def test_colours_differ_for_everybody_and_from_those_of_comfyui(page):
    own = [*page.evaluate(COLORS)[0].values()]
    for who, matrix in SEEN_BY.items():
        for one, other in itertools.combinations(own, 2):
            assert distance(one, other, matrix) > 0.12, f"{one} and {other} look alike to {who}"
    for one, other in itertools.product(own, STOCK):
        assert distance(one, other, np.eye(3)) > 0.1, f"{one} is like {other}"


def rgb(color: str) -> np.ndarray:
    return np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)])


def distance(one: str, other: str, matrix: Any) -> float:
    """In OKLab, where black and white are 1 apart."""
    return float(np.linalg.norm(oklab(one, matrix) - oklab(other, matrix)))


def oklab(color: str, matrix: Any) -> np.ndarray:
    value = rgb(color) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    to_cones = [[0.41222, 0.53633, 0.05145], [0.2119, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]]
    to_lab = [[0.21045, 0.79362, -0.00407], [1.978, -2.42859, 0.45059], [0.0259, 0.78277, -0.80868]]
    return np.array(to_lab) @ np.cbrt(np.array(to_cones) @ np.clip(np.array(matrix) @ linear, 0, 1))


@pytest.fixture
def grows(server: ComfyServer) -> None:
    if "faces" not in server.object_info("StableIdentityPeople")["input"]["required"]:
        pytest.skip("this host has no growing sockets")


@pytest.mark.parametrize("people", [0, 1, 3, 10])
def test_several_people_has_a_free_socket_for_one_more(page, grows, renderer, people):
    page.evaluate(GROW, [people, "StableIdentityPeople"])
    page.wait_for_timeout(200)
    names = [f"faces.face_{number}" for number in range(1, max(people, 1) + 2)]
    shown = page.evaluate(FACES)
    assert shown in (names, names[: people + 1])  # older frontends show no second socket while the first is free
    sent = next(one for one in current_prompt(page).values() if one["class_type"] == "StableIdentityPeople")["inputs"]
    assert [name for name in sent if name.startswith("faces.")] == names[:people]


def test_a_socket_goes_with_its_link(page, grows):
    page.evaluate(GROW, [3, "StableIdentityPeople"])
    page.evaluate(CUT)
    page.wait_for_timeout(300)
    assert page.evaluate(FACES) == ["faces.face_1", "faces.face_2", "faces.face_3"]


def test_grown_sockets_are_there_again_after_loading(page, grows):
    prompt: Json = {
        str(number): node("StableIdentityMiniWorldPerson", person=number, style="photo") for number in range(1, 6)
    }
    faces = {f"{number}0": node("StableIdentityPrepareFace", image=[str(number), 0]) for number in range(1, 6)}
    people = node(
        "StableIdentityPeople", trigger="a, b, c, d, e", **several("faces.face", *([key, 0] for key in faces))
    )
    ui = ui_from_api(page, {**prompt, **faces, "99": people})
    assert load_workflow(page, ui) == []
    assert current_prompt(page)["99"]["inputs"] == people["inputs"]


def test_an_error_begins_with_its_class_and_the_sentence(page, server):
    needs_frontend(page, SETTLED, "the message of an error on the page")
    broken = {
        "1": node("StableIdentityMiniWorldPerson", person=1),
        "2": node("StableIdentityPrepareFace", image=["1", 0], find_face="off", parse_face="off"),
        "3": node("StableIdentityPeople", trigger="a, b", **several("faces.face", ["2", 0])),
        "4": node("PreviewAny", source=["3", 1]),
    }
    ui_from_api(page, broken)
    page.evaluate("async () => { await app.queuePrompt(0); }")
    sentence = page.get_by_text("StableIdentityError: There is 1 face and 2 triggers").first
    details = page.get_by_role("button", name="View details")  # behind which newer frontends show it
    sentence.or_(details).first.wait_for(timeout=60_000)
    if details.is_visible():
        details.click()
    sentence.wait_for()


TRAIN = "app.graph.nodes.find((node) => node.type === 'StableIdentityTrain')"
HEIGHT = f"""() => {{
  const node = {TRAIN}, element = document.querySelector(`[data-node-id="${{node.id}}"]`);
  return element ? element.offsetHeight : node.size[1];
}}"""
SEEN = f"""() => {{
  const node = {TRAIN}, element = document.querySelector(`[data-node-id="${{node.id}}"]`);
  const text = element?.innerText ?? node.widgets.find((widget) => widget.name === '$$node-text-preview')?.value;
  return [text, app.nodePreviewImages[node.id] ?? [], app.nodeOutputs[node.id]?.images?.length ?? 0];
}}"""


def test_train_shows_itself_in_its_own_room_and_the_person_in_the_end(page, world: World, renderer):
    prompt = learn(world.eps, name=f"room-{renderer[-3:-2]}", steps=8, seed=66, pictures=1, force_retrain=True)
    assert load_workflow(page, ui_from_api(page, numbered(prompt))) == []
    page.evaluate("() => { app.canvas.ds.scale = 1; app.canvas.setDirty(true, true); }")
    page.evaluate(f"() => app.canvas.centerOnNode({TRAIN})")
    page.wait_for_timeout(1000)
    before = page.evaluate(HEIGHT)
    page.evaluate("async () => { await app.queuePrompt(0); }")
    page.wait_for_function(f"() => ({SEEN})()[2] === 1 && !({SEEN})()[1].length", timeout=90_000)
    page.wait_for_timeout(1000)
    assert "learned: held-out loss" in page.evaluate(SEEN)[0]
    assert page.evaluate(HEIGHT) == before, "it has grown over what is below it"


def numbered(prompt: Json) -> Json:
    """With the ids that nodes in the frontend have."""
    ids = {name: str(number) for number, name in enumerate(prompt, 1)}

    def renamed(value: Any) -> Any:
        return [ids[value[0]], value[1]] if isinstance(value, list) else value

    return {
        ids[name]: {**one, "inputs": {key: renamed(value) for key, value in one["inputs"].items()}}
        for name, one in prompt.items()
    }

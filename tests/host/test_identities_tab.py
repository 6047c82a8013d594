"""The sidebar tab Identities in the real frontend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from helpers.frontend import SETTLED, Page, current_prompt, needs_frontend, use_nodes_2, wait_until_ready
from helpers.make import rand, some_identity
from helpers.prompts import Json, node
from helpers.server import ComfyServer
from helpers.stores import key, some_result
from stableidentity_core.identity import Identity, save_identity
from stableidentity_core.identity.portraits import portrait_png
from stableidentity_core.store import ResultStore

RENDERERS = {"classic": False, "nodes 2.0": True}
STILL = 3  # equal looks in a row
PANEL = "Comfy.RightSidePanel.IsOpen"
SET = "async ([name, value]) => app.extensionManager.setting.set(name, value)"
OPEN = """() => {
  const tabs = app.extensionManager.sidebarTab;
  if (tabs.activeSidebarTabId !== 'stableidentity-identities') tabs.toggleSidebarTab('stableidentity-identities');
}"""
SHOW = """async (api) => {
  await app.loadApiJson(api, 'people');
  app.canvas.ds.scale = 0.8;
  app.canvas.ds.offset = [450, 120];
  app.canvas.setDirty(true, true);
}"""
LOADERS = """() => app.graph.nodes.filter((node) => node.type === 'StableIdentityLoad')
  .map((node) => node.widgets.find((one) => one.name === 'name').value)"""


@pytest.fixture(scope="module")
def tab(page: Page, server: ComfyServer) -> Page:
    """The page with the tab open and no welcome over it."""
    page.set_viewport_size({"width": 1500, "height": 900})
    page.evaluate(SET, ["Comfy.TutorialCompleted", True])
    page.reload(wait_until="domcontentloaded")
    wait_until_ready(page)
    if not page.evaluate("() => !!app.extensionManager.registerSidebarTab"):
        pytest.skip("this frontend has no sidebar")
    page.evaluate(OPEN)
    return page


@pytest.fixture(params=RENDERERS)
def renderer(request: pytest.FixtureRequest, tab: Page) -> Iterator[str]:
    use_nodes_2(tab, RENDERERS[request.param])
    yield request.param
    use_nodes_2(tab, False)


@pytest.fixture
def room(server: ComfyServer, tab: Page) -> Iterator[Path]:
    """A subfolder of embeddings with two people, shown in the tab."""
    folder = server.models / "embeddings" / "tab"
    folder.mkdir()
    save_identity(some_result("tab-ann").identity, folder / "tab-ann.safetensors")
    (folder / "tab-ann.preview.png").write_bytes(portrait_png(rand(64, 64, 3)))
    save_identity(some_identity(128, "tab-ben", 3), folder / "tab-ben.safetensors")
    tab.get_by_label("Refresh", exact=True).click()
    person(tab, "tab-ann").wait_for()
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def person(tab: Page, name: str, folder: str = "tab"):
    return tab.locator(f".si-card[data-file='{folder}/{name}.safetensors']")


def prompts(*texts: str, **more: Json) -> Json:
    """Prompt boxes 1, 2, ... of one checkpoint."""
    boxes = {str(at): node("CLIPTextEncode", clip=["9", 1], text=text) for at, text in enumerate(texts, 1)}
    return {"9": node("CheckpointLoaderSimple"), **boxes, **more}


def show(tab: Page, api: Json) -> None:
    tab.evaluate(SHOW, api)
    tab.locator("textarea").first.wait_for()
    looks: list[list] = []
    while len(looks) < STILL or looks[-STILL:] != [looks[-1]] * STILL:
        assert len(looks) < 100, "the boxes keep moving"
        tab.wait_for_timeout(200)
        looks.append([box.bounding_box() for box in tab.locator("textarea").all()])


def text_of(tab: Page, number: str = "1") -> str:
    return current_prompt(tab)[number]["inputs"]["text"]


def test_people_are_shown_and_found(tab, room):
    (room / "tab-broken.safetensors").write_bytes(b"x" * 50)
    (room / "tab-wild.pt").write_bytes(b"x" * 50)
    tab.get_by_label("Refresh", exact=True).click()
    broken = person(tab, "tab-broken")
    broken.wait_for()
    expect(broken).to_contain_text("not a complete safetensors file")  # the list may be drawn twice
    assert not broken.locator(".si-main").is_enabled() and broken.get_by_label("Rename").count() == 0
    ann, ben = person(tab, "tab-ann"), person(tab, "tab-ben")
    assert ann.locator("img").evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") == 64
    expect(ben.locator(".si-face")).to_have_text("T")
    expect(ben).to_contain_text("mini world")
    assert tab.locator("summary", has_text="Other embeddings").count() == 1
    search = tab.get_by_placeholder("Search people...")
    search.fill("TAB-ANN stable")
    assert ann.is_visible() and tab.locator(".si-card").count() == 1
    search.fill("wild")
    assert tab.locator(".si-card[data-file='tab/tab-wild.pt']").is_visible(), "unfolded while it is searched for"
    search.fill("no such person")
    assert tab.get_by_text("Nobody is called like this.").is_visible()
    search.fill("")
    assert tab.locator(".si-card").count() >= 3


def test_a_click_inserts_at_the_cursor_of_the_box_in_hand(tab, room, renderer):
    show(tab, prompts("photo,smiling", "second"))
    boxes = tab.locator("textarea")
    box = next(one for one in boxes.all() if one.input_value() == "photo,smiling")
    box.click()
    expect(box).to_be_focused()
    box.evaluate("(box) => box.setSelectionRange(6, 6)")
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("ArrowRight")
    person(tab, "tab-ann").locator(".si-main").click()
    assert text_of(tab) == "photo, embedding:tab/tab-ann smiling"
    person(tab, "tab-ben").locator(".si-main").click()
    assert text_of(tab) == "photo, embedding:tab/tab-ann embedding:tab/tab-ben smiling"
    assert text_of(tab, "2") == "second" and tab.evaluate(LOADERS) == []
    tab.keyboard.press("Control+z")
    assert text_of(tab) == "photo, embedding:tab/tab-ann smiling", "the box is in hand and undoes"


def test_a_person_who_is_applied_goes_by_the_trigger(tab, room):
    load = {
        "5": node("StableIdentityLoad", name="tab/tab-ann.safetensors", trigger=""),
        "6": node("StableIdentityApply", clip=["9", 1], identity=["5", 0], trigger="annie"),
        "7": node("LoraLoader", model=["9", 0], clip=["6", 0]),
    }
    api = prompts("a", "b", **load)
    api["1"]["inputs"]["clip"] = ["7", 1]
    show(tab, api)
    for start, expected in (("a", "a <annie>"), ("b", "b embedding:tab/tab-ann")):
        next(one for one in tab.locator("textarea").all() if one.input_value() == start).click()
        tab.keyboard.press("End")
        person(tab, "tab-ann").locator(".si-main").click()
        assert expected in (text_of(tab), text_of(tab, "2"))
    person(tab, "tab-ben").locator(".si-main").click()
    assert text_of(tab, "2") == "b embedding:tab/tab-ann embedding:tab/tab-ben", "nobody else's trigger"


def test_a_person_of_a_flow_model_goes_by_the_trigger_and_is_told_to_be_applied(tab, room):
    """`embedding:` is read wrongly there, and a trigger that nobody applies is plain text, without an error."""
    identity = Identity(trigger="tab-zoe", words={"qwen3_4b": rand(2, 2560)})
    save_identity(identity, room / "tab-zoe.safetensors")
    tab.get_by_label("Refresh", exact=True).click()
    card = person(tab, "tab-zoe")
    card.wait_for()
    load = {
        "5": node("StableIdentityLoad", name="tab/tab-zoe.safetensors", trigger=""),
        "6": node("StableIdentityApply", clip=["9", 1], identity=["5", 0], trigger=""),
    }
    api = prompts("a", "b", **load)
    api["2"]["inputs"]["clip"] = ["6", 0]
    show(tab, api)
    told = tab.get_by_text("<tab-zoe> is plain text in")
    for start, applied in (("b", True), ("a", False)):
        next(one for one in tab.locator("textarea").all() if one.input_value() == start).click()
        tab.keyboard.press("End")
        card.locator(".si-main").click()
        assert f"{start} <tab-zoe>" in (text_of(tab), text_of(tab, "2"))
        if applied:
            tab.wait_for_timeout(500)
            assert told.count() == 0
        else:
            told.wait_for()


TITLE = """(number) => {
  const { pos } = app.graph.getNodeById(number), { left, top } = app.canvas.canvas.getBoundingClientRect();
  const at = app.canvas.ds.convertOffsetToCanvas([pos[0] + 60, pos[1] - 12]);
  return [left + at[0], top + at[1]];
}"""


def choose(tab: Page, numbers: str) -> None:
    """Click on the titles of nodes, with Shift from the second on."""
    for at, number in enumerate(numbers):
        where = tab.evaluate(TITLE, int(number))
        if at:
            tab.keyboard.down("Shift")
        tab.mouse.click(*where)
        tab.keyboard.up("Shift")


@pytest.fixture
def panel(tab: Page):
    """ComfyUI's panel beside the canvas, with copies of the boxes of the chosen nodes."""
    needs_frontend(tab, SETTLED, "text boxes in the panel beside the canvas")
    tab.evaluate(SET, [PANEL, True])
    yield tab.get_by_test_id("properties-panel")
    tab.evaluate(SET, [PANEL, False])


def test_the_panel_beside_the_canvas_has_prompt_boxes_too(tab, room, renderer, panel):
    show(tab, prompts("alike", "alike", "third"))
    for number in "123":
        before = {one: text_of(tab, one) for one in "123"}
        choose(tab, number)
        box = panel.locator("textarea")
        expect(box).to_have_count(1)
        expect(box).to_have_value(before[number])
        box.click()
        tab.keyboard.press("Home")
        person(tab, "tab-ben").locator(".si-main").click()
        after = {one: text_of(tab, one) for one in "123"}
        assert after == before | {number: f"embedding:tab/tab-ben {before[number]}"}


def test_a_box_of_the_panel_that_could_be_anybody_s_is_not_in_hand(tab, room, panel):
    for opened, taken in ((2, {"2"}), (1, set())):
        show(tab, prompts("alike", "alike", "third"))
        choose(tab, "3")
        expect(panel.locator("textarea")).to_have_count(1)
        choose(tab, "12")
        sections = panel.get_by_role("button", name="CLIP Text Encode")
        for at in range(opened):
            sections.nth(1 - at).click()
        expect(panel.locator("textarea")).to_have_count(opened)
        before = {one: text_of(tab, one) for one in "123"}
        panel.locator("textarea").last.click()
        person(tab, "tab-ben").locator(".si-main").click()
        changed = {one for one in "123" if text_of(tab, one) != before[one]}
        assert changed == taken, opened


def test_a_node_is_dropped_where_no_box_is_in_hand(tab, room, renderer):
    show(tab, prompts("photo"))
    person(tab, "tab-ann").locator(".si-main").click()
    assert tab.evaluate(LOADERS) == ["tab/tab-ann.safetensors"]
    card = person(tab, "tab-ben")
    card.hover()
    card.get_by_label("Add a Load Identity node").click()
    card.locator(".si-main").drag_to(tab.locator("#graph-canvas"), target_position={"x": 900, "y": 750}, force=True)
    assert tab.evaluate(LOADERS) == ["tab/tab-ann.safetensors", *["tab/tab-ben.safetensors"] * 2]
    card.locator(".si-main").drag_to(tab.locator("textarea").first)
    assert text_of(tab) == "photo embedding:tab/tab-ben"
    corners = tab.evaluate("() => app.graph.nodes.map((node) => String([...node.pos]))")
    assert len(set(corners)) == len(corners), "none lies on another"


def test_rename_says_what_is_wrong_and_the_nodes_follow(tab, room):
    show(tab, prompts("photo", **{"5": node("StableIdentityLoad", name="tab/tab-ann.safetensors", trigger="")}))
    card = person(tab, "tab-ann")
    card.hover()
    card.get_by_label("Rename").click()
    field = tab.get_by_label("New name")
    field.fill("tab-ben")
    tab.keyboard.press("Enter")
    tab.get_by_text("embedding:tab-ben already refers to").wait_for()
    field.fill("tab-anne")
    tab.keyboard.press("Enter")
    person(tab, "tab-anne").wait_for()
    assert {path.name for path in room.glob("tab-ann*")} == {"tab-anne.safetensors", "tab-anne.preview.png"}
    assert tab.evaluate(LOADERS) == ["tab/tab-anne.safetensors"]


def test_delete_lists_what_goes_and_takes_trainings_only_if_chosen(tab, server, room):
    store = ResultStore(server.user / "stableidentity" / "trained")
    store.put(key(81), some_result("tab-ann"))
    for chosen in (False, True):
        card = person(tab, "tab-ann")
        card.hover()
        card.get_by_label("Delete").click()
        dialog = tab.get_by_role("dialog", name="Delete tab-ann?")
        dialog.wait_for()
        told = dialog.inner_text()
        assert "tab/tab-ann.safetensors" in told and "tab/tab-ann.preview.png" in told
        assert "stableidentity, 3 steps" in told and not dialog.get_by_role("checkbox").is_checked()
        if chosen:
            dialog.get_by_role("checkbox").check()
        else:
            dialog.get_by_role("button", name="Cancel").click()
            assert (room / "tab-ann.safetensors").exists() and store.path(key(81)).exists()
    dialog.get_by_role("button", name="Delete").click()
    person(tab, "tab-ann").wait_for(state="detached")
    assert [path.name for path in room.iterdir()] == ["tab-ben.safetensors"]
    assert not list(store.folder.glob(f"{key(81)}*"))


def test_the_list_renews_itself_when_a_person_is_saved(tab, server, room):
    prompt = {
        "who": node("StableIdentityLoad", name="tab/tab-ben.safetensors", trigger=""),
        "save": node("StableIdentitySave", identity=["who", 0], name="tab-new", if_exists="stop"),
    }
    try:
        assert server.run(prompt).status == "success"
        person(tab, "tab-new", "mini_world").wait_for()
    finally:
        (server.models / "embeddings" / "mini_world" / "tab-new.safetensors").unlink(missing_ok=True)

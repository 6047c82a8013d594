"""Prepare Face in the real frontend: its photos with their faces, of which a click chooses one."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.face_nets import pointing_retinaface
from helpers.frontend import SETTLED, Page, current_prompt, needs_frontend, ui_from_api, use_nodes_2, wait_until_ready
from helpers.prompts import Json, node
from helpers.server import ComfyServer

pytest.importorskip("facexlib", reason="FACEXLIB IS NOT INSTALLED")

SET = "async ([name, value]) => app.extensionManager.setting.set(name, value)"
USUAL: Json = {
    **{"find_face": "auto", "which_face": "largest", "face_number": 1},
    **{"parse_face": "auto", "strict": False, "download": False},
}
VIEW = """() => {
  const places = { image: [20, 60], face: [380, 20], seen: [1000, 60] };
  for (const node of app.canvas.graph.nodes) node.pos = places[node.title] ?? [20, 600];
  app.canvas.ds.scale = 0.8; app.canvas.ds.offset = [60, 80]; app.canvas.setDirty(true, true);
}"""
RUN = """async () => {
  const ended = new Promise((resolve) => {
    for (const kind of ['execution_success', 'execution_error']) {
      app.api.addEventListener(kind, () => resolve(kind), { once: true });
    }
  });
  await app.queuePrompt(0);
  return ended;
}"""
FACE = "app.canvas.graph.nodes.find((node) => node.type === 'StableIdentityPrepareFace')"
UNDO = "() => app.extensionManager.command.execute('Comfy.Undo')"
OWN_PREVIEW = f"""() => {FACE}.imgs?.length || {FACE}.widgets.some((one) => one.name.startsWith('$$'))
  || document.querySelector(`[data-node-id="${{{FACE}.id}}"] img`) !== null"""  # in the classic renderer and Nodes 2.0
BANDS = ((220, 40, 40), (40, 200, 60), (40, 60, 220))  # of the photo, from left to right


@pytest.fixture(scope="module")
def photos(server: ComfyServer) -> Iterator[None]:
    """A detector that sees faces side by side in any photo, a low photo in three colours, and a square one.

    Its faces overlap, and of the low photo its map has a single row, so that they form a row.
    """
    net = pointing_retinaface(
        server.models / "stableidentity" / "face_detection" / "detection_mobilenet0.25_Final.pth", small=True
    )
    low = Image.new("RGB", (1200, 50))
    for number, colour in enumerate(BANDS):
        low.paste(colour, (400 * number, 0, 400 * number + 400, 50))
    low.save(server.input / "row.png")
    Image.new("RGB", (500, 500), (90, 90, 90)).save(server.input / "square.png")
    yield
    net.unlink()


@pytest.fixture(scope="module", autouse=True)
def opened(page: Page) -> None:
    needs_frontend(page, SETTLED, "a preview that a node can leave out")
    page.evaluate(SET, ["Comfy.TutorialCompleted", True])
    page.reload(wait_until="domcontentloaded")
    wait_until_ready(page)
    page.set_viewport_size({"width": 1500, "height": 1000})


@pytest.fixture(params=[False, True], ids=["classic", "nodes 2.0"])
def renderer(request: pytest.FixtureRequest, page: Page) -> Iterator[None]:
    use_nodes_2(page, request.param)
    yield
    use_nodes_2(page, False)


def titled(title: str, kind: str, **inputs: Any) -> Json:
    return {**node(kind, **inputs), "_meta": {"title": title}}


def prompt(image: str = "row.png", **settings: Any) -> Json:
    return {
        "1": titled("image", "LoadImage", image=image),
        # All values: newer frontends give a node of the same number those that another one had.
        "2": titled("face", "StableIdentityPrepareFace", image=["1", 0], **{**USUAL, **settings}),
        "3": titled("seen", "PreviewImage", images=["2", 1]),
    }


def open_and_run(page: Page, api: Json, ends: str = "execution_success") -> None:
    open_prompt(page, api)
    run(page, ends)
    for name in page.locator(".si-switches button[aria-pressed=true]").all_inner_texts():  # of an earlier test
        switch(page, name)


def open_prompt(page: Page, api: Json) -> None:
    page.evaluate("() => app.canvas.setGraph(app.rootGraph)")
    ui_from_api(page, api)
    page.evaluate(VIEW)


def run(page: Page, ends: str = "execution_success") -> None:
    assert page.evaluate(RUN) == ends
    page.locator(".si-photo").first.wait_for()


def eventually(check: Callable[[], bool]) -> bool:
    """Whether it becomes true; the page has its own pace."""
    end = time.monotonic() + 20
    while not (done := check()) and time.monotonic() < end:
        time.sleep(0.1)
    return done


def chosen(page: Page) -> tuple[str, int]:
    inputs = current_prompt(page)["2"]["inputs"]
    return inputs["which_face"], inputs["face_number"]


def marked(page: Page) -> list[int]:
    """The numbers of the marked faces, of all photos one after the other."""
    pressed = page.locator(".si-face").evaluate_all("(all) => all.map((one) => one.getAttribute('aria-pressed'))")
    return [at + 1 for at, value in enumerate(pressed) if value == "true"]


def click_face(page: Page, number: int, photo: int = 0) -> None:
    """With the mouse, in the left half of its frame, which no later one covers."""
    place = page.locator(".si-photo").nth(photo).locator(".si-face .si-back").nth(number - 1).bounding_box()
    assert place is not None
    page.mouse.click(place["x"] + 0.45 * place["width"], place["y"] + 0.5 * place["height"])
    page.wait_for_timeout(100)


def switch(page: Page, name: str) -> None:
    page.locator(".si-switches").get_by_role("button", name=name, exact=True).click()


def visible(page: Page, what: str) -> bool:
    return page.locator(f".si-photo {what}").first.get_attribute("display") == "inline"


def portrait(page: Page, server: ComfyServer) -> np.ndarray:
    """The colour in the middle of the picture that the prompt previewed, where the photo is not filled in."""
    shown = page.evaluate("() => app.nodeOutputs['3'].images[0]")
    return np.asarray(Image.open(io.BytesIO(server.view(shown))).convert("RGB"))[277:287, 246:266].mean((0, 1))


def test_a_click_chooses_the_face_that_comes_out(page, server, photos, renderer):
    open_and_run(page, prompt())
    count = page.locator(".si-face").count()
    assert count >= 3 and marked(page) != [count] and chosen(page) == ("largest", 1)
    assert not page.evaluate(OWN_PREVIEW), "the photo is shown twice"
    for number, colour in ((count, BANDS[2]), (1, BANDS[0])):
        click_face(page, number)
        assert eventually(lambda number=number: marked(page) == [number]) and chosen(page) == ("number", number)
        assert "used from the next run on" in page.locator(".si-hint").inner_text()
        run(page)
        assert np.abs(portrait(page, server) - colour).max() < 30
        assert eventually(lambda: "next run" not in page.locator(".si-hint").inner_text())


def test_undo_takes_the_choice_back_and_the_mark_follows_the_widgets(page, photos, renderer):
    open_and_run(page, prompt(which_face="leftmost"))
    assert marked(page) == [1]
    click_face(page, 3)
    switch(page, "Oval")
    page.evaluate(UNDO)
    assert eventually(lambda: marked(page) == [1]) and chosen(page) == ("leftmost", 1)
    assert eventually(lambda: visible(page, ".si-oval")), "the switch is no part of undo"
    assert page.locator(".si-display").count() == 1
    page.evaluate(f"""() => {{
      for (const [name, value] of [['which_face', 'number'], ['face_number', 2]]) {{
        const widget = {FACE}.widgets.find((one) => one.name === name);
        widget.value = value;
        widget.callback?.(value);
      }}
    }}""")
    assert marked(page) == [2]


def test_the_keyboard_chooses_too(page, photos):
    open_and_run(page, prompt())
    face = page.locator(".si-face").nth(1)
    assert face.get_attribute("aria-label") == f"Face 2 of {page.locator('.si-face').count()}"
    face.focus()
    page.keyboard.press("Enter")
    assert chosen(page) == ("number", 2)
    page.keyboard.press("Tab")
    page.keyboard.press(" ")
    assert chosen(page) == ("number", 3)


def test_mask_oval_landmarks_and_portrait_are_switched_without_a_run(page, photos):
    open_and_run(page, prompt(which_face="leftmost"))
    layers = {"Mask": "> g > image:nth-of-type(2)", "Oval": ".si-oval", "Landmarks": ".si-landmarks"}
    for name, layer in layers.items():
        assert not visible(page, layer)
        switch(page, name)
        assert visible(page, layer)
    switch(page, "Portrait")
    assert page.locator(".si-photo").get_attribute("viewBox") == "0 0 1 1" and visible(page, layers["Mask"])
    switch(page, "Portrait")
    click_face(page, 3)
    assert not visible(page, layers["Mask"]), "this mask is of another face"
    assert visible(page, layers["Oval"])


def test_of_several_photos_all_are_shown_and_the_number_holds_for_each(page, photos):
    api = prompt()
    api["4"] = node("ImageInvert", image=["1", 0])
    api["5"] = node("ImageBatch", image1=["1", 0], image2=["4", 0])
    api["2"]["inputs"]["image"] = ["5", 0]
    open_and_run(page, api)
    assert page.locator(".si-photo").count() == 2
    click_face(page, 3, photo=1)
    first = page.locator(".si-photo").first.locator(".si-face").count()
    assert chosen(page) == ("number", 3) and marked(page) == [3, first + 3]
    assert "in each of the 2 photos" in page.locator(".si-hint").inner_text()


def test_a_face_that_is_not_there_leaves_the_photo_to_choose_from(page, photos):
    open_and_run(page, prompt(which_face="number", face_number=40), ends="execution_error")
    assert "Face number 40 was requested" in page.locator(".si-first").inner_text()
    assert marked(page) == [] and "no face 40" in page.locator(".si-hint").inner_text()
    click_face(page, 1)
    run(page)
    assert marked(page) == [1]


def test_without_a_detector_a_warning_stands_above_the_photo(page, photos):
    open_and_run(page, prompt("square.png", find_face="off"))
    first = page.locator(".si-first")
    assert "Nobody has looked for a face" in first.inner_text() and "si-warning" in (first.get_attribute("class") or "")
    assert page.locator(".si-face").count() == 0


def test_a_connected_number_is_left_alone(page, photos):
    api = prompt(which_face="number", face_number=["9", 0])
    api["9"] = node("PrimitiveInt", value=2)
    open_and_run(page, api)
    assert marked(page) == [2]
    click_face(page, 1)
    assert current_prompt(page)["2"]["inputs"]["face_number"] == ["9", 0] and marked(page) == [2]
    assert "is connected" in page.locator(".si-hint").inner_text()


def test_a_copy_is_empty_and_what_is_removed_leaves_nothing(page, photos):
    open_and_run(page, prompt())
    page.evaluate(f"""() => {{
      app.canvas.selectNode({FACE}); app.canvas.copyToClipboard(); app.canvas.pasteFromClipboard();
    }}""")
    assert eventually(lambda: page.locator(".si-display").count() == 2) and page.locator(".si-empty").count() == 1
    page.evaluate("() => { for (const node of [...app.graph.nodes]) app.graph.remove(node); }")
    assert eventually(lambda: page.locator(".si-display").count() == 0)


def test_in_a_subgraph_the_photo_is_on_the_node_inside(page, server, photos, renderer):
    open_prompt(page, prompt())
    page.evaluate(f"""() => {{
      const {{ subgraph }} = app.graph.convertToSubgraph(new Set([{FACE}]));
      app.canvas.setGraph(subgraph);
    }}""")
    page.wait_for_timeout(500)
    page.evaluate(VIEW)
    run(page)
    count = page.locator(".si-face").count()
    assert count >= 3 and not page.evaluate(OWN_PREVIEW)
    click_face(page, count)
    inside = next(one for one in current_prompt(page).values() if one["class_type"] == "StableIdentityPrepareFace")
    assert (inside["inputs"]["which_face"], inside["inputs"]["face_number"]) == ("number", count)
    run(page)
    assert np.abs(portrait(page, server) - BANDS[2]).max() < 30


def test_texts_from_the_server_are_text(page, photos):
    open_and_run(page, prompt())
    page.evaluate(f"""() => {{
      const output = structuredClone(app.nodeOutputs['2']);
      output.text = ['[!] <img src=x onerror="window.broken = 1">\\n<b>more</b>'];
      output.stableidentity_photos[0].photo.filename = '"><script>window.broken = 1</script>';
      app.nodeOutputs['2'] = output;
      {FACE}.onExecuted(output);
    }}""")
    assert eventually(lambda: "no longer on the server" in page.locator(".si-hint").inner_text())
    assert page.evaluate("() => window.broken") is None and page.locator(".si-display img, .si-display b").count() == 0
    assert "<img src=x" in page.locator(".si-first").inner_text()

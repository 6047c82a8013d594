"""The pictures of the documentation and of the template browser, from the real frontend and the mini world.

COMFYUI_PATH=... python docs/make_pictures.py [thumbnails] [try-it] [people]; without arguments, all of them.

thumbnails: `workflows/NAME.jpg`. Of a workflow of the mini world, its own results; of one whose weights are not in the
    pack, the workflow itself as the frontend shows it.
try-it: `docs/try_it.jpg` and `docs/try_it_nodes2.jpg`, workflow 1 at the end of its run in both renderers.
people: `docs/people.jpg`, the results of workflows 7 and 5.
Needs what the tests of the frontend need: ComfyUI, a Chromium, and the packages in tests/requirements.txt.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from helpers.frontend import Page, browser_path, load_workflow, open_frontend  # noqa: E402
from helpers.server import ComfyServer  # noqa: E402
from helpers.workflows import NAMES, api_workflow, called, ui_path, ui_workflow  # noqa: E402

MINI_WORLD = (1, 5, 6, 7, 8, 9)
SIZE = (640, 400)  # of a thumbnail
WINDOW = {"width": 1920, "height": 1080}
MOST = 60_000  # bytes of a picture
NODES2 = "(on) => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)"
# Only the graph: without menus, side bars, the little map and messages.
BARE = """() => {
  const style = document.createElement('style');
  style.textContent = `.p-toast, .minimap-main-container, .side-tool-bar-container, .comfyui-body-top,
    .workflow-tabs-container, .graph-canvas-menu, .actionbar-container, .p-buttongroup { display: none !important }`;
  document.head.append(style);
  app.canvas.show_info = false;
}"""
# Fills the window with all nodes and groups, and tells where they are in it.
FILL = """() => {
  const boxes = [...app.graph.nodes, ...app.graph.groups].map((one) => one.boundingRect ?? one.getBounding());
  const left = Math.min(...boxes.map((b) => b[0])), top = Math.min(...boxes.map((b) => b[1]));
  const right = Math.max(...boxes.map((b) => b[0] + b[2])), bottom = Math.max(...boxes.map((b) => b[1] + b[3]));
  const view = app.canvas.canvas.getBoundingClientRect(), ds = app.canvas.ds, edge = 20;
  ds.scale = Math.min((view.width - 2 * edge) / (right - left), (view.height - 2 * edge) / (bottom - top));
  ds.offset = [edge / ds.scale - left, edge / ds.scale - top];
  app.canvas.setDirty(true, true);
  return [view.x, view.y, 2 * edge + ds.scale * (right - left), 2 * edge + ds.scale * (bottom - top)];
}"""


def main(parts: list[str]) -> None:
    makers: dict[str, Callable[[ComfyServer, Page], None]] = {
        "thumbnails": thumbnails,
        "try-it": try_it,
        "people": people,
    }
    with tempfile.TemporaryDirectory() as base:
        server = ComfyServer(Path(os.environ["COMFYUI_PATH"]), Path(base)).start()
        try:
            with open_frontend(server.url, browser_path()) as page:
                page.set_viewport_size(WINDOW)
                page.evaluate(BARE)
                for part in parts or makers:
                    makers[part](server, page)
        finally:
            server.stop()


def thumbnails(server: ComfyServer, page: Page) -> None:
    for name in NAMES:
        number = int(name[:2])
        if number in MINI_WORLD:
            picture = sheet(results(server, number))
        else:
            picture = ImageOps.contain(graph(page, number), SIZE)
        save(picture, ui_path(name).with_suffix(".jpg"))


def try_it(server: ComfyServer, page: Page) -> None:
    for nodes2, name in ((False, "try_it"), (True, "try_it_nodes2")):
        page.evaluate(NODES2, nodes2)
        page.wait_for_timeout(1000)
        save(ImageOps.contain(graph(page, 1, run=server), (1200, 1200)), ROOT / "docs" / f"{name}.jpg", most=150_000)
    page.evaluate(NODES2, False)


def people(server: ComfyServer, _page: Page) -> None:
    """From one person to another, somebody new, the mean of three; then two people in one picture."""
    save(row([*results(server, 7), *results(server, 5)]), ROOT / "docs" / "people.jpg")


def results(server: ComfyServer, number: int) -> list[Image.Image]:
    """The pictures that a workflow saves."""
    ended = server.run(api_workflow(number), timeout=3600)
    if ended.status != "success":
        raise RuntimeError(f"{called(number)}: {ended.error or ended.node_errors}")
    shown = [image for output in ended.outputs.values() for image in output.get("images", [])]
    return [Image.open(io.BytesIO(server.view(one))).convert("RGB") for one in shown if one["type"] == "output"]


def graph(page: Page, number: int, run: ComfyServer | None = None) -> Image.Image:
    """A workflow as the frontend shows it, at rest or after a run."""
    load_workflow(page, ui_workflow(number))
    page.evaluate(FILL)
    page.wait_for_timeout(1500)
    if run:
        before = len(run.client.get("/history"))
        page.evaluate("() => app.queuePrompt(0)")
        while len(run.client.get("/history")) == before:
            page.wait_for_timeout(500)
    x, y, width, height = page.evaluate(FILL)
    page.wait_for_timeout(2500)  # pictures that are drawn again, and messages that go
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return shot.crop((round(x), round(y), round(x + width), round(y + height)))


def sheet(pictures: list[Image.Image]) -> Image.Image:
    """Pictures in rows of about the thumbnail's shape."""
    columns = min(range(1, len(pictures) + 1), key=lambda n: abs(_shape(pictures, n) - SIZE[0] / SIZE[1]))
    rows = [row(pictures[at : at + columns]) for at in range(0, len(pictures), columns)]
    whole = Image.new("RGB", (max(one.width for one in rows), sum(one.height for one in rows)), "#222")
    top = 0
    for one in rows:
        whole.paste(one, ((whole.width - one.width) // 2, top))
        top += one.height
    return ImageOps.pad(whole, SIZE, Image.Resampling.LANCZOS, "#222")


def _shape(pictures: list[Image.Image], columns: int) -> float:
    return columns * pictures[0].width / (-(-len(pictures) // columns) * pictures[0].height)


def row(pictures: list[Image.Image]) -> Image.Image:
    whole = Image.new("RGB", (sum(one.width for one in pictures), max(one.height for one in pictures)), "#222")
    left = 0
    for one in pictures:
        whole.paste(one, (left, 0))
        left += one.width
    return whole


def save(picture: Image.Image, path: Path, most: int = MOST) -> None:
    """As JPEG, of the best quality whose file is small enough."""
    for quality in range(90, 20, -5):
        packed = io.BytesIO()
        picture.save(packed, "JPEG", quality=quality, optimize=True)
        if packed.tell() <= most:
            break
    path.write_bytes(packed.getvalue())
    print(f"{path.relative_to(ROOT)}: {packed.tell():,} bytes, {picture.width}x{picture.height}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

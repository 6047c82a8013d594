"""The pictures of the documentation and of the template browser, from the real frontend and the mini world.

COMFYUI_PATH=... python docs/make_pictures.py [results] [graphs] [people] [try-it]; without arguments, all of them.

results: `workflows/NAME.jpg`, of workflows of the mini world: what they paint.
graphs: `workflows/NAME.jpg`, of those that take long or whose weights are not in the pack: the workflow itself, as the
    frontend shows it.
try-it: `docs/try_it.jpg` and `docs/try_it_nodes2.jpg`, workflow 1 at the end of its run in both renderers.
people: `docs/people.jpg`, the results of workflows 7 and 5.
Needs what the tests of the frontend need: ComfyUI, a Chromium, and the packages of the group dev in
pyproject.toml.
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

from helpers.frontend import Page, browser_path, load_workflow, open_frontend, wait_until_ready  # noqa: E402
from helpers.server import ComfyServer  # noqa: E402
from helpers.workflows import NAMES, all_nodes, api_workflow, called, ui_path, ui_workflow  # noqa: E402
from mini_world.look import Look  # noqa: E402
from mini_world.painter import paint  # noqa: E402
from mini_world.person import unseen_person  # noqa: E402

RESULTS = (1, 5, 6, 7, 8, 16, 18)  # of the mini world; the three methods of workflow 9 take too long
SIZE = (480, 480)  # of a thumbnail, which the browser shows as a square
WINDOW = {"width": 1920, "height": 1080}
MOST = 60_000  # bytes of a picture
NODES2 = "(on) => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)"
# Only the graph, in both renderers: no menus, messages, or the dialog that a new ComfyUI opens.
BARE = """() => {
  const style = document.createElement('style');
  const graph = ['#graph-canvas', '.dom-widget', '[data-node-id]'];
  const shown = graph.flatMap((one) => [one, `${one} *`]).join(', ');
  style.textContent = `body * { visibility: hidden !important } ${shown} { visibility: visible !important }`;
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
        "results": results,
        "graphs": graphs,
        "try-it": try_it,
        "people": people,
    }
    with tempfile.TemporaryDirectory() as base:
        server = ComfyServer(Path(os.environ["COMFYUI_PATH"]), Path(base)).start()
        try:
            with open_frontend(server.url, browser_path() or "chromium") as page:
                page.set_viewport_size(WINDOW)
                page.evaluate(BARE)
                for part in parts or makers:
                    makers[part](server, page)
        finally:
            server.stop()


def results(server: ComfyServer, _page: Page) -> None:
    for number in RESULTS:
        save(sheet(painted(server, number)), ui_path(called(number)).with_suffix(".jpg"))


def graphs(server: ComfyServer, page: Page) -> None:
    numbers = [int(name[:2]) for name in NAMES if int(name[:2]) not in RESULTS]
    install(server, numbers)
    page.reload(wait_until="domcontentloaded")  # the frontend reads lists of files once
    wait_until_ready(page)
    page.evaluate(BARE)
    for number in numbers:
        picture = ImageOps.fit(graph(page, number), SIZE, Image.Resampling.LANCZOS)
        save(picture, ui_path(called(number)).with_suffix(".jpg"))


def install(server: ComfyServer, numbers: list[int]) -> None:
    """Put something under the name of every file that these workflows name, so that none is shown as missing."""
    portrait = Image.fromarray(paint(unseen_person(1), Look()).image)
    names = [server.models / "embeddings" / "person-1.safetensors"]
    names += [server.input / clip for clip in ("clip.mp4", "poses.mp4", "small_clip.mp4")]
    for number in numbers:
        for node in all_nodes(ui_workflow(number)):
            models = node["properties"].get("models", [])
            names += [server.models / model["directory"] / model["name"] for model in models]
    for path in names:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name in ("photo.jpg", "pose.png"):
        portrait.save(server.input / name)


def try_it(server: ComfyServer, page: Page) -> None:
    for person, name in enumerate(("try_it", "try_it_nodes2"), start=1):  # a new person, who is not yet learned
        page.evaluate(NODES2, person == 2)
        page.wait_for_timeout(1000)
        picture = graph(page, 1, run=server, person=person)
        save(ImageOps.contain(picture, (1200, 1200)), ROOT / "docs" / f"{name}.jpg", most=150_000)
    page.evaluate(NODES2, False)


def people(server: ComfyServer, _page: Page) -> None:
    """From one person to another, somebody new, the mean of three; then two people in one picture."""
    save(row([*painted(server, 7), *painted(server, 5)]), ROOT / "docs" / "people.jpg")


def painted(server: ComfyServer, number: int) -> list[Image.Image]:
    """The pictures that a workflow saves; of one that measures, its contact sheet."""
    prompt = api_workflow(number)
    ended = server.run(prompt, timeout=3600)
    if ended.status != "success":
        raise RuntimeError(f"{called(number)}: {ended.error or ended.node_errors}")
    shown = [image for output in ended.outputs.values() for image in output.get("images", [])]
    saved = [one for one in shown if one["type"] == "output"]
    if not saved:
        measured = [key for key, entry in prompt.items() if entry["class_type"] == "StableIdentityScore"]
        saved = [image for key in measured for image in ended.outputs[key]["images"]]
    return [_still(Image.open(io.BytesIO(server.view(one)))) for one in saved]


def _still(picture: Image.Image) -> Image.Image:
    """A picture, or the middle of an animation."""
    picture.seek(getattr(picture, "n_frames", 1) // 2)
    return picture.convert("RGB")


def graph(page: Page, number: int, run: ComfyServer | None = None, person: int = 1) -> Image.Image:
    """A workflow as the frontend shows it, at rest or after a run."""
    ui = ui_workflow(number)
    for node in all_nodes(ui):
        if node["type"] == "StableIdentityMiniWorldPerson":
            node["widgets_values"][0] = person
    load_workflow(page, ui)
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
    packed = next(file for quality in range(90, 5, -5) if len(file := jpeg(picture, quality)) <= most)
    path.write_bytes(packed)
    print(f"{path.relative_to(ROOT)}: {len(packed):,} bytes, {picture.width}x{picture.height}", flush=True)


def jpeg(picture: Image.Image, quality: int) -> bytes:
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=quality, optimize=True)
    return packed.getvalue()


if __name__ == "__main__":
    main(sys.argv[1:])

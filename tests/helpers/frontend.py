"""ComfyUI's real frontend in a headless Chromium: opens workflows, and turns them into prompts and back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

Json = dict[str, Any]
SETTLED = (1, 41)  # the first frontend whose nodes and errors look as this pack was made for
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# A browser that looks up its maker's hosts stalls on a machine without internet.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # playwright's own way to block switches the cache off
)
STATE = """() => ({
  graph: !!window.app?.graph,
  types: window.LiteGraph ? Object.keys(LiteGraph.registered_node_types).length : 0,
  workflow: !!window.app?.extensionManager?.workflow?.activeWorkflow,
  busy: !!window.app?.extensionManager?.spinner,
})"""
# The frontend opens a first workflow of its own; one loaded before that would be replaced by it.
READY = f"() => {{ const s = ({STATE})(); return s.graph && s.types > 100 && s.workflow && !s.busy; }}"

LOAD = """async (ui) => {
  await app.loadGraphData(ui, true, true, 'check');
  const unknown = ui.nodes.filter((node) => !LiteGraph.registered_node_types[node.type]);
  const lost = (ui.links ?? []).filter(([id, from, output, to, input]) => {
    const source = app.graph.getNodeById(from), target = app.graph.getNodeById(to);
    // By name: a frontend may put the sockets of a node into another order.
    const name = ui.nodes.find((node) => node.id === to)?.inputs?.[input]?.name;
    const kept = target?.inputs?.some((socket) => socket.name === name && socket.link === id);
    return !(kept && source?.outputs?.[output]?.links?.includes(id));
  });
  return [
    ...unknown.map((node) => `node ${node.id}: unknown type ${node.type}`),
    ...lost.map((link) => `link ${JSON.stringify(link)} is gone after loading`),
    ...ui.nodes.filter((node) => !app.graph.getNodeById(node.id)).map((node) => `node ${node.id} is gone`),
  ];
}"""

AUTHOR = """async (api) => {
  await app.loadApiJson(api, 'authored');
  for (const node of app.graph.nodes) {
    for (const widget of node.widgets ?? []) {
      if (widget.name === 'control_after_generate') widget.value = 'fixed';
    }
  }
  return JSON.stringify(app.graph.serialize());  // drops what is undefined, as saving a file does
}"""


def browser_path() -> str | None:
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


# To a new user the frontend shows its templates, whose placeholders are animated and take most of a core meanwhile.
SEEN_TEMPLATES = "/settings/Comfy.TutorialCompleted"


@contextmanager
def open_frontend(url: str, executable: str, profile: Path | None = None) -> Iterator[Page]:
    """The frontend's page, all node types registered; nothing but servers of this machine can be reached from it.

    Args:
        profile: the browser's folder, from whose cache the frontend loads in half the time; of what earlier pages
            stored, nothing is left.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            profile or "", executable_path=executable, args=list(ARGUMENTS)
        )
        try:
            (page,) = browser.pages
            kept = {"origin": url, "storageTypes": "cookies,local_storage,indexeddb"}
            browser.new_cdp_session(page).send("Storage.clearDataForOrigin", kept)
            page.request.post(url + SEEN_TEMPLATES, data="true", headers={"Content-Type": "application/json"})
            page.goto(url, wait_until="domcontentloaded")
            wait_until_ready(page)
            yield page
        finally:
            browser.close()


def needs_frontend(page: Page, first: tuple[int, int], what: str) -> None:
    """Skip what older frontends do not have."""
    version = str(page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__ ?? '0.0'"))
    if tuple(int(part) for part in version.split(".")[:2]) < first:
        pytest.skip(f"FRONTEND {version} is older than {first[0]}.{first[1]}, the first with {what}")


def use_nodes_2(page: Page, on: bool) -> None:
    """Choose the renderer; skips where Nodes 2.0 is wanted and still a preview."""
    if on:
        needs_frontend(page, SETTLED, "Nodes 2.0 as it stayed")
    page.evaluate("(on) => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)", on)


def wait_until_ready(page: Page) -> None:
    """Wait, with one reload as a user would do it; the error tells what the frontend lacked and said."""
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text[:200]}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("requestfailed", lambda request: said.append(f"request failed: {request.url}"))
    for wait in (60_000, 120_000):
        try:
            page.wait_for_function(READY, timeout=wait)
            return
        except PlaywrightTimeout:
            state = page.evaluate(STATE)
            page.reload(wait_until="domcontentloaded")
    lines = "\n".join(said[-30:])
    raise TimeoutError(f"ComfyUI's frontend did not get ready; it has {state}, and its console says:\n{lines}")


def load_workflow(page: Page, ui: Json) -> list[str]:
    """Open a UI-format workflow; gives its unknown nodes and missing links in words."""
    return page.evaluate(LOAD, ui)


def current_prompt(page: Page) -> Json:
    """The open workflow as the API prompt that the Queue button would send."""
    return json.loads(page.evaluate("async () => JSON.stringify((await app.graphToPrompt()).output)"))


def ui_from_api(page: Page, api: Json) -> Json:
    """A UI-format workflow with the nodes, values and links of an API prompt; seeds stay as they are."""
    return json.loads(page.evaluate(AUTHOR, api))


def without_titles(api: Json) -> Json:
    """What of an API prompt reaches the server's executor."""
    return {number: {key: node[key] for key in ("class_type", "inputs")} for number, node in api.items()}

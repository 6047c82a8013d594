"""Renew the shipped workflows after the inputs of a node have changed.

Run as a program, with COMFYUI_PATH set and a Chromium installed; further arguments are the beginnings of names, such
as `02`. Places, sizes, colours, notes, groups and subgraphs are those of `workflows/NAME.json`, which is edited in
ComfyUI itself: open it, change it, export it over the file. This command puts widgets whose order has changed in their
places by name, gives new ones their defaults, and writes the API format beside it, both through the real frontend.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from helpers.frontend import Page
    from helpers.prompts import Json

KEPT = ("id", "pos", "size", "flags", "order", "mode", "title", "properties", "color", "bgcolor", "shape")
# What a new node of a kind is like, with the values of an old one by name.
FRESH = """([kind, values]) => {
  const node = LiteGraph.createNode(kind);
  if (!node) return null;
  for (const widget of node.widgets ?? []) if (widget.name in values) widget.value = values[widget.name];
  return JSON.parse(JSON.stringify(node.serialize()));
}"""
AFTER_GENERATE = "control_after_generate"  # a widget that no input stands for; it follows a seed


def renewed(page: Page, ui: Json) -> Json:
    """The workflow with every node as a new node of its kind would be stored, in its old place."""
    from helpers.workflows import all_nodes

    for graph in (ui, *ui.get("definitions", {}).get("subgraphs", [])):
        links = {_id_of(link): link for link in graph["links"]}
        for node in graph["nodes"]:
            if any(node is one for one in all_nodes(ui)) and node["inputs"]:
                _renew(page, node, links)
    return ui


def _renew(page: Page, node: Json, links: dict[int, Any]) -> None:
    values = dict(zip(_widget_names(node), node.get("widgets_values", ()), strict=False))  # buttons come last
    fresh = page.evaluate(FRESH, [node["type"], values])
    if fresh is None:
        raise ValueError(f"ComfyUI knows no node {node['type']}")
    if _input_names(node) == _input_names(fresh):
        return
    old = {one["name"]: one for one in node["inputs"]}
    known = [one["name"] for one in fresh["inputs"]]
    grown = [one for name, one in old.items() if name not in known and one.get("link") is not None]
    inputs = [{**one, "link": old.get(one["name"], {}).get("link")} for one in fresh["inputs"]] + grown
    for slot, one in enumerate(inputs):
        if one["link"] is not None:
            _point(links[one["link"]], slot)
    outputs = {one["name"]: one for one in node["outputs"]}
    node.update(fresh | {key: node[key] for key in KEPT if key in node})
    node["inputs"] = inputs
    for one in node["outputs"]:
        one["links"] = outputs.get(one["name"], {}).get("links")


def _input_names(node: Json) -> list[str]:
    """Without the sockets of groups that grow."""
    return [one["name"] for one in node["inputs"] if "." not in one["name"]]


def _widget_names(node: Json) -> list[str]:
    """The names of a stored node's widgets, in the order of its values."""
    names: list[str] = []
    for one in node["inputs"]:
        if "widget" in one:
            names.append(one["widget"]["name"])
            if names[-1] in ("seed", "noise_seed") and len(node["widgets_values"]) > len(names):
                follows = node["widgets_values"][len(names)]
                names += [AFTER_GENERATE] * (follows in ("fixed", "increment", "decrement", "randomize"))
    return names


def _id_of(link: Any) -> int:
    return link["id"] if isinstance(link, dict) else link[0]  # in subgraphs and at the top


def _point(link: Any, slot: int) -> None:
    if isinstance(link, dict):
        link["target_slot"] = slot
    else:
        link[4] = slot


def main(beginnings: list[str]) -> None:
    import json

    from helpers.frontend import browser_path, current_prompt, load_workflow, open_frontend
    from helpers.server import ComfyServer
    from helpers.workflows import NAMES, api_path, ui_path, write

    with tempfile.TemporaryDirectory() as base:
        server = ComfyServer(Path(os.environ["COMFYUI_PATH"]), Path(base)).start()
        try:
            with open_frontend(server.url, browser_path() or "chromium") as page:
                for name in NAMES:
                    if beginnings and not name.startswith(tuple(beginnings)):
                        continue
                    ui = renewed(page, json.loads(ui_path(name).read_text("utf-8")))
                    if problems := load_workflow(page, ui):
                        raise ValueError(f"{name}: {problems}")
                    write(ui_path(name), ui)
                    write(api_path(name), current_prompt(page))
                    print(name)
        finally:
            server.stop()


if __name__ == "__main__":
    ROOT = Path(__file__).resolve().parents[2]
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    main(sys.argv[1:])

#!/usr/bin/env python3
"""Writes what ComfyUI reads in locales/ from the translations: python docs/make_locales.py FOLDER_OF_COMFYUI

`locales/zh.json` and its like are the translations, {English: translation}, and the only files to edit. A choice of
a list is written `widget=choice`. After a text has changed, or a node was added, run this: each file then has the new
texts with an empty translation, and at its end those that nothing uses any more. Fill the empty ones, remove the
others, and run it again. Tests fail until that is done. Needs what the pack needs to run.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCALES = ROOT / "locales"
PREFIX = "StableIdentity"
SOCKETS = 8  # of a group whose sockets grow, on hosts where they do not
# Choices that are files of the user, and those that are names in every language.
FILES = {"encoder_name", "model_name", "name", "file"}
NAMES = {"FR-ViT", "ArcFace", "CLIP", "timm", "retinaface_resnet50", "retinaface_mobile0.25", "bisenet", "parsenet"}
NAMES |= {"clip_vit_b32", "clip_vit_l14", "LPIPS"}
NAMES |= {"ism", "sds", "torch", "gsplat", "ply", "splat"}
NAMES |= {"bf16", "fp16", "fp8_e4m3fn", "fp8_e5m2", "PCA", "t-SNE"}
# Words of the frontend that it writes on the pack's nodes in English.
FRONTEND = ("true", "false", "fixed", "increment", "decrement", "randomize")
WEB_TEXT = re.compile(r'\bt\(\s*"((?:[^"\\]|\\.)+)"')

Json = dict[str, Any]
Place = tuple[str, ...]  # where a text stands in nodeDefs.json


def languages() -> list[str]:
    return sorted(path.stem for path in LOCALES.glob("*.json"))


def read(language: str) -> dict[str, str]:
    """The translations into a language, {English: translation}."""
    return json.loads((LOCALES / f"{language}.json").read_text("utf-8"))


def node_texts(info: Mapping[str, Json]) -> Iterator[tuple[Place, str]]:
    """Every text of the pack's nodes and where its translation belongs.

    Args:
        info: the host's answer to /object_info.
    """
    for node_id, node in info.items():
        if not node_id.startswith(PREFIX):
            continue
        yield (node_id, "display_name"), node["display_name"]
        yield (node_id, "description"), node["description"]
        for name, (kind, options) in inputs(node).items():
            for place, text in input_texts(name, kind, options):
                yield (node_id, "inputs", *place), text
        for at, (name, kind) in enumerate(zip(node["output_name"], node["output"], strict=True)):
            if name != kind:  # or else the frontend translates the type
                yield (node_id, "outputs", str(at), "name"), name
            yield (node_id, "outputs", str(at), "tooltip"), node["output_tooltips"][at]


def inputs(node: Json) -> dict[str, tuple[Any, Json]]:
    """A node's inputs by name, each with its type and options; grown sockets as one, on every host."""
    found: dict[str, tuple[Any, Json]] = {}
    shown = (node["input"].get(group, {}) for group in ("required", "optional"))  # and not those that are hidden
    for name, (kind, *options) in [pair for group in shown for pair in group.items()]:
        group, _, socket = name.partition(".")
        given = {**(options[0] if options else {})}
        if socket:
            given["socket"] = socket.rpartition("_")[0]
        elif "template" in given:
            (given["socket"],) = (one for part in given["template"]["input"].values() for one in part)
        found.setdefault(group, (kind, given))
    return found


def input_texts(name: str, kind: Any, options: Json) -> Iterator[tuple[Place, str]]:
    yield (name, "name"), name
    for part in ("tooltip", "placeholder", "label_on", "label_off", "display_name"):
        if options.get(part):
            yield (name, part), options[part]
    if socket := options.get("socket"):
        yield (name, "socket"), socket
        for number in range(1, SOCKETS + 1):  # the frontend writes _ for the point in faces.face_1
            yield (f"{name}_{socket}_{number}", "tooltip"), options["tooltip"]
    choices = kind if isinstance(kind, list) else options.get("options") or []
    if name not in FILES:
        yield from ((((name, "options", choice), f"{name}={choice}")) for choice in choices if choice not in NAMES)


def categories(info: Mapping[str, Json]) -> list[str]:
    """The levels of the menus below the pack's own."""
    ours = (node["category"] for node_id, node in info.items() if node_id.startswith(PREFIX))
    return sorted({level for category in ours for level in category.split("/")} - {PREFIX})


def web_texts(folder: Path = ROOT / "web") -> list[str]:
    """The texts of the pack's extensions: `t("...")` in their sources."""
    sources = (path.read_text("utf-8") for path in sorted(folder.rglob("*.js")))
    found = [json.loads(f'"{text}"') for source in sources for text in WEB_TEXT.findall(source)]
    return list(dict.fromkeys([*found, *FRONTEND]))


def english(info: Mapping[str, Json]) -> list[str]:
    """Every text to translate, once, in the order of the translations' files."""
    texts = [text for _, text in node_texts(info)]
    return list(dict.fromkeys([*categories(info), *texts, *web_texts()]))


def built(info: Mapping[str, Json], translations: Mapping[str, str]) -> dict[str, Json]:
    """What ComfyUI reads of a language: file name -> content."""
    nodes: Json = {}
    for place, text in node_texts(info):
        put(nodes, place, translations.get(text))
    main: Json = {}
    for level in categories(info):
        put(main, ("nodeCategories", level), translations.get(level))
    for text in web_texts():
        put(main, (PREFIX, text), translations.get(text))
    return {"main.json": main, "nodeDefs.json": nodes}


def put(tree: Json, place: Place, text: str | None) -> None:
    if not text:
        return
    for key in place[:-1]:
        tree = tree.setdefault(key, {})
    tree[place[-1]] = text


def in_order(texts: Iterable[str], translations: Mapping[str, str]) -> dict[str, str]:
    """The translations with new texts, empty, and then those that nothing uses."""
    return {**{text: translations.get(text, "") for text in texts}, **translations}


def dump(path: Path, content: Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", "utf-8")


def object_info(comfyui: Path) -> Json:
    """The answer of a server that is started for it."""
    sys.path.insert(0, str(ROOT))
    from stableidentity_core.comfyui import ComfyServer

    with tempfile.TemporaryDirectory() as base:
        server = ComfyServer(comfyui, Path(base), {"ComfyUI-StableIdentity": ROOT}).start()
        try:
            return server.client.get("/object_info")
        finally:
            server.stop()


def main(comfyui: str) -> None:
    info = object_info(Path(comfyui).expanduser())
    if not any(node_id.startswith(PREFIX) for node_id in info):
        sys.exit("This ComfyUI could not load the pack: see what it says when it starts.")
    texts = english(info)
    for language in languages():
        translations = in_order(texts, read(language))
        dump(LOCALES / f"{language}.json", translations)
        for name, content in built(info, translations).items():
            dump(LOCALES / language / name, content)
        empty = [text for text, translation in translations.items() if not translation]
        unused = [text for text in translations if text not in texts]
        print(f"{language}: {len(texts)} texts, {len(empty)} to translate, {len(unused)} without use")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])

"""The shipped workflows as files: small, in groups, with a note, a picture, and every file to download."""

from __future__ import annotations

import re
from statistics import median

import pytest
from PIL import Image

from helpers.prompts import Json
from helpers.server import ROOT
from helpers.workflows import FOLDER, NAMES, NOTES, all_nodes, ui_path, ui_workflow
from stableidentity_core.weights import WEIGHTS

NUMBERS = [int(name[:2]) for name in NAMES]
TITLE = 30  # pixels above a node's position
LOADERS = {
    "CheckpointLoaderSimple": "ckpt_name",
    "ControlNetLoader": "control_net_name",
    "StableIdentityLoadFaceEncoder": "encoder_name",
    "StableIdentityLoadVideoModel": "model_name",
    "UNETLoader": "unet_name",
    "CLIPLoader": "clip_name",
    "VAELoader": "vae_name",
}
WINDOW, FILLED, READABLE = (1920, 1080), 0.75, 0.57  # what the frontend fits a workflow into; below it hides all text
SETTINGS = re.compile(r"^## Three settings (that matter|to try)\n\n(?:- .+\n?){3}(?!- )", re.MULTILINE)
HIDDEN = re.compile(r"(?<!\\)<")  # Markdown takes it for HTML and shows nothing
each = pytest.mark.parametrize("number", NUMBERS)


def box(node: Json) -> tuple[float, float, float, float]:
    (x, y), (width, height) = node["pos"], node["size"]
    return x, y - TITLE, x + width, y + height


def note(ui: Json) -> str:
    (text,) = (node["widgets_values"][0] for node in ui["nodes"] if node["type"] in NOTES)
    return text


def models(ui: Json) -> list[Json]:
    return [model for node in all_nodes(ui) for model in node["properties"].get("models", [])]


def test_names_sort_as_they_are_numbered_and_fit_any_address():
    assert list(range(1, len(NAMES) + 1)) == NUMBERS
    assert all(re.fullmatch(r"\d\d [A-Z][A-Za-z0-9 ]+", name) for name in NAMES)


def test_hosts_look_for_templates_in_one_folder_of_ours():
    """Several hosts serve the files of the first of these folders alone, even if that one holds no template."""
    names = ("example_workflows", "example", "examples", "workflow", "workflows")
    assert [name for name in names if (ROOT / name).exists()] == [FOLDER.name]


def test_workflows_are_small():
    sizes = [len(ui_workflow(number)["nodes"]) for number in NUMBERS]
    assert median(sizes) <= 14 and max(sizes) <= 20


@each
def test_a_window_shows_all_of_it_readably(number):
    ui = ui_workflow(number)
    boxes = [box(node) for node in ui["nodes"]]
    boxes += [(x, y, x + width, y + height) for x, y, width, height in (one["bounding"] for one in ui["groups"])]
    left, top, right, bottom = (pick(one[n] for one in boxes) for n, pick in enumerate((min, min, max, max)))
    assert FILLED * min(WINDOW[0] / (right - left), WINDOW[1] / (bottom - top)) >= READABLE


@each
def test_groups_hold_whole_nodes_in_the_order_of_their_numbers(number):
    ui = ui_workflow(number)
    groups = sorted(ui["groups"], key=lambda group: group["bounding"][0])
    assert len(groups) >= 2
    assert [group["title"].split()[0] for group in groups] == [str(n) for n in range(1, len(groups) + 1)]
    inside = 0
    for node in ui["nodes"]:
        left, top, right, bottom = box(node)
        for x, y, width, height in (group["bounding"] for group in groups):
            apart = right <= x or left >= x + width or bottom <= y or top >= y + height
            within = left >= x and right <= x + width and top >= y and bottom <= y + height
            assert apart or within, node.get("title", node["type"])
            inside += within
    assert inside >= len(ui["nodes"]) / 2


@each
def test_the_note_can_be_read(number):
    text = note(ui_workflow(number))
    shown = re.sub(r"\]\(https://[^)]+\)", "", text)
    assert text.startswith(f"# {NAMES[number - 1][3:]}\n") and len(shown.split()) <= 230
    assert SETTINGS.search(text), "three settings, no more and no fewer"
    assert "`" not in text and not HIDDEN.search(text)
    assert all(address.startswith("https://") for address in re.findall(r"\]\(([^)]*)\)", text))
    for name in re.findall(r"\*\*(\d\d [^*]+)\*\*", text):
        assert name in NAMES


@each
def test_every_loader_says_where_its_file_is_from(number):
    ui = ui_workflow(number)
    text, known = note(ui), {url: weight for weight in WEIGHTS.values() for url in weight.urls}
    for node in all_nodes(ui):
        if node["type"] in LOADERS:
            told = node["properties"].get("models")
            assert told, node["type"]
            chosen = {value for value in node["widgets_values"] if str(value).endswith(".safetensors")}
            assert chosen <= {model["name"] for model in told}, "each file that the node has chosen"
    for model in models(ui) + ui.get("models", []):
        weight = known[model["url"]]
        assert model["url"].startswith("https://huggingface.co/")  # the frontend offers no others for download
        folder = f"{model['directory']}/{model['name']}".rpartition("/")[0]
        assert folder in (weight.folder, *weight.elsewhere)
        assert model["name"].endswith(weight.file) and model.get("hash") == weight.sha256
        assert model.get("hash_type") == ("SHA256" if weight.sha256 else None)
        assert f"]({model['url']})" in text and f"models/{folder}" in text, "the note has the link and the folder"


@each
def test_a_file_that_no_list_shows_is_offered_too(number):
    """The frontend asks for a node's models only if a widget has the file's name; for the workflow's always."""
    ui = ui_workflow(number)
    # Of several in one folder, ComfyUI's frontend takes all but the first for missing, while it still reads the folder.
    folders = [model["directory"] for model in ui.get("models", [])]
    assert len(folders) == len(set(folders))
    listed = {model["name"] for model in ui.get("models", [])}
    for node in all_nodes(ui):
        names = {model["name"] for model in node["properties"].get("models", [])}
        assert names <= listed | {value for value in node.get("widgets_values", []) if isinstance(value, str)}


@each
def test_the_template_browser_has_a_picture(number):
    path = ui_path(NAMES[number - 1]).with_suffix(".jpg")
    with Image.open(path) as picture:
        assert picture.format == "JPEG" and min(picture.size) >= 320 and max(picture.size) <= 1000
        assert max(picture.convert("L").getextrema()) > 100
    assert path.stat().st_size <= 60_000


@each
def test_titles_are_for_people(number):
    """No title is the name of a class; and what a person chooses is green."""
    ui = ui_workflow(number)
    assert not [node for node in ui["nodes"] if node.get("title") == node["type"] or "_" in node.get("title", "")]
    assert any(node.get("bgcolor") == "#353" for node in ui["nodes"])

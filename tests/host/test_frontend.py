"""The shipped workflows, opened as a user opens them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from helpers.author import renewed
from helpers.frontend import (
    Json,
    Page,
    current_prompt,
    load_workflow,
    ui_from_api,
    without_titles,
)
from helpers.server import PACK, ROOT, ComfyServer
from helpers.workflows import api_workflow, needs_nodes, ui_workflow
from stableidentity_core.head3d.settings import HeadSettings, with_preset
from stableidentity_core.methods.registry import DEFAULT
from stableidentity_core.train import default_config
from stableidentity_core.train.config import METHOD_DEFAULTS
from stableidentity_core.train.presets import PRESETS

WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
TRAIN = "StableIdentityTrain"
HEAD_SETTINGS = "StableIdentityHead3DSettings"
CHOOSE = """([values]) => {
  const node = app.graph.nodes.find((one) => one.widgets?.some(({ name }) => name === 'preset'));
  const widget = (name) => node.widgets.find((one) => one.name === name);
  for (const [name, value] of values) {
    widget(name).value = value;
    widget(name).callback?.(value, app.canvas, node, [0, 0], {});
  }
  return Object.fromEntries(node.widgets.map((one) => [one.name, one.value]));
}"""
# As after a click, when the frontend notes what can be undone.
REMEMBER = """() => {
  const tracker = app.extensionManager.workflow.activeWorkflow.changeTracker;
  if (tracker.captureCanvasState) tracker.captureCanvasState();
  else tracker.checkState();
  const shown = app.graph.nodes[0].widgets.find((one) => one.name === 'preset').value;
  return tracker.activeState.nodes[0]?.widgets_values?.includes(shown);
}"""
SMALL_PROMPT: Json = {
    "1": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "2": {"class_type": "LatentUpscaleBy", "inputs": {"samples": ["1", 0], "upscale_method": "area", "scale_by": 2.0}},
    "3": {"class_type": "SaveLatent", "inputs": {"samples": ["2", 0], "filename_prefix": "small"}},
}


def read(path: Path) -> Json:
    return json.loads(path.read_text(encoding="utf-8"))


def api_twin(workflow: Path) -> Path:
    return workflow.parent / "api" / workflow.name


def test_each_workflow_has_both_forms() -> None:
    ui, api = {path.name for path in WORKFLOWS}, {path.name for path in (ROOT / "workflows" / "api").glob("*.json")}
    assert ui, "workflows/ holds no UI-format workflow"
    assert ui == api, f"only one form of {sorted(ui ^ api)}: each needs workflows/NAME.json and workflows/api/NAME.json"


def test_the_template_browser_has_them_in_the_order_of_their_numbers(page: Page, server: ComfyServer) -> None:
    ask = "async () => (await import('/scripts/api.js')).api.getWorkflowTemplates()"
    (found,) = (names for pack, names in page.evaluate(ask).items() if pack == PACK)
    assert found == [path.stem for path in WORKFLOWS]
    for name in found:  # spaces in a name reach the server as the browser writes them
        for suffix in (".json", ".jpg"):
            status, content = server.fetch(f"/api/workflow_templates/{PACK}/{quote(name + suffix)}")
            assert status == 200 and content == (ROOT / "workflows" / f"{name}{suffix}").read_bytes()


def test_authoring_round_trip(page: Page) -> None:
    authored = ui_from_api(page, SMALL_PROMPT)
    assert load_workflow(page, authored) == []
    assert without_titles(current_prompt(page)) == SMALL_PROMPT


def test_renewing_a_workflow_keeps_values_by_name_and_adds_new_inputs(page: Page) -> None:
    """A workflow that was stored before a node had two of its inputs."""
    number = next(int(path.stem[:2]) for path in WORKFLOWS)
    ui = ui_workflow(number)
    (train,) = (node for node in ui["nodes"] if node["type"] == TRAIN)
    widgets = [one["name"] for one in train["inputs"] if "widget" in one]
    for name in ("pictures", "projector"):
        train["inputs"] = [one for one in train["inputs"] if one["name"] != name]
    values = train["widgets_values"]
    train["widgets_values"] = [value for at, value in enumerate(values) if at != widgets.index("pictures")]
    assert load_workflow(page, renewed(page, ui)) == []
    assert current_prompt(page) == api_workflow(number)


def test_problems_are_noticed(page: Page) -> None:
    broken = ui_from_api(page, SMALL_PROMPT)
    broken["nodes"][0]["type"] = "NoSuchNode"
    broken["links"].append([99, 2, 0, 3, 7, "LATENT"])
    problems = load_workflow(page, broken)
    assert any("NoSuchNode" in text for text in problems)
    assert any("99" in text for text in problems)


def declared_by(known: Json, kind: str) -> Json:
    """The inputs of a node on this host, with their options."""
    groups = known[kind]["input"].values()
    return {name: (list(spec) + [{}])[1] for inputs in groups for name, spec in (inputs or {}).items()}


def group_of(name: str) -> str:
    """The input that a socket belongs to: of `images.image_1`, `images`."""
    return name.partition(".")[0]


def without(prompt: Json, unneeded: Callable[[str, str, str, Any], bool]) -> Json:
    """Without those inputs of stock nodes of which `unneeded(node's id, class, input, value)`."""
    return {
        number: {
            **entry,
            "inputs": {
                name: value
                for name, value in entry["inputs"].items()
                if entry["class_type"].startswith("StableIdentity")
                or not unneeded(number, entry["class_type"], name, value)
            },
        }
        for number, entry in prompt.items()
    }


def as_an_older_host(prompt: Json, twin: Json, known: Json) -> Json:
    """Without what newer hosts have added to stock nodes, as long as it stands at its default."""
    return without(
        prompt,
        lambda number, kind, name, value: (
            name not in twin.get(number, {}).get("inputs", {})
            and declared_by(known, kind).get(group_of(name), {}).get("default", value) == value
        ),
    )


def known_to(twin: Json, known: Json) -> Json:
    """Without the inputs that this host's stock nodes do not have yet."""
    return without(twin, lambda _number, kind, name, _value: group_of(name) not in declared_by(known, kind))


def own(method: str) -> Json:
    return {name: getattr(default_config(method), name) for name in METHOD_DEFAULTS}


def choose(page: Page, *values: tuple[str, Any]) -> Json:
    """Set widgets of the Train node as a user does, and read what the method decides."""
    found = page.evaluate(CHOOSE, [list(values)])
    return {name: found[name] for name in METHOD_DEFAULTS}


def new_train_node(page: Page) -> None:
    page.evaluate("(kind) => { app.graph.clear(); app.graph.add(LiteGraph.createNode(kind)); }", TRAIN)


def test_choosing_a_method_sets_its_own_settings(page: Page) -> None:
    new_train_node(page)
    assert choose(page) == own("stableidentity")
    assert choose(page, ("method", "celeb_basis")) == own("celeb_basis")
    # Also over what was set by hand: settings of another method would make somebody else.
    assert choose(page, ("steps", 123), ("method", "textual_inversion")) == own("textual_inversion")
    assert choose(page, ("method", "stableidentity")) == own("stableidentity")


def chosen(page: Page, *values: tuple[str, Any]) -> Json:
    return page.evaluate(CHOOSE, [list(values)])


def test_a_preset_writes_its_settings_and_a_change_by_hand_makes_it_custom(page: Page) -> None:
    new_train_node(page)
    paper, fast = ({"method": DEFAULT, **PRESETS[name]} for name in ("paper", "fast"))

    def shows(settings: Json, found: Json) -> bool:
        return all(found[name] == value for name, value in settings.items() if name in found)

    found = chosen(page, ("method", "celeb_basis"), ("preset", "fast"))
    assert found["preset"] == "fast" and shows(fast, found)
    assert shows({"preset": "custom", "steps": 99}, chosen(page, ("steps", 99)))
    found = chosen(page, ("preset", "paper"))
    assert found["preset"] == "paper" and shows(paper, found)
    assert chosen(page, ("seed", 7))["preset"] == "paper"  # which no preset decides
    found = chosen(page, ("method", "textual_inversion"))
    assert found["preset"] == "custom" and shows(own("textual_inversion"), found)


def test_a_preset_of_heads_writes_all_of_its_widgets(page: Page) -> None:
    """Also those that an earlier preset has changed; a change by hand leaves the preset, which gives more than they."""
    page.evaluate("(kind) => { app.graph.clear(); app.graph.add(LiteGraph.createNode(kind)); }", HEAD_SETTINGS)
    before = chosen(page, ("preset", "paper"))
    assert (before["resolution"], before["elevation_from"]) == (512, HeadSettings().elevation[0])
    world = chosen(page, ("preset", "mini_world"))
    settings = with_preset(HeadSettings(), "mini_world")
    assert (world["elevation_from"], world["elevation_to"]) == settings.elevation
    assert {name: value for name, value in settings.as_dict().items() if name in world}.items() <= world.items()
    assert chosen(page, ("preset", "paper")) == before
    assert chosen(page, ("points", 999))["preset"] == "paper"


def test_undo_brings_the_old_settings_back(page: Page) -> None:
    new_train_node(page)
    chosen(page, ("preset", "paper"))  # newer frontends give it the values of an earlier node of its number
    # As a workflow of its own, with a history of its own: the one that the frontend began with may still be opened.
    page.evaluate("async () => { await app.loadGraphData(app.graph.serialize(), true, true, 'undo'); }")
    before = chosen(page)
    page.wait_for_function(REMEMBER)
    chosen(page, ("preset", "fast"))
    page.wait_for_function(REMEMBER)
    assert chosen(page) != before
    page.evaluate("() => app.extensionManager.command.execute('Comfy.Undo')")
    page.wait_for_function("() => app.graph._nodes[0].widgets.find((one) => one.name === 'preset').value === 'paper'")
    assert chosen(page) == before


def test_loading_a_training_changes_none_of_its_settings(page: Page) -> None:
    """Not even the defaults of another method."""
    settings = {**own("stableidentity"), "method": "celeb_basis"}
    prompt = {"1": {"class_type": TRAIN, "inputs": settings}}
    ui = ui_from_api(page, prompt)
    assert settings.items() <= current_prompt(page)["1"]["inputs"].items()
    load_workflow(page, ui)
    assert settings.items() <= current_prompt(page)["1"]["inputs"].items()
    assert choose(page, ("method", "textual_inversion")) == own("textual_inversion")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_opens_whole(page: Page, server: ComfyServer, workflow: Path) -> None:
    needs_nodes(server.object_info(), int(workflow.stem[:2]))
    assert load_workflow(page, read(workflow)) == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_converts_to_its_api_file(page: Page, server: ComfyServer, workflow: Path) -> None:
    known = server.object_info()
    needs_nodes(known, int(workflow.stem[:2]))
    load_workflow(page, read(workflow))
    twin = without_titles(read(api_twin(workflow)))
    assert as_an_older_host(without_titles(current_prompt(page)), twin, known) == known_to(twin, known)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_feeds_every_required_input(server: ComfyServer, workflow: Path) -> None:
    known = server.object_info()
    needs_nodes(known, int(workflow.stem[:2]))
    starved = []
    for number, node in read(api_twin(workflow)).items():
        required = required_sockets(known[node["class_type"]])
        starved += [f"node {number} {node['class_type']}.{name}" for name in required if name not in node["inputs"]]
    assert starved == []


def required_sockets(described: Json) -> list[str]:
    """The names that a prompt needs; of a group of sockets that grow, as many as the node asks for."""
    names: list[str] = []
    for name, (kind, *settings) in described["input"].get("required", {}).items():
        if kind == "COMFY_AUTOGROW_V3":
            group = settings[0]["template"]
            numbered = group.get("names") or [f"{group['prefix']}{number}" for number in range(group["max"])]
            names += [f"{name}.{one}" for one in numbered[: group.get("min", 0)]]
        else:
            names.append(name)
    return names

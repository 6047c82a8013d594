"""The demo as one prompt for ComfyUI's API, built from the shipped workflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .core import DamagedFileError, Json
from .look import PROMPTS, caption
from .outcome import ROWS, Task
from .painter import SIZE
from .preset import CFG, SAMPLER, SAMPLING_STEPS, SCHEDULER, SEED, TRAIN, UNTRAINED

WORKFLOW = Path("workflows") / "api" / "mini_world.json"
WORLD, DRAW, TRAINING, SAVE = (
    "StableIdentityMiniWorld",
    "StableIdentityMiniWorldPerson",
    "StableIdentityTrain",
    "StableIdentitySave",
)
LARGEST = 2**53 - 1  # person number that the node accepts; larger ones are uploaded as images
UPLOADS = ("photo.png", "face_mask.png", "hair_mask.png")  # in the order of the node's outputs


def demo_graph(task: Task, pack: Path) -> tuple[Json, str]:
    """The shipped workflow up to saving the person, then the three rows of pictures.

    Returns:
        The prompt and the id of its training node.

    Raises:
        DamagedFileError: the workflow is missing or differs from the shipped one.
    """
    path = pack / WORKFLOW
    try:
        shipped = json.loads(path.read_text("utf-8"))
        world, draw, training, save = (_only(shipped, kind) for kind in (WORLD, DRAW, TRAINING, SAVE))
        graph = {key: shipped[key] for key in _needed(shipped, save)}
        _set(graph, training, {"trigger": task.trigger, "steps": task.steps} | _settings(graph[training]["inputs"]))
        _set(graph, save, {"name": task.trigger})
        if abs(task.person) <= LARGEST:
            _set(graph, draw, {"person": task.person})
        else:
            graph = _with_uploads(graph, draw)
        return graph | _rows(graph, task, world, training), training
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(
            f"{path} is not the workflow that the pack ships ({type(error).__name__}: {error}). Get it from the "
            "pack's repository again."
        ) from error


def sampler_id(row: str, number: int) -> str:
    return f"{row} {number} sampled"


def picture_id(row: str, number: int) -> str:
    """The node that saves a picture."""
    return f"{row} {number} saved"


def _rows(graph: Json, task: Task, world: str, training: str) -> Json:
    untrained = {"class_type": TRAINING, "inputs": {**graph[training]["inputs"], **UNTRAINED}}
    nodes = {
        "untrained": untrained,
        "latent": _node("EmptyLatentImage", width=SIZE, height=SIZE, batch_size=1),
        "negative": _node("CLIPTextEncode", clip=[world, 1], text=""),
    }
    for row, identity in (("person", training), ("untrained", "untrained")):
        nodes[f"{row} clip"] = _node("StableIdentityApply", clip=[world, 1], identity=[identity, 0], trigger="")
    clips = {"person": ["person clip", 0], "celebrity": [world, 1], "untrained": ["untrained clip", 0]}
    for row in ROWS:
        who = task.celebrity if row == "celebrity" else f"<{task.trigger}>"
        for number, look in enumerate(PROMPTS):
            nodes |= _picture(world, row, number, caption(look, who), clips[row])
    duplicates = graph.keys() & nodes.keys()
    if duplicates:
        raise KeyError(f"its nodes {sorted(duplicates)} have ids that the demo uses")
    return nodes


def _picture(world: str, row: str, number: int, text: str, clip: list[Any]) -> Json:
    prompt, sampled, decoded = f"{row} {number}", sampler_id(row, number), f"{row} {number} decoded"
    return {
        prompt: _node("CLIPTextEncode", clip=clip, text=text),
        sampled: _node(
            "KSampler",
            model=[world, 0],
            positive=[prompt, 0],
            negative=["negative", 0],
            latent_image=["latent", 0],
            seed=SEED + number,
            steps=SAMPLING_STEPS,
            cfg=CFG,
            sampler_name=SAMPLER,
            scheduler=SCHEDULER,
            denoise=1.0,
        ),
        decoded: _node("VAEDecode", samples=[sampled, 0], vae=[world, 2]),
        picture_id(row, number): _node("SaveImage", images=[decoded, 0], filename_prefix=f"{row}-{number}"),
    }


def _settings(offered: Json) -> Json:
    """The settings of the preset for which the node has widgets; previews are off to save time."""
    preset = TRAIN.as_dict() | {"preview_every": 0, "force_retrain": False, "pictures": 0}
    return {name: value for name, value in preset.items() if name in offered and name != "steps"}


def _with_uploads(graph: Json, draw: str) -> Json:
    """Replace Draw a Person by images from the input folder."""
    loads = [_node("LoadImage", image=UPLOADS[0])]
    loads += [_node("LoadImageMask", image=name, channel="red") for name in UPLOADS[1:]]
    ids = [f"{draw} {name}" for name in UPLOADS]

    def link(value: Any) -> Any:
        return [ids[value[1]], 0] if isinstance(value, list) and value[0] == draw else value

    others = {
        key: {**node, "inputs": {name: link(value) for name, value in node["inputs"].items()}}
        for key, node in graph.items()
        if key != draw
    }
    return others | dict(zip(ids, loads, strict=True))


def _needed(graph: Json, node: str) -> list[str]:
    """A node and everything upstream of it."""
    found, open_ends = [], [node]
    while open_ends:
        key = open_ends.pop()
        if key not in found:
            found.append(key)
            open_ends += [value[0] for value in graph[key]["inputs"].values() if isinstance(value, list)]
    return found


def _only(graph: Json, kind: str) -> str:
    found = [key for key, node in graph.items() if node["class_type"] == kind]
    if len(found) != 1:
        raise ValueError(f"{len(found)} nodes {kind}, needed 1")
    return found[0]


def _set(graph: Json, key: str, values: Json) -> None:
    graph[key] = {**graph[key], "inputs": {**graph[key]["inputs"], **values}}


def _node(kind: str, **inputs: Any) -> Json:
    return {"class_type": kind, "inputs": inputs}

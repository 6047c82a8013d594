"""The shipped workflows run: their API files, with the weights exchanged for tiny ones and less work."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from helpers.prompts import Json, node
from helpers.server import ROOT
from helpers.world import World

SMALLER = {
    "StableIdentityTrain": {"steps": 3, "resolution": 64},
    "EmptyLatentImage": {"width": 64, "height": 64, "batch_size": 1},
    "KSampler": {"steps": 2},
    "StableIdentityLoadFaceEncoder": {"encoder_name": "tiny"},
}


def tiny(name: str, world: World) -> Json:
    """A shipped API workflow on tiny weights."""
    prompt = json.loads((ROOT / "workflows/api" / f"{name}.json").read_text("utf-8"))
    for key, entry in prompt.items():
        entry["inputs"].update(SMALLER.get(entry["class_type"], {}))
        if entry["class_type"] == "CheckpointLoaderSimple":
            prompt[key] = node("SITestTinyTrio", folder=str(world.eps))
        if entry["class_type"] == "ControlNetLoader":
            prompt[key] = node("SITestTinyControlNet")
    return prompt


def run(name: str, world: World, **changes: Json) -> dict[str, np.ndarray]:
    """Pictures by node, after the whole workflow has run."""
    prompt = tiny(name, world)
    for key, inputs in changes.items():
        prompt[key.removeprefix("node_")]["inputs"].update(inputs)
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert {key for key in prompt if key not in result.cached_nodes} <= result.executed_nodes
    return {
        key: np.asarray(Image.open(io.BytesIO(world.server.view(output["images"][0]))))
        for key, output in result.outputs.items()
        if "images" in output and output["images"][0]["type"] != "input"
    }


@pytest.fixture(scope="module")
def learned(world: World) -> dict[str, np.ndarray]:
    for side, name in ((512, "photo.jpg"), (64, "pose.png")):
        with Image.open(world.server.input / "astronaut.png") as photo:
            photo.resize((side, side)).save(world.server.input / name)
    return run("learn_from_photo", world)


def test_learn_from_photo_ends_in_a_file_and_pictures(world, learned):
    assert world.embedding("person-1").is_file()
    assert learned["18"].shape == (64, 64, 3) and learned["18"].std() > 1
    assert learned["11"].shape == learned["12"].shape == (512, 512, 3)
    tinted = np.abs(learned["11"].astype(int) - learned["12"].astype(int)).max(-1) > 20
    assert 0.15 < tinted.mean() < 0.4  # the oval that stands for the face


def test_use_identity_paints_by_both_routes(world, learned):
    pictures = run("use_identity", world)
    assert pictures.keys() == {"12", "13"} and all(picture.std() > 1 for picture in pictures.values())


def test_controlnet_steers_the_picture(world, learned):
    steered = run("controlnet_pose", world)["11"]
    free = run("controlnet_pose", world, node_7={"strength": 0.0})["11"]
    assert steered.shape == (64, 64, 3)
    assert np.abs(steered.astype(int) - free.astype(int)).max() > 2

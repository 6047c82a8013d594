"""The shipped workflows run: their API files, with the weights exchanged for tiny ones and less work."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from helpers.flow_hosts import needs_flow
from helpers.prompts import Json
from helpers.refusal import node
from helpers.workflows import api_workflow, needs_nodes, of_kind
from helpers.world import World
from stableidentity_core.head3d.splat_files import load_splat

SMALLER = {
    "StableIdentityTrain": {"preset": "custom", "steps": 3, "resolution": 64},
    "EmptyLatentImage": {"width": 64, "height": 64, "batch_size": 1},
    "EmptySD3LatentImage": {"width": 64, "height": 64, "batch_size": 1},
    "EmptyHunyuanLatentVideo": {"width": 64, "height": 64, "length": 5, "batch_size": 1},
    "KSampler": {"steps": 2},
    "StableIdentityLoadFaceEncoder": {"encoder_name": "tiny"},
}
FLOW = {21: "SD3.5", 22: "Z-Image", 23: "Wan"}
LOADED = {"UNETLoader": 0, "CLIPLoader": 1, "VAELoader": 2}  # outputs of a checkpoint's loader


def tiny(number: int, world: World) -> Json:
    """A shipped API workflow on tiny weights."""
    prompt = api_workflow(number)
    for key, entry in prompt.items():
        entry["inputs"].update(SMALLER.get(entry["class_type"], {}))
        if entry["class_type"] == "CheckpointLoaderSimple":
            prompt[key] = node("SITestTinyTrio", folder=str(world.eps))
        if entry["class_type"] == "ControlNetLoader":
            prompt[key] = node("SITestTinyControlNet")
    return prompt


def tiny_flow(number: int, world: World) -> Json:
    """One of those on flow models, on tiny weights."""
    prompt = tiny(number, world)
    loaders = {key for key, entry in prompt.items() if entry["class_type"] in (*LOADED, "SITestTinyTrio")}
    for entry in prompt.values():
        for name, value in entry["inputs"].items():
            if isinstance(value, list) and value[0] in loaders:
                loader = prompt[value[0]]["class_type"]
                entry["inputs"][name] = ["flow", LOADED.get(loader, value[1])]
    for key in loaders:
        del prompt[key]
    prompt["flow"] = node("SITestTinyFlow", kind=FLOW[number])
    return prompt


def frames(file: bytes) -> list[np.ndarray]:
    """Of a picture, or of an mp4."""
    if file[4:8] != b"ftyp":
        return [np.asarray(Image.open(io.BytesIO(file)))]
    import av

    with av.open(io.BytesIO(file)) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


def run(number: int, world: World, **changes: Json) -> dict[str, list[np.ndarray]]:
    """Pictures by title, after the whole workflow has run; changes by class."""
    prompt = tiny(number, world)
    for entry in prompt.values():
        entry["inputs"].update(changes.get(entry["class_type"], {}))
    return painted(prompt, world)


def painted(prompt: Json, world: World) -> dict[str, list[np.ndarray]]:
    """Pictures by title, after the whole prompt has run."""
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert {key for key in prompt if key not in result.cached_nodes} <= result.executed_nodes
    return {
        prompt[key].get("_meta", {}).get("title", key): [
            frame for one in output["images"] for frame in frames(world.server.view(one))
        ]
        for key, output in result.outputs.items()
        if "images" in output and output["images"][0]["type"] != "input"
    }


@pytest.fixture(scope="module")
def photos(world: World) -> None:
    for side, name in ((512, "photo.jpg"), (64, "pose.png")):
        with Image.open(world.server.input / "astronaut.png") as photo:
            photo.resize((side, side)).save(world.server.input / name)


@pytest.fixture(scope="module")
def learned(world: World, photos: None) -> dict[str, list[np.ndarray]]:
    return run(2, world)


def test_learn_from_photo_ends_in_a_file_and_pictures(world, learned):
    assert world.embedding("person-1").is_file()
    (picture,) = learned["The new pictures"]
    assert picture.shape == (64, 64, 3) and picture.std() > 1


def test_use_identity_paints_by_both_routes(world, learned):
    by_file, by_trigger = run(3, world)["The new pictures"]
    assert min(by_file.std(), by_trigger.std()) > 1 and not np.array_equal(by_file, by_trigger)


def test_controlnet_steers_the_picture(world, learned):
    (steered,) = run(10, world)["The new pictures"]
    (free,) = run(10, world, ControlNetApplyAdvanced={"strength": 0.0})["The new pictures"]
    assert steered.shape == (64, 64, 3)
    assert np.abs(steered.astype(int) - free.astype(int)).max() > 2


def test_a_saved_person_is_measured(world, learned):
    """By the tiny encoder, which is also that of the training: refused as long as the node knows the identity."""
    prompt = tiny(17, world)
    (key,) = (key for key, entry in prompt.items() if entry["class_type"] == "StableIdentityScore")
    score = prompt[key]["inputs"]
    score["find_face"] = "off"
    assert "face encoder that the identities were trained with" in world.server.run(prompt).error
    del score["identity"]
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    table = result.outputs[key]["text"][0]
    assert "in the mean of 6 pictures" in table and "| 6 | an oil painting of a person |" in table
    assert "its files are not installed" in table and "taken as aligned portraits" in table
    pages = (world.server.output / "StableIdentity").glob("report_*/report.html")
    assert any("<h1>How good is my identity</h1>" in page.read_text("utf-8") for page in pages)


def test_a_painted_picture_becomes_a_head_in_3d(world, learned):
    """By the host's own nodes with tiny networks: what is sent from node to node fits, and the head stands in the
    middle, as large as one of Head 3D."""
    needs_nodes(world.server.object_info(), 20)
    prompt = tiny(20, world)
    prompt["networks"] = node("SITestTinyTripoSplat")
    outputs = {"UNETLoader": 0, "CLIPVisionLoader": 1, "VAELoader": 2, "LoadBackgroundRemovalModel": 4}
    loaders = {key: outputs[kind] for key, entry in prompt.items() if (kind := entry["class_type"]) in outputs}
    for entry in prompt.values():
        for name, value in entry["inputs"].items():
            if isinstance(value, list) and value[0] in loaders:
                decodes = entry["class_type"] == "VAEDecodeTripoSplat"
                entry["inputs"][name] = ["networks", 3 if decodes else loaders[value[0]]]
    for key in loaders:
        del prompt[key]
    less = {
        "KSampler": {"steps": 1, "cfg": 1.0},
        "TripoSplatPreprocessImage": {"size": 256},
        "VAEDecodeTripoSplat": {"num_gaussians": 32768},
        "StableIdentityTurntable": {"frames": 2, "size": 64},
    }
    for entry in prompt.values():
        entry["inputs"].update(less.get(entry["class_type"], {}))
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    splat = load_splat(max((world.server.output / "StableIdentity").glob("head_*.ply")))
    reach = splat.positions.abs().quantile(0.99)
    assert len(splat) == 32768 and 0.5 < reach < 2
    assert any("filename" in str(output) and ".mp4" in str(output) for output in result.outputs.values())


@pytest.mark.parametrize("number", FLOW)
def test_a_person_is_learned_and_painted_on_a_flow_model(world, photos, comfyui, number):
    """Behind Apply Identity the stock prompt node reads the word as the person; before it, as plain text."""
    needs_flow(comfyui)
    prompt = tiny_flow(number, world)
    (train,) = of_kind(prompt, "StableIdentityTrain")
    if number == 21:  # a projector for the width of T5-XXL has 73 million weights
        train["method"] = "textual_inversion"
    (saved,) = of_kind(prompt, "StableIdentitySave")
    (text,) = (one for one in of_kind(prompt, "CLIPTextEncode") if f"<{saved['name']}>" in one["text"])
    title, length = ("The video", 5) if number == 23 else ("The new picture", 1)
    person = painted(prompt, world)[title]
    assert world.embedding(saved["name"]).is_file()
    assert len(person) == length and person[0].shape == (64, 64, 3) and person[0].std() > 1
    text["clip"] = ["flow", 1]
    assert not np.array_equal(person, painted(prompt, world)[title])

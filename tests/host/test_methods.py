"""The three methods behind one node, in the real server; and the workflow that holds them side by side."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from itertools import combinations

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.prompts import Json, compare, learn, node
from helpers.workflows import api_workflow
from helpers.world import World
from stableidentity_core.identity import load_identity
from stableidentity_core.methods import METHODS, read_coefficients
from stableidentity_core.train import TrainConfig, default_config
from stableidentity_core.train.config import METHOD_DEFAULTS
from stableidentity_core.train.presets import PRESETS


def own(method: str) -> Json:
    """The settings of a method, as its widgets are filled by the frontend."""
    return {name: getattr(default_config(method), name) for name in METHOD_DEFAULTS}


def by(world: World, method: str, name: str, **settings) -> Json:
    """Two steps of a method; Textual Inversion with no encoder anywhere."""
    prompt = learn(world.eps, name=name, **{**own(method), "steps": 2, "method": method, **settings})
    if method == "textual_inversion":
        del prompt["encoder"], prompt["encoded"]
        prompt["train"]["inputs"]["face"] = ["face", 0]
    return prompt


@pytest.mark.parametrize("method", METHODS)
def test_each_method_ends_in_a_file_that_says_so(world, method):
    result = world.server.run(by(world, method, method))
    assert result.status == "success", result.error
    identity = load_identity(world.embedding(method))
    header, settings = identity.header, json.loads(identity.header["settings"])
    assert header["method"] == method and header["steps"] == "2"
    assert identity.words["clip_h"].shape == (2, 64)
    assert {**own(method), "steps": 2, "method": method}.items() <= settings.items()
    assert ("face_encoder" in header) == (method != "textual_inversion")
    assert (method == "celeb_basis") == ("coefficients" in header)
    stock = node("CLIPTextEncode", clip=["trio", 1], text=f"a photo of embedding:{method} smiling")
    other = node("CLIPTextEncode", clip=["trio", 1], text="a photo of somebody smiling")
    shown = world.server.run(compare(world.eps, stock, other))
    assert shown.outputs["compare"]["difference"][0] > 1e-3, "the stock prompt did not take the file"


def test_a_preset_that_the_widgets_contradict_is_refused(world):
    prompt = learn(world.eps, name="fast", preset="fast", **{**PRESETS["fast"], "learning_rate": 1e-6})
    message = refusal(world, prompt)
    assert "learning_rate 1e-06 (preset: 0.0002)" in message and "Set preset to custom" in message
    assert "steps" not in message


def test_a_preset_and_its_own_settings(world):
    prompt = learn(world.eps, name="fast", preset="fast", **{**PRESETS["fast"], "seed": 5})
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    settings = json.loads(load_identity(world.embedding("fast")).header["settings"])
    trained = asdict(TrainConfig.from_dict(settings))
    assert PRESETS["fast"].items() <= trained.items() and trained["seed"] == 5


def test_a_preset_is_of_one_method(world):
    result = world.server.run(by(world, "celeb_basis", "odd", preset="fast"))
    assert result.status == "error"
    (event,) = result.of("execution_error")
    assert "The preset fast is of stableidentity" in event.data["exception_message"]


def test_coefficients_come_back_from_the_hosts_file(world):
    result = world.server.run(by(world, "celeb_basis", "coefficients"))
    assert result.status == "success", result.error
    header = load_identity(world.embedding("coefficients")).header
    coefficients = read_coefficients(header)["clip_h"]
    # The tiny text encoder is 64 wide, so that there are 64 components.
    assert json.loads(header["components"]) == {"clip_h": 64} and coefficients.shape == (2, 64)
    assert torch.allclose(coefficients.norm(dim=1), torch.ones(2), atol=1e-5)  # float32


def test_an_encoder_that_textual_inversion_does_not_need_changes_nothing(world):
    """The same work, found in the store."""
    first = world.server.run(by(world, "textual_inversion", "without", seed=3))
    assert first.status == "success" and first.previews, first.error
    stored = world.trained
    prompt = learn(world.eps, name="with", **{**own("textual_inversion"), "steps": 2, "seed": 3})
    prompt["train"]["inputs"].update({"method": "textual_inversion", "face_encoder": ["encoder", 0]})
    second = world.server.run(prompt)
    assert second.status == "success" and not second.previews, second.error
    assert world.trained == stored
    assert world.embedding("with").read_bytes() == world.embedding("without").read_bytes()


def refusal(world: World, prompt: Json) -> str:
    result = world.server.run(prompt)
    assert result.status == "error", result.status
    (event,) = result.of("execution_error")
    return event.data["exception_message"]


def test_celeb_basis_without_an_encoder_wants_the_papers(world):
    prompt = by(world, "textual_inversion", "never")
    prompt["train"]["inputs"]["method"] = "celeb_basis"
    message = refusal(world, prompt)
    assert "the paper's is not installed" in message and "343 MB" in message
    assert "connect Load Face Encoder with `download` turned on" in message


def test_textual_inversions_projector_makes_no_other_words(world):
    prompt = learn(world.eps, name="never", **{**own("textual_inversion"), "steps": 2})
    prompt["train"]["inputs"]["method"] = "textual_inversion"
    prompt["project"] = node(
        "StableIdentityProject", face=["encoded", 0], projector=["train", 1], name_space=["names", 0], trigger="ben"
    )
    prompt["save"]["inputs"]["identity"] = ["project", 0]
    assert "textual_inversion, which learns its words without looking" in refusal(world, prompt)


def test_an_unknown_method_is_refused(world):
    prompt = by(world, "celeb_basis", "never")
    prompt["train"]["inputs"]["method"] = "lora"
    result = world.server.run(prompt)
    assert result.refused or result.status == "error"  # hosts before 0.4 let unknown list values through to the node
    assert "'lora'" in f"{result.node_errors}{result.error}"


def test_the_frontend_is_told_each_methods_own_settings(world):
    (_kind, options) = world.server.object_info()["StableIdentityTrain"]["input"]["required"]["method"]
    assert options["method_settings"] == {method: own(method) for method in METHODS}
    assert options["default"] == TrainConfig().method


def test_the_workflow_compares_the_methods_at_their_own_settings():
    prompt = api_workflow(9)
    trains = [entry["inputs"] for entry in prompt.values() if entry["class_type"] == "StableIdentityTrain"]
    assert [train["method"] for train in trains] == list(METHODS)
    for train in trains:
        less = {"steps": 500} if train["method"] == "textual_inversion" else {}  # not its 5,000, which take long
        assert {name: train[name] for name in METHOD_DEFAULTS} == own(train["method"]) | less
        assert ("face_encoder" in train) == (train["method"] != "textual_inversion")
    different = {"method", "face_encoder", "trigger", *METHOD_DEFAULTS}
    common = [{key: value for key, value in train.items() if key not in different} for train in trains]
    assert common[0] == common[1] == common[2]
    assert sum(entry["class_type"] == "KSampler" for entry in prompt.values()) == 1, "one seed for all"


def test_the_workflow_runs_and_saves_a_picture_per_method_and_prompt(world):
    prompt = api_workflow(9)
    less = {"StableIdentityTrain": {"steps": 2, "batch_size": 1}, "KSampler": {"steps": 2}}
    for entry in prompt.values():
        entry["inputs"].update(less.get(entry["class_type"], {}))
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    (saved,) = (key for key, entry in prompt.items() if entry["class_type"] == "SaveImage")
    files = [world.server.view(image) for image in result.outputs[saved]["images"]]
    painted = [np.asarray(Image.open(io.BytesIO(file))).astype(int) for file in files]
    assert len(painted) == 6 and all(picture.shape == (256, 256, 3) for picture in painted)
    for of_one_prompt in (painted[:3], painted[3:]):
        assert all(np.abs(one - other).mean() > 0.5 for one, other in combinations(of_one_prompt, 2))

"""Does It Know Names? in the real server."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.flow_hosts import needs_flow
from helpers.prompts import Json
from helpers.refusal import Refusals, node
from helpers.world import World


def asked(world: World, **settings) -> Json:
    links = {"model": ["trio", 0], "clip": ["trio", 1], "vae": ["trio", 2], "recogniser": ["encoder", 0]}
    values = {"names": 4, "resolution": 64, "draw": 0, "find_face": "off", "download": False, "steps": 2, "cfg": 2.5}
    return {
        "trio": node("SITestTinyTrio", folder=str(world.eps)),
        "encoder": node("StableIdentityLoadFaceEncoder", encoder_name="tiny"),
        "ask": node("StableIdentityKnowsNames", **links, **{**values, **settings}),
        "value": node("PreviewAny", source=["ask", 2]),
    }


def test_a_model_is_asked(world: World):
    result = world.server.run(asked(world), timeout=600)
    assert result.status == "success", result.error
    text = result.outputs["ask"]["text"][0]
    # Random weights paint no people: whatever is answered, it is not that they know names.
    assert not text.startswith("Yes") and "| celebrities |" in text and "4 names a group" in text
    assert text.endswith("Painted with dpmpp_2m karras, 2 steps, cfg 2.5")
    assert 0 <= float(result.outputs["value"]["text"][0]) <= 1
    sheet = np.asarray(Image.open(io.BytesIO(world.server.view(result.outputs["ask"]["images"][0]))))
    assert sheet.shape[1] > 12 * 208


def test_a_flow_model_is_asked_by_its_own_sampler(world: World, comfyui: Path):
    needs_flow(comfyui)
    prompt = asked(world)
    prompt["trio"] = node("SITestTinyFlow", kind="Z-Image")
    prompt["ask"]["inputs"] |= {"steps": 3, "cfg": 0.0}
    result = world.server.run(prompt, timeout=600)
    assert result.status == "success", result.error
    text = result.outputs["ask"]["text"][0]
    assert not text.startswith("Yes") and text.endswith("Painted with euler simple, 3 steps, cfg 1")


def test_what_cannot_be_asked_is_refused(world: World, bad: Refusals):
    bad.refused(asked(world, names=3), "smaller than min of 4", by="the schema")
    bad.refused(asked(world, find_face="auto"), "no detector installed", "download")


def test_models_that_do_not_belong_together_are_refused(world: World, bad: Refusals):
    prompt = asked(world)
    prompt["wrong"] = node("SITestWrongModel", kind="inpainting", folder=str(world.eps))
    prompt["ask"]["inputs"]["model"] = ["wrong", 0]
    bad.refused(prompt, "9 input channels", "inpainting")

"""A head in 3D in the real server: made, turned, saved, gone on with after a cancel, and refused models."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from helpers.prompts import Json
from helpers.refusal import Refusals, node
from helpers.world import World
from stableidentity_core.head3d.splat_files import load_splat

pytestmark = pytest.mark.host
AT_ONCE = 15.0  # seconds, as in test_cancel.py
SMALL = {
    **{"guidance": "sds", "gradient": "pixel", "fits": 2, "views": 1, "resolution": 128, "cfg": 4.0},
    **{"view_prompts": False, "backdrop": "learned", "azimuth": 15.0, "points": 200, "most_points": 400},
    **{"rasteriser": "auto", "elevation_from": -5.0, "elevation_to": 5.0, "densify_every": 2},
}


def head(world: World, **settings) -> Json:
    """A person that the mini world knows by name, in a few steps."""
    defaults = world.server.object_info("StableIdentityHead3DSettings")["input"]["required"]
    values = {name: options[1]["default"] for name, options in defaults.items()}
    own = {"steps": 3, "seed": 0, "prompt": "a photo of emma stone"} | settings
    return {
        "world": node("StableIdentityMiniWorld"),
        "settings": node("StableIdentityHead3DSettings", **values | SMALL | own.pop("values", {})),
        "head": node(
            "StableIdentityHead3D",
            **{"model": ["world", 0], "clip": ["world", 1], "vae": ["world", 2], "settings": ["settings", 0]},
            **{"negative": "", "preset": "mini_world"} | own,
        ),
        "save": saved(["head", 0], "first"),
    }


def saved(splat: list, name: str, form: str = "ply") -> Json:
    return node("StableIdentitySaveSplat", splat=splat, filename_prefix=f"heads/{name}", format=form)


def run(world: World, prompt: Json) -> Json:
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    return result.outputs


def newest(world: World, name: str, ending: str = "ply") -> bytes:
    return max((world.server.output / "heads").glob(f"{name}_*.{ending}")).read_bytes()


def checkpoints(world: World) -> list:
    return list((world.server.base / "user" / "stableidentity" / "heads").glob("*.safetensors"))


@pytest.fixture(scope="module")
def made(world: World) -> Json:
    prompt = head(world)
    prompt["turn"] = node(
        "StableIdentityTurntable",
        **{"splat": ["head", 0], "frames": 3, "size": 64, "arc": 40.0, "elevation": 0.0, "backdrop": "white"},
    )
    prompt["show"] = node("PreviewImage", images=["turn", 0])
    prompt["mask"] = node("MaskToImage", mask=["turn", 1])
    prompt["masks"] = node("PreviewImage", images=["mask", 0])
    prompt["small"] = saved(["head", 0], "small", "splat")
    return run(world, prompt)


def picture(world: World, shown: Json) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(world.server.view(shown))).convert("RGB")).astype(int)


def test_a_head_is_made_turned_and_saved(world: World, made: Json):
    assert "3 steps in" in made["head"]["text"][0] and "up to 15 degrees" in made["head"]["text"][0]
    assert len(made["head"]["images"]) == 4 and len(made["show"]["images"]) == 3
    views = [picture(world, shown) for shown in made["show"]["images"]]
    assert views[0].shape == (64, 64, 3) and (views[0] != views[2]).any()
    mask = picture(world, made["masks"]["images"][1])
    assert mask[0, 0].max() < 40 < mask[36, 32].min(), "the head is in the middle"
    assert "heads/first_00001.ply" in made["save"]["text"][0]
    file = world.server.output / "heads" / "first_00001.ply"
    assert 50 < len(load_splat(file)) <= 400
    assert len(newest(world, "small", "splat")) == 32 * len(load_splat(file))
    assert not checkpoints(world), "what is finished needs none"


def test_the_same_seed_gives_the_same_bytes_and_another_another(world: World, made: Json):
    first = newest(world, "first")
    prompt = head(world, restart=True)
    prompt["save"] = saved(["head", 0], "again")
    run(world, prompt)
    assert newest(world, "again") == first
    prompt["head"]["inputs"]["seed"] = 1
    run(world, prompt)
    assert newest(world, "again") != first


@pytest.fixture(scope="module")
def in_input(world: World, made: Json) -> Iterator[str]:
    file = world.server.input / "a head.ply"
    file.write_bytes(newest(world, "first"))
    yield file.name
    file.unlink()


def test_a_saved_head_is_loaded_and_begun_with(world: World, in_input: str):
    prompt = {"load": node("StableIdentityLoadSplat", file=in_input), "save": saved(["load", 0], "loaded")}
    run(world, prompt)
    before, after = (
        load_splat(max((world.server.output / "heads").glob(f"{name}_*.ply"))) for name in ("first", "loaded")
    )
    assert (before.positions - after.positions).abs().max() < 1e-6
    assert (before.opacities - after.opacities).abs().max() < 1e-6
    further = head(world, start=["load", 0], steps=1) | {"load": prompt["load"]}
    further["save"] = saved(["head", 0], "further")
    run(world, further)
    moved = load_splat(max((world.server.output / "heads").glob("further_*.ply"))).positions - before.positions
    assert 0 < moved.abs().max() < 0.05
    options = world.server.object_info("StableIdentityLoadSplat")["input"]["required"]["file"][0]
    assert in_input in str(options) or in_input in str(world.server.object_info("StableIdentityLoadSplat"))


def test_after_a_cancel_it_goes_on_and_ends_as_if_nothing_had_been(world: World, made: Json):
    whole = head(world, steps=24, seed=3)
    run(world, whole)
    uninterrupted = newest(world, "first")
    assert not checkpoints(world)
    prompt = head(world, steps=24, seed=3, restart=False)
    other = head(world, steps=3, seed=9)  # so that the host does not take its cached result
    run(world, other)
    begun = world.server.submit(prompt)
    begun.wait_for("progress")
    time.sleep(1)
    asked = time.monotonic()
    world.server.interrupt()
    result = begun.finish(timeout=60)
    assert result.status == "interrupted" and time.monotonic() - asked < AT_ONCE
    assert len(checkpoints(world)) == 1
    outputs = run(world, prompt)
    assert ", from step " in outputs["head"]["text"][0] and not checkpoints(world)
    assert newest(world, "first") == uninterrupted


def test_models_and_prompts_that_do_not_suit_are_refused(world: World, bad: Refusals):
    sdxl = head(world)
    sdxl["clip"] = node("SITestWrongClip", kind="SDXL", folder=str(world.eps))
    sdxl["head"]["inputs"]["clip"] = ["clip", 0]
    bad.refused(sdxl, "models are of SDXL", "heads in 3D were not tried", "SD1.5 or SD2.x")
    inpainting = head(world)
    inpainting["trio"] = node("SITestTinyTrio", folder=str(world.eps))
    inpainting["wrong"] = node("SITestWrongModel", kind="inpainting", folder=str(world.eps))
    inpainting["head"]["inputs"] |= {"model": ["wrong", 0], "clip": ["trio", 1], "vae": ["trio", 2]}
    bad.refused(inpainting, "9 input channels", "needed 4", "inpainting")
    inpainting["wrong"]["inputs"]["kind"] = "NaN"
    inpainting["settings"]["inputs"]["resolution"] = 64
    bad.refused(inpainting, "Step 1: the loss is", "not finite", "fp16")
    flow = head(world)
    flow["flow"] = node("ModelSamplingSD3", model=["world", 0], shift=3.0)
    flow["head"]["inputs"]["model"] = ["flow", 0]
    bad.refused(flow, "samples with", "noise schedule", "eps or v_prediction")
    bad.refused(head(world, prompt="a photo of <anna>"), "<anna>")
    size = head(world, values={"resolution": 256})
    bad.refused(size, "only works at 128x128", "Head 3D Settings", "mini_world")

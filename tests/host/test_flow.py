"""People in flow models in the real server: from a photo to the picture, and to an mp4."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from helpers.flow_hosts import needs_flow
from helpers.prompts import Json, learn, people_in
from helpers.refusal import node
from helpers.world import World
from stableidentity_core.identity import load_identity

AT_ONCE = 15.0  # seconds: half of what anything takes that does not look for a cancel; two on an idle machine
SPACES = {
    "SD3.5": {"clip_l": (2, 48), "clip_g": (2, 40), "t5xxl": (2, 4096)},
    "Z-Image": {"qwen3_4b": (2, 64)},
    "Wan": {"umt5xxl": (2, 64)},
}
SETTINGS = {
    # A projector for the width of T5-XXL has 73 million weights.
    "SD3.5": {"method": "textual_inversion", "batch_size": 2},
    "Z-Image": {"batch_size": 2},
    "Wan": {},
}


def file_name(kind: str) -> str:
    return f"flow-{kind.lower()}"


def training(world: World, kind: str, **settings) -> Json:
    settings = {"steps": 3, "learning_rate": 1e-3, **SETTINGS[kind], **settings}
    prompt = learn(world.eps, name=file_name(kind), **settings)
    prompt["trio"] = node("SITestTinyFlow", kind=kind)
    return prompt


@pytest.fixture(scope="module", autouse=True)
def newer_host(comfyui):
    needs_flow(comfyui)


@pytest.fixture(scope="module", params=SPACES)
def kind(request, world: World) -> str:
    """A family, on which a person is learned and painted at the end."""
    result = world.server.run(training(world, request.param, pictures=1))
    assert result.status == "success", result.error
    (told,) = result.outputs["save"]["text"]
    (shown,) = (text for of, text in result.texts if of == "save")
    assert shown.startswith(told.partition("<")[0]), "the node shows it"
    assert ("type embedding:" if request.param == "SD3.5" else "type <anna> in a prompt behind Apply Identity") in told
    assert result.executed_nodes and "no picture of" not in world.server.log_tail()
    return request.param


def test_the_file_has_the_words_of_all_text_encoders_under_the_hosts_keys(world, kind):
    identity = load_identity(world.embedding(file_name(kind)))
    assert {space: tuple(words.shape) for space, words in identity.words.items()} == SPACES[kind]
    before, after = (float(identity.header[f"held_out_loss_{when}"]) for when in ("before", "after"))
    assert before > 0 and after > 0 and before != after, "three steps of a model that knows nobody: measured, no more"
    assert identity.header["prediction"] == "flow" and "nobody has shown" in identity.header["experimental"]
    keys = set(load_file(world.embedding(file_name(kind))))
    assert keys == (set(SPACES[kind]) if len(SPACES[kind]) > 1 else {"<anna>"})


def test_the_store_knows_the_training_and_a_forced_one_gives_the_same_words(world, kind):
    again = world.server.run(training(world, kind, preview_every=7))
    assert again.status == "success", again.error
    assert not [event for event in again.of("progress") if event.data.get("max") == 3]
    assert not world.embedding(f"{file_name(kind)}-2").exists(), "other words would have been saved beside"


def painted(kind: str, text: str) -> Json:
    """Stock nodes behind Apply Identity: typed trigger to the picture, or to a clip of 5 frames."""
    size = {"width": 64, "height": 64, "batch_size": 1}
    empty = node("EmptyHunyuanLatentVideo", length=5, **size) if kind == "Wan" else node("EmptySD3LatentImage", **size)
    return {
        "trio": node("SITestTinyFlow", kind=kind),
        "who": node("StableIdentityLoad", name=f"{file_name(kind)}.safetensors", trigger=""),
        "applied": node("StableIdentityApply", clip=["trio", 1], identity=["who", 0], trigger=""),
        "positive": node("CLIPTextEncode", clip=["applied", 0], text=text),
        "negative": node("CLIPTextEncode", clip=["trio", 1], text=""),
        "prompt": node(
            "StableIdentityEncodePrompt", clip=["trio", 1], text="a photo of <anna> smiling", **people_in(["who", 0])
        ),
        "compare": node("SITestCompare", a=["positive", 0], b=["prompt", 0]),
        "latent": empty,
        "sampler": node(
            "KSampler",
            model=["trio", 0],
            positive=["positive", 0],
            negative=["negative", 0],
            latent_image=["latent", 0],
            seed=1,
            steps=2,
            cfg=4.0,
            sampler_name="euler",
            scheduler="simple",
            denoise=1.0,
        ),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["trio", 2]),
        "save": node("SaveImage", images=["decode", 0], filename_prefix="flow"),
    }


def test_a_typed_trigger_paints_the_person(world, kind):
    def frames(text: str) -> tuple[list[np.ndarray], float]:
        result = world.server.run(painted(kind, text))
        assert result.status == "success", result.error
        files = [world.server.view(image) for image in result.outputs["save"]["images"]]
        pictures = [np.asarray(Image.open(io.BytesIO(file))).astype(int) for file in files]
        return pictures, result.outputs["compare"]["difference"][0]

    person, difference = frames("a photo of <anna> smiling")
    assert difference == 0, "Prompt with Identity and Apply Identity read a prompt alike"
    other, difference = frames("a photo of somebody smiling")
    assert difference > 0 and (person[0] != other[0]).any()
    assert len(person) == (5 if kind == "Wan" else 1)


@pytest.mark.parametrize("kind", ["Wan"], indirect=True)
def test_stock_nodes_make_an_mp4_of_the_person(world, kind):
    import av

    prompt = painted(kind, "a photo of <anna> smiling")
    prompt["clip"] = node("CreateVideo", images=["decode", 0], fps=8.0)
    prompt["save"] = node("SaveVideo", video=["clip", 0], filename_prefix="flow", format="mp4", codec="h264")
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    (path,) = world.server.output.glob("flow*.mp4")
    with av.open(str(path)) as file:
        assert sum(1 for _frame in file.decode(video=0)) == 5


def test_a_cancel_ends_a_training_at_once_and_leaves_nothing(world, kind):
    before = world.trained
    run = world.server.submit(training(world, kind, steps=5000, seed=1))
    event = run.wait_for("progress")
    assert event is not None and event.data["max"] == 5000
    asked = time.monotonic()
    world.server.interrupt()
    result = run.finish(timeout=60)
    assert result.status == "interrupted", result.error
    assert time.monotonic() - asked < AT_ONCE and world.trained == before


@pytest.mark.parametrize("way", ["StableIdentityApply", "StableIdentityEncodePrompt"])
def test_a_person_of_sd2_in_a_graph_of_sd3(world, bad, people, way):
    prompt = {
        "trio": node("SITestTinyFlow", kind="SD3.5"),
        "who": node("StableIdentityLoad", name="bad-anna.safetensors", trigger=""),
    }
    if way == "StableIdentityApply":
        prompt["applied"] = node(way, clip=["trio", 1], identity=["who", 0], trigger="")
        prompt["encoded"] = node("CLIPTextEncode", clip=["applied", 0], text="<anna>")
    else:
        prompt["encoded"] = node(way, clip=["trio", 1], text="<anna>", **people_in(["who", 0]))
    prompt["out"] = node("SITestCompare", a=["encoded", 0], b=["encoded", 0])
    bad.refused(prompt, "learned for clip_h (width 64)", "SD3.5: clip_l (width 48)", "t5xxl (width 4096)")


def test_a_model_with_another_models_text_encoder(world, bad):
    prompt = training(world, "Z-Image")
    prompt["other"] = node("SITestTinyFlow", kind="Wan")
    prompt["train"]["inputs"]["model"] = ["other", 0]
    bad.refused(prompt, "MODEL is Wan text-to-video", "CLIP is that of Z-Image", "Load the MODEL, the text encoder")

"""What StableIdentity Train shows in the real server: text, pictures, and how it ended."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from helpers.prompts import Json, learn, node, several
from helpers.world import World

SEED, STEPS = 4711, 6
SAMPLER = {"steps": 20, "cfg": 7.0, "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 1.0}


def watched(world: World, name: str, pictures: int = 1, **settings) -> Json:
    prompt = learn(world.eps, name=name, **{"steps": STEPS, "seed": SEED, "pictures": pictures, **settings})
    return {**prompt, "shown": node("PreviewImage", images=["train", 3])}


def run(world: World, prompt: Json):
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    return result


def pixels(world: World, result, of: str) -> list[np.ndarray]:
    return [np.asarray(Image.open(io.BytesIO(world.server.view(one)))) for one in result.outputs[of]["images"]]


@pytest.fixture(scope="module")
def painted(world: World):
    return run(world, watched(world, "watched", 3, picture_prompt="<person> smiling"))


def told_by_train(result) -> list[str]:
    return [text for of, text in result.texts if of == "train"]


def test_it_tells_what_it_does_from_the_beginning_to_the_verdict(painted):
    texts = told_by_train(painted)
    stages = ["loading the models", "checking the gradient", "encoding the photo", "measuring the held-out loss"]
    assert [text for text in texts if text in stages] == stages
    steps = [text for text in texts if text.startswith("step ")]
    # At most two lines a second: how many steps fall between them is up to the machine.
    assert steps and re.fullmatch(rf"step \d of {STEPS}, .* left", steps[0]), steps
    assert "painting anna" in texts
    assert "learned: held-out loss " in texts[-1] and texts[-1].endswith(" s)"), texts[-1]


def test_the_pictures_are_in_the_output_and_the_last_is_on_the_node(world, painted):
    first, second, last = pixels(world, painted, "shown")
    assert first.shape == (64, 64, 3) and last.std() > 3
    assert (first != second).any() and (second != last).any()
    (shown,) = pixels(world, painted, "train")
    assert (shown == last).all()
    preview = np.asarray(Image.open(io.BytesIO(painted.previews[-1].image)))
    assert preview.shape == last.shape
    assert np.corrcoef(preview.ravel(), last.ravel())[0, 1] > 0.7, "JPEG keeps that much of a picture of noise"


def test_the_last_is_what_stock_nodes_paint_with_the_words(world, painted):
    prompt = {
        "trio": node("SITestTinyTrio", folder=str(world.eps)),
        "positive": node("CLIPTextEncode", clip=["trio", 1], text="embedding:watched smiling"),
        "negative": node("CLIPTextEncode", clip=["trio", 1], text=""),
        "latent": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "sampler": node(
            "KSampler",
            model=["trio", 0],
            positive=["positive", 0],
            negative=["negative", 0],
            latent_image=["latent", 0],
            seed=SEED,
            **SAMPLER,
        ),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["trio", 2]),
        "save": node("PreviewImage", images=["decode", 0]),
    }
    (expected,) = pixels(world, run(world, prompt), "save")
    (shown,) = pixels(world, painted, "train")
    assert (shown == expected).all()


@pytest.mark.parametrize("pictures", [0, 1])
def test_pictures_change_no_word(world, painted, pictures):
    prompt = watched(world, f"watched-{pictures}", pictures, force_retrain=True)
    if not pictures:
        del prompt["shown"]
    run(world, prompt)
    words = [world.embedding(name).read_bytes() for name in ("watched", f"watched-{pictures}")]
    assert words[0] == words[1]


def test_a_stored_training_shows_the_person_too(world, painted):
    again = run(world, watched(world, "watched", 3, picture_prompt="<person> smiling", preview_every=3))
    assert told_by_train(again)[-1].endswith("(learned before, taken from the store)")
    (shown,) = pixels(world, again, "shown")
    assert (shown == pixels(world, painted, "shown")[-1]).all()


def test_without_pictures_what_is_behind_the_output_says_why(world, painted):
    result = world.server.run(watched(world, "watched", 0, preview_every=4))
    assert result.status == "error" and "pictures is 0. Set it to 1 or more" in result.error


def test_each_of_several_people_has_a_picture(world):
    prompt = watched(world, "pair", 2, trigger="pair-a, pair-b", people_at_once=1, seed=SEED + 1)
    prompt["negative"] = node("ImageInvert", image=["image", 0])
    prompt["face 2"] = node("StableIdentityPrepareFace", image=["negative", 0], find_face="off", parse_face="off")
    prompt["encoded 2"] = node("StableIdentityEncodeFace", face_encoder=["encoder", 0], face=["face 2", 0])
    prompt["people"] = node(
        "StableIdentityPeople", trigger="", **several("faces.face", ["encoded", 0], ["encoded 2", 0])
    )
    prompt["train"]["inputs"]["face"] = ["people", 0]
    prompt["one"] = node("StableIdentityPick", identity=["train", 0], number=2)
    prompt["save"]["inputs"]["identity"] = ["one", 0]
    result = run(world, prompt)
    first, second = pixels(world, result, "train")
    assert (first != second).any() and len(pixels(world, result, "shown")) == 4
    texts = told_by_train(result)
    assert any(re.match(rf"person 2 of 2, step \d of {STEPS}", text) for text in texts)
    assert "painting pair-b, 2 of 2" in texts and texts[-1].startswith("2 people: ")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"picture_prompt": "a photo of a person"}, "nobody appears. Write <person>"),
        ({"picture_prompt": "<person>, <person >"}, "<person >"),
        ({"pictures": 101}, "pictures is 101"),
    ],
)
def test_bad_widgets_are_refused_before_any_work(world, settings, told):
    result = world.server.run(watched(world, "never", **settings))
    assert result.refused and told in str(result.node_errors["train"])


def test_somebody_else_in_the_prompt_is_refused(world, bad):
    bad.refused(watched(world, "never", picture_prompt="<person> and <ben>"), "contains <ben>", "<anna>")

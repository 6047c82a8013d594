"""A photo learned in the real server, from queued prompts."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.prompts import compare, learn, node, people_in, sample
from helpers.world import World
from stableidentity_core.identity import load_identity


@pytest.fixture(scope="module")
def learned(world: World):
    """The first training of the session, in full."""
    return world.server.run(learn(world.eps, name="first"))


def test_a_photo_becomes_a_file(world, learned):
    assert learned.status == "success", learned.error
    identity = load_identity(world.embedding("first"))
    assert identity.trigger == "<anna>"
    assert identity.words["clip_h"].shape == (2, 64)
    assert identity.header["steps"] == "12" and identity.header["method"] == "stableidentity"
    assert float(identity.header["held_out_loss_after"]) > 0
    assert "embedding:first" in learned.outputs["save"]["text"][0]


def test_progress_and_previews_arrive(learned):
    steps = [event.data for event in learned.of("progress") if event.data.get("max") == 12]
    assert steps and steps[-1]["value"] == 12
    assert learned.previews, "no preview picture came while training"
    picture = np.asarray(Image.open(io.BytesIO(learned.previews[-1].image)))
    assert picture.shape == (256, 256, 3) and picture.std() > 5


def test_the_loss_curve_is_a_picture(world, learned):
    picture = np.asarray(Image.open(io.BytesIO(world.server.view(learned.outputs["curve"]["images"][0]))))
    assert picture.shape == (384, 768, 3)
    assert (picture < 100).any() and picture.mean() > 150  # dark lines on a light ground


def test_stock_prompt_reads_the_file(world, learned):
    prompt = compare(
        world.eps,
        node("CLIPTextEncode", clip=["trio", 1], text="a photo of embedding:first smiling"),
        node("CLIPTextEncode", clip=["trio", 1], text="a photo of somebody smiling"),
    )
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert result.outputs["compare"]["difference"][0] > 1e-3, "the embedding had no effect"


@pytest.mark.parametrize(
    ("stock", "ours"),
    [
        ("a photo of embedding:first smiling", "a photo of <anna> smiling"),
        ("(embedding:first:1.3) in the snow", "(<anna>:1.3) in the snow"),
        ("photo, embedding:first , smiling", "photo,<anna>,smiling"),
        ("embedding:first and embedding:first", "<anna> and <anna>"),
        ("very long " * 45 + "embedding:first", "very long " * 45 + "<anna>"),
    ],
)
def test_all_three_ways_to_prompt_are_bit_equal(world, learned, stock, ours):
    load = {"identity": node("StableIdentityLoad", name="first.safetensors", trigger="")}
    encode = node("StableIdentityEncodePrompt", clip=["trio", 1], text=ours, **people_in(["identity", 0]))
    apply = {"applied": node("StableIdentityApply", clip=["trio", 1], identity=["identity", 0], trigger="")}
    by_file = node("CLIPTextEncode", clip=["trio", 1], text=stock)
    by_apply = node("CLIPTextEncode", clip=["applied", 0], text=ours)
    for other, more in ((encode, load), (by_apply, {**load, **apply})):
        result = world.server.run(compare(world.eps, by_file, other, more))
        assert result.status == "success", result.error
        assert result.outputs["compare"]["difference"][0] == 0


def test_a_wild_training_says_so(world, learned):
    """On the node, in the log, on the loss picture and in the file; also when it is taken from the store."""
    told = "learning_rate is 20,000 times the 5e-05 of stableidentity."
    prompt = learn(world.eps, name="wild", learning_rate=1.0, normalization="joint_affine")
    for preview_every in (5, 6):
        prompt["train"]["inputs"]["preview_every"] = preview_every
        result = world.server.run(prompt)
        assert result.status == "success", result.error
        line, text = result.outputs["train"]["text"]
        assert text.startswith("<anna>: ") and told in text and not line.startswith("<anna> learned")
        assert told in [text for of, text in result.texts if of == "train"][-1], "not to be read on the node"
        assert told in world.server.log_tail()
        picture = np.asarray(Image.open(io.BytesIO(world.server.view(result.outputs["curve"]["images"][0]))))
        red = (picture[..., 0] > 150) & (picture[..., 1] < 100) & (picture[..., 2] < 100)
        assert red[:90].any(), "no red line above the curve"
    assert "20,000 times" in load_identity(world.embedding("wild")).header["warning"]
    load = {
        "load": node("StableIdentityLoad", name="wild.safetensors", trigger=""),
        "save": node("StableIdentitySave", identity=["load", 0], name="wild-again", if_exists="stop"),
    }
    result = world.server.run(load)
    assert result.status == "success", result.error
    (text,) = result.outputs["load"]["text"]
    assert told in text, "Load Identity says nothing of it"
    assert (
        len(learned.outputs["train"]["text"]) == 1 and "warning" not in load_identity(world.embedding("first")).header
    )


def test_queued_again_it_does_not_train(world, learned):
    again = learn(world.eps, name="first", preview_every=7)  # another widget, so that the host runs the node again
    result = world.server.run(again)
    assert result.status == "success", result.error
    assert "train" in result.executed_nodes
    assert not [event for event in result.of("progress") if event.data.get("max") == 12]
    assert not world.embedding("first-2").exists(), "equal words were saved twice"


def test_forced_it_trains_again_to_equal_bytes(world, learned):
    result = world.server.run(learn(world.eps, name="forced", force_retrain=True))
    assert result.status == "success", result.error
    assert result.previews
    assert world.embedding("forced").read_bytes() == world.embedding("first").read_bytes()
    again = world.server.run(learn(world.eps, name="forced", force_retrain=True))
    assert again.previews, "queued unchanged, a forced training must run again"


def test_saving_again_does_not_run_what_comes_after(world, learned):
    """The second queueing of the same prompt finds Save and everything behind it in the host's cache."""
    prompt = learn(world.eps, name="saved-once")
    prompt["behind"] = node("CLIPTextEncode", clip=["trio", 1], text=["save", 0])
    prompt["shown"] = node("SITestCompare", a=["behind", 0], b=["behind", 0])
    assert world.server.run(prompt).status == "success"
    again = world.server.run(prompt)
    assert again.status == "success" and not {"save", "behind"} & again.executed_nodes
    world.embedding("saved-once").unlink()
    third = world.server.run(prompt)
    assert third.status == "success" and world.embedding("saved-once").is_file(), "a file taken away was not saved anew"


def test_another_seed_is_another_training(world, learned):
    result = world.server.run(learn(world.eps, name="first", seed=5))
    assert result.status == "success", result.error
    first, second = (load_identity(world.embedding(name)).words["clip_h"] for name in ("first", "first-2"))
    assert not torch.equal(first, second)


def test_v_models_train(world):
    result = world.server.run(learn(world.v, name="velocity"))
    assert result.status == "success", result.error
    assert load_identity(world.embedding("velocity")).header["prediction"] == "v_prediction"


def test_projector_gives_the_trained_words_for_the_same_face(world, learned):
    prompt = learn(world.eps, name="first")
    prompt["project"] = node(
        "StableIdentityProject", face=["encoded", 0], projector=["train", 1], name_space=["names", 0], trigger="anna"
    )
    prompt["save"] = node("StableIdentitySave", identity=["project", 0], name="projected", if_exists="stop")
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    trained, projected = (load_identity(world.embedding(name)).words["clip_h"] for name in ("first", "projected"))
    assert torch.equal(trained, projected)


def test_interrupt_stops_the_training_and_leaves_nothing(world, learned):
    stored = world.trained
    run = world.server.submit(learn(world.eps, name="interrupted", steps=5000, seed=77))
    assert run.wait_for("progress") is not None
    time.sleep(1)
    world.server.interrupt()
    result = run.finish(timeout=60)  # the campaign measures the seconds
    assert result.status == "interrupted"
    assert 0 < result.of("progress")[-1].data["value"] < 5000
    assert world.trained == stored and not world.embedding("interrupted").exists()
    after = world.server.run(learn(world.eps, name="after", seed=78))
    assert after.status == "success", after.error


def test_the_host_is_left_as_it_was(world):
    """KSampler's pictures are bit-equal before and after a training on the very same modules."""
    picture = sample(world.eps, "a photo of a dog", seed=21)
    training = {key: value for key, value in learn(world.eps, name="between", seed=1000).items() if key != "trio"}

    def pixels(result):
        assert result.status == "success", result.error
        return Image.open(io.BytesIO(world.server.view(result.outputs["save"]["images"][0]))).tobytes()

    before = pixels(world.server.run(picture))
    result = world.server.run({**picture, **{f"t_{key}": value for key, value in _renamed(training).items()}})
    assert result.status == "success", result.error
    assert result.previews, "the training did not run"
    picture["sampler"]["inputs"]["seed"] = 22
    world.server.run(picture)  # so that the first picture is computed anew, not taken from the host's cache
    picture["sampler"]["inputs"]["seed"] = 21
    assert pixels(world.server.run(picture)) == before


def _renamed(prompt):
    """Links to the training's own nodes get its prefix; the trio is shared."""

    def link(value):
        own = isinstance(value, list) and value[0] in prompt
        return [f"t_{value[0]}", value[1]] if own else value

    return {
        key: {**entry, "inputs": {name: link(value) for name, value in entry["inputs"].items()}}
        for key, entry in prompt.items()
    }


def test_a_restart_does_not_train_again(world, learned):
    world.server.restart()
    result = world.server.run(learn(world.eps, name="first"))
    assert result.status == "success", result.error
    assert not [event for event in result.of("progress") if event.data.get("max") == 12]

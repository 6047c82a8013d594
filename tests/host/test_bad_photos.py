"""Bad photos, masks and names are refused in the real server, and nothing is lost."""

from __future__ import annotations

import pytest
from PIL import Image

from helpers.prompts import learn
from helpers.refusal import node
from helpers.world import World
from stableidentity_core.identity import load_identity


@pytest.mark.parametrize(
    ("names", "needed"),
    [
        (
            "Xyzzyqwrt Plughdfkjg",
            ("Of 1 names", "only 0", "exactly two tokens", "'Xyzzyqwrt Plughdfkjg' (", "Tom Cruise"),
        ),
        ("Xyzzyqwrt Plughdfkjg\nTom Cruise", ("Of 2 names", "only 1", "at least 2", "one a line")),
        ("Tom Cruise\ntom cruise\nTOM CRUISE", ("Of 3 names", "only 1", "different")),
    ],
)
def test_names_that_are_not_two_tokens(world, bad, names, needed):
    prompt = learn(world.eps, name="bad")
    prompt["names"]["inputs"]["names"] = names
    bad.refused(prompt, *needed)


def with_image(world: World, kind: str):
    prompt = learn(world.eps, name="bad")
    prompt["bad"] = node("SITestBadImage", image=["image", 0], kind=kind)
    prompt["face"]["inputs"]["image"] = ["bad", 0]
    return prompt


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        ("1x1", ("1x1 pixels", "at least 64x64", "larger photo")),
        ("empty batch", ("0 pictures", "at least 1")),
        ("nan", ("786432 values", "NaN", "Load it again")),
        ("too bright", ("from 0.00 to 255.00", "values from 0 to 1", "Load Image")),
    ],
)
def test_bad_pictures(world, bad, kind, needed):
    bad.refused(with_image(world, kind), *needed)


@pytest.mark.parametrize("kind", ["rgba", "grey"])
def test_rgba_and_grey_pictures_are_learned(world, bad, kind):
    prompt = with_image(world, kind)
    prompt["train"]["inputs"]["steps"] = 1
    prompt["save"]["inputs"]["name"] = kind
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert load_identity(world.embedding(kind)).words["clip_h"].shape == (2, 64)


def test_a_photo_that_is_not_square(world, bad):
    Image.new("RGB", (300, 200), "white").save(world.server.input / "wide.png")
    bad.refused(learn(world.eps, name="bad", image="wide.png"), "300x200", "square", "Crop")


@pytest.mark.parametrize("which", ["face_mask", "hair_mask"])
@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        ("other proportions", ("512x256", "512x512", "aspect ratios differ", "same picture")),
        ("batch of 2", ("2 masks", "1 photos", "one mask for each")),
        ("nan", ("262144 values", "NaN")),
    ],
)
def test_bad_masks(world, bad, which, kind, needed):
    bad.refused(with_mask(world, which, kind), which.replace("_", " ") if kind != "batch of 2" else which, *needed)


def test_a_face_mask_that_marks_nothing(world, bad):
    bad.refused(with_mask(world, "face_mask", "all zero"), "face mask marks nothing", "0.00", "0.5", "disconnect")


def test_a_face_mask_that_vanishes_in_training(world, bad):
    """Seen only in the augmented views, with the models already prepared: all is put back."""
    message = bad.refused(with_mask(world, "face_mask", "a dot"), "0.00% of the portrait", "8x8", "Mark the whole face")
    bad.good(message, train=True)


def test_a_mask_of_another_size_is_fitted(world, bad):
    result = world.server.run(with_mask(world, "face_mask", "half the size", steps=1, name="fitted"))
    assert result.status == "success", result.error


def with_mask(world: World, which: str, kind: str, *, name: str = "bad", **settings):
    prompt = learn(world.eps, name=name, **settings)
    prompt["mask"] = node("SITestBadMask", image=["image", 0], kind=kind)
    prompt["face"]["inputs"][which] = ["mask", 0]
    return prompt


def test_a_face_that_nobody_encoded(world, bad):
    prompt = learn(world.eps, name="bad")
    prompt["train"]["inputs"]["face"] = ["face", 0]
    del prompt["encoded"], prompt["encoder"]
    bad.refused(prompt, "No face encoder is connected", "the paper's is not installed", "Load Face Encoder")

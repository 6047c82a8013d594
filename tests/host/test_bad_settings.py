"""Settings out of range, and nodes wired without what they need."""

from __future__ import annotations

import pytest

from helpers.prompts import learn
from helpers.refusal import node
from helpers.tiny import tiny_face_vit


def test_a_projector_of_another_encoder(world, bad):
    """Nothing would tell from the words that the features mean something else."""
    tiny_face_vit(world.server.models / "stableidentity" / "face_encoders" / "other", seed=7)
    prompt = learn(world.eps, name="good", steps=1)
    prompt["other"] = node("StableIdentityLoadFaceEncoder", encoder_name="other")
    prompt["seen"] = node("StableIdentityEncodeFace", face_encoder=["other", 0], face=["face", 0])
    projecting = {"projector": ["train", 1], "name_space": ["names", 0], "trigger": "anna"}
    prompt["project"] = node("StableIdentityProject", face=["seen", 0], **projecting)
    prompt["save"] = node("StableIdentitySave", identity=["project", 0], name="bad", if_exists="stop")
    bad.refused(prompt, "encoded by vit:", "trained with vit:", "same encoder")
    prompt["project"]["inputs"]["face"] = ["face", 0]
    bad.refused(prompt, "no feature", "Encode Face")


@pytest.mark.parametrize(
    ("setting", "needed", "by"),
    [
        ({"steps": 0}, ("Value 0 smaller than min of 1",), "the schema"),
        ({"learning_rate": 0.0}, ("Value 0.0 smaller than min of 1e-07",), "the schema"),
        ({"learning_rate": 2.0}, ("Value 2.0 bigger than max of 1.0",), "the schema"),
        ({"learning_rate": float("nan")}, ("got nan", "'learning_rate'", "from 1e-07 to 1.0"), "our node"),
        ({"resolution": 32}, ("Value 32 smaller than min of 64",), "the schema"),
        ({"resolution": 100}, ("resolution is 100", "multiple of 8"), "our node"),
        ({"batch_size": 0}, ("Value 0 smaller than min of 1",), "the schema"),
        ({"alpha": 1.5}, ("Value 1.5 bigger than max of 1.0",), "the schema"),
        ({"normalization": "batch"}, ("Value not in list",), "the schema"),
        ({"seed": -1}, ("Value -1 smaller than min of 0",), "the schema"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_settings_out_of_range(world, bad, setting, needed, by):
    bad.refused(learn(world.eps, name="bad", **setting), *needed, by=by)


def test_after_all_this_a_training_gives_the_same_words(bad):
    bad.good("all of this", train=True)

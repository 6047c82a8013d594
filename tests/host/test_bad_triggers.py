"""Triggers that are missing, unknown or no triggers are refused, in prompts and in widgets."""

from __future__ import annotations

import shutil

import pytest

from helpers.people import applying, encoding, person
from helpers.prompts import compare, learn
from helpers.refusal import node


def test_a_prompt_without_its_trigger(world, bad, people):
    bad.refused(
        encoding(world, "a photo of anna", anna=person("anna")),
        "does not contain <anna>",
        "no effect",
        "'a photo of anna'",
        "Type the trigger",
    )


def test_a_prompt_without_the_second_trigger(world, bad, people):
    prompt = encoding(world, "a photo of <anna>", anna=person("anna"), bert=person("bert"))
    bad.refused(prompt, "does not contain <bert>", "Type the trigger")


@pytest.mark.parametrize("way", [encoding, applying])
def test_an_unknown_trigger(world, bad, people, way):
    prompt = way(world, "a photo of <ana>", anna=person("anna"))
    bad.refused(prompt, "<ana>", "<anna>", "spelling", "'a photo of <ana>'")


@pytest.mark.parametrize(
    ("typed", "needed"),
    [
        ("\uff1canna\uff1e", "FULLWIDTH LESS-THAN SIGN"),
        ("<an\u200bna>", "ZERO WIDTH SPACE"),
        ("<anna|bert>", "Type <anna>"),
        ("&lt;anna&gt;", "Type <anna>"),
        ("embedding:", "without a name"),
    ],
)
def test_what_was_meant_for_a_trigger(world, bad, people, typed, needed):
    """Stock prompt nodes would read it as text, or break off."""
    bad.refused(applying(world, f"a photo of {typed}", anna=person("anna")), "The prompt", needed)


@pytest.mark.parametrize("way", [encoding, applying])
@pytest.mark.parametrize(
    ("typed", "stock"),
    [
        ("a photo of embedding:<anna> laughing", "a photo of embedding:bad-anna laughing"),
        ("(embedding:<anna>:1.3), photo,embedding:<anna>", "(embedding:bad-anna :1.3), photo, embedding:bad-anna "),
        ("<b>bold</b> <anna> 5 < x > 3", "<b>bold</b> embedding:bad-anna 5 < x > 3"),
    ],
)
def test_prefixes_and_other_angle_brackets(world, people, way, typed, stock):
    prompt = way(world, typed, anna=person("anna"))
    prompt["stock"] = node("CLIPTextEncode", clip=["trio", 1], text=stock)
    prompt["out"]["inputs"]["b"] = ["stock", 0]
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert result.outputs["out"]["difference"] == [0]


@pytest.mark.parametrize("way", [encoding, applying])
def test_two_people_with_one_trigger(world, bad, people, way):
    prompt = way(world, "a photo of <anna>", anna=person("anna"), bert=person("bert", trigger="anna"))
    bad.refused(prompt, "<anna>", "wo ", "another trigger", "Load Identity")


def test_a_person_beside_one_that_was_applied(world, bad, people):
    """Prompt with Identity knows those whom Apply Identity taught the CLIP before."""
    prompt = encoding(world, "<anna> and <bert>", anna=person("anna"))
    prompt["bert"] = person("bert")
    prompt["applied"] = node("StableIdentityApply", clip=["trio", 1], identity=["bert", 0], trigger="")
    prompt["encode"]["inputs"]["clip"] = ["applied", 0]
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    del prompt["applied"], prompt["bert"]
    prompt["encode"]["inputs"]["clip"] = ["trio", 1]
    bad.refused(prompt, "<bert>", "<anna>", "connect the identity")


@pytest.mark.parametrize("trigger", ["anna smith", "<anna", "an<na>", "anna:1.2", "a" * 65, "анна"])
@pytest.mark.parametrize("way", ["train", "apply", "load"])
def test_triggers_that_a_prompt_cannot_hold(world, bad, people, way, trigger):
    """Told before anything runs."""
    prompt = {
        "train": lambda: learn(world.eps, name="bad", trigger=trigger),
        "apply": lambda: applying(world, "a photo", trigger=trigger, anna=person("anna")),
        "load": lambda: encoding(world, "a photo", anna=person("anna", trigger=trigger)),
    }[way]()
    bad.refused(prompt, repr(trigger), "1 to 64 letters", "'anna'", by="our check")


def test_an_empty_trigger(world, bad):
    bad.refused(learn(world.eps, name="bad", trigger="  "), "trigger", "1 to 64 letters", by="our check")


def test_a_trigger_that_is_a_word_of_clip(world, people):
    """`dog` in brackets is the person, and without them still a dog."""
    applied = {
        "anna": person("anna"),
        "applied": node("StableIdentityApply", clip=["trio", 1], identity=["anna", 0], trigger="dog"),
    }

    def difference(ours: str, stock: str) -> float:
        a, b = (
            node("CLIPTextEncode", clip=clip, text=text)
            for clip, text in ((["applied", 0], ours), (["trio", 1], stock))
        )
        result = world.server.run(compare(world.eps, a, b, applied))
        assert result.status == "success", result.error
        return result.outputs["compare"]["difference"][0]

    assert difference("a dog", "a dog") == 0
    assert difference("a <dog>", "a embedding:bad-anna") == 0
    assert difference("a <dog>", "a dog") > 1e-3


@pytest.mark.parametrize("way", [encoding, applying])
def test_an_identity_of_another_width(world, bad, people, way):
    prompt = way(world, "a photo of <narrow>", narrow=person("narrow"))
    bad.refused(prompt, "<narrow>", "clip_h (width 32)", "clip_h (width 64)", "base model")


def test_words_in_the_temp_folder_are_written_again(world, people):
    """Emptying it while ComfyUI runs must not drop a person from later prompts."""
    before = world.server.run(applying(world, "<anna> in the snow", anna=person("anna")))
    shutil.rmtree(world.server.base / "temp" / "stableidentity")
    prompt = applying(world, "<anna> in the rain", anna=person("anna"))  # the applied CLIP comes from the cache
    prompt["out"]["inputs"]["b"] = ["stock", 0]
    prompt["stock"] = node("CLIPTextEncode", clip=["trio", 1], text="embedding:bad-anna in the rain")
    after = world.server.run(prompt)
    assert before.status == after.status == "success", after.error
    assert "apply anna" in after.cached_nodes
    assert after.outputs["out"]["difference"][0] == 0

"""Several people in one prompt: bit by bit what stock prompts make of their files."""

from __future__ import annotations

import pytest
import torch

from helpers.people import applying, encoding, person
from helpers.prompts import compare, people_in
from helpers.refusal import node
from stableidentity_core.identity import Identity, save_identity

ANNA, BERT = "embedding:bad-anna", "embedding:bad-bert"
LONG = "very long " * 40
SAME = {
    "two people": (f"{ANNA} and {BERT} playing chess", "<anna> and <bert> playing chess"),
    "weights": (f"({ANNA}:1.2) and ({BERT}:0.7) playing chess", "(<anna>:1.2) and (<bert>:0.7) playing chess"),
    "one weight for both": (f"({ANNA} and {BERT}:1.3), chess", "(<anna> and <bert>:1.3), chess"),
    "brackets without a number": (f"(({ANNA})) with ({BERT})", "((<anna>)) with (<bert>)"),
    "each twice": (f"{ANNA}, {BERT}, {ANNA}, ({BERT}:1.4)", "<anna>, <bert>, <anna>, (<bert>:1.4)"),
    "side by side": (f"{ANNA} {BERT}", "<anna><bert>"),
    "lines": (f"portrait of {ANNA}\nand {BERT}", "portrait of\n<anna>\nand <bert>"),
    "possession": (f"{ANNA} 's dog and {BERT} 's cat", "<anna>'s dog and <bert>'s cat"),
    "three windows": (f"{LONG}{ANNA} and {LONG}({BERT}:1.2)", f"{LONG}<anna> and {LONG}(<bert>:1.2)"),
    "no room at the end of a window": (f"{'cat ' * 74}({ANNA}:1.2) {BERT}", f"{'cat ' * 74}(<anna>:1.2) <bert>"),
}
WINDOWS = {"three windows": 3, "no room at the end of a window": 2}


@pytest.mark.parametrize("case", SAME)
def test_three_ways_to_prompt_two_people_are_bit_equal_to_stock(world, people, case):
    """Apply Identity twice, in either order, and Prompt with Identity."""
    stock, ours = SAME[case]
    prompt = compare(
        world.eps,
        node("CLIPTextEncode", clip=["trio", 1], text=stock),
        node("CLIPTextEncode", clip=["bert last", 0], text=ours),
        {"anna": person("anna"), "bert": person("bert")},
    )
    for first, last in (("anna", "bert"), ("bert", "anna")):
        prompt[f"{first} first"] = applied(["trio", 1], first)
        prompt[f"{last} last"] = applied([f"{first} first", 0], last)
    prompt["c"] = node("CLIPTextEncode", clip=["anna last", 0], text=ours)
    prompt["d"] = node("StableIdentityEncodePrompt", clip=["trio", 1], text=ours, **people_in(["anna", 0], ["bert", 0]))
    for other in "cd":
        prompt[f"compare {other}"] = node("SITestCompare", a=["a", 0], b=[other, 0])
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    for key in ("compare", "compare c", "compare d"):
        assert result.outputs[key]["difference"] == [0], key
        assert result.outputs[key]["tokens"] == [77 * WINDOWS.get(case, 1)]


def applied(clip, who: str):
    return node("StableIdentityApply", clip=clip, identity=[who, 0], trigger="")


@pytest.mark.parametrize(
    "changed",
    [
        "<bert> and <anna> playing chess",
        "<anna> and (<bert>:1.2) playing chess",
        "<anna> and <anna> playing chess",
        "<anna> and somebody playing chess",
    ],
)
def test_who_stands_where_and_how_strongly_matters(world, people, changed):
    """So that the test above would see a person dropped, exchanged or taken without weight."""
    prompt = applying(world, "<anna> and <bert> playing chess", anna=person("anna"), bert=person("bert"))
    prompt["other"] = node("CLIPTextEncode", clip=["apply bert", 0], text=changed)
    prompt["out"]["inputs"]["b"] = ["other", 0]
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert result.outputs["out"]["difference"][0] > 1e-3


def test_a_stock_embedding_may_stand_beside_a_trigger(world, people):
    prompt = applying(world, f"<anna> and {BERT}", anna=person("anna"))
    prompt["stock"] = node("CLIPTextEncode", clip=["trio", 1], text=f"{ANNA} and {BERT}")
    prompt["out"]["inputs"]["b"] = ["stock", 0]
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert result.outputs["out"]["difference"][0] == 0


def test_a_trigger_that_begins_like_another_one(world, people):
    """Ann and anna are two people."""
    prompt = applying(world, "<ann> and <anna>", anna=person("anna"), ann=person("bert", trigger="ann"))
    prompt["stock"] = node("CLIPTextEncode", clip=["trio", 1], text=f"{BERT} and {ANNA}")
    prompt["out"]["inputs"]["b"] = ["stock", 0]
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert result.outputs["out"]["difference"][0] == 0


@pytest.mark.parametrize("way", [encoding, applying])
def test_a_weight_inside_the_brackets(world, bad, people, way):
    prompt = way(world, "<anna:1.2> playing chess", anna=person("anna"))
    bad.refused(prompt, "contains <anna:1.2>", "Type (<anna>:1.2)")


@pytest.mark.parametrize("way", [encoding, applying])
def test_a_person_of_another_base(world, bad, people, way):
    """Words of SD1.5 before the CLIP of an SD2."""
    save_identity(Identity(trigger="carl", words={"clip_l": torch.randn(2, 768)}), world.embedding("bad-carl"))
    try:
        prompt = way(world, "<anna> and <carl>", anna=person("anna"), carl=person("carl"))
        bad.refused(prompt, "<carl>", "clip_l (width 768)", "clip_h (width 64)", "base model")
    finally:
        world.embedding("bad-carl").unlink()


def test_nobody_for_prompt_with_identity(world, bad):
    """The host itself asks for the first person."""
    result = world.server.run(encoding(world, "a photo"))
    assert result.refused and "identity" in str(result.node_errors), result.node_errors

"""Prompts with people in them, for the tests of triggers and files."""

from __future__ import annotations

from helpers.prompts import people_in
from helpers.refusal import node
from helpers.world import World


def person(name: str, trigger: str = ""):
    return node("StableIdentityLoad", name=f"bad-{name}.safetensors", trigger=trigger)


def encoding(world: World, text: str, **people):
    """Prompt with Identity, with the people in the order given."""
    prompt = {"trio": node("SITestTinyTrio", folder=str(world.eps)), **people}
    prompt["encode"] = node(
        "StableIdentityEncodePrompt", clip=["trio", 1], text=text, **people_in(*([key, 0] for key in people))
    )
    return finished(prompt)


def applying(world: World, text: str, trigger: str = "", **people):
    """A chain of Apply Identity, then the stock prompt node."""
    prompt = {"trio": node("SITestTinyTrio", folder=str(world.eps)), **people}
    clip = ["trio", 1]
    for key in people:
        prompt[f"apply {key}"] = node("StableIdentityApply", clip=clip, identity=[key, 0], trigger=trigger)
        clip = [f"apply {key}", 0]
    prompt["encode"] = node("CLIPTextEncode", clip=clip, text=text)
    return finished(prompt)


def finished(prompt):
    """Something must come out of a prompt for the host to run it."""
    return {**prompt, "out": node("SITestCompare", a=["encode", 0], b=["encode", 0])}

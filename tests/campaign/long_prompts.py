"""Prompts of the mini world whose nodes take long."""

from __future__ import annotations

from helpers.prompts import Json, node

PICTURES = 3000
MODELS = {"model": ["world", 0], "clip": ["world", 1], "vae": ["world", 2]}
RECOGNISER = {"recogniser": ["world", 5]}


def heading(seed: int) -> Json:
    """A head in 3D of a name that the mini world knows."""
    settings = {"preset": "mini_world", "negative": "", "steps": 5000, "seed": seed, "restart": True}
    return {
        "world": node("StableIdentityMiniWorld"),
        "head": node("StableIdentityHead3D", **MODELS, prompt="a photo of emma stone", **settings),
        "save": node("StableIdentitySaveSplat", splat=["head", 0], filename_prefix="never", format="ply"),
    }


def asking_for_names(draw: int) -> Json:
    """Does It Know Names?, with more names than it can paint before it is cancelled."""
    settings = {"names": 48, "resolution": 128, "draw": draw, "find_face": "off", "download": False}
    return {
        "world": node("StableIdentityMiniWorld"),
        "ask": node("StableIdentityKnowsNames", **MODELS, **RECOGNISER, **settings),
    }


def scoring_pictures(person: int) -> Json:
    """Score Pictures for many pictures of one prompt."""
    settings = {"name": "", "find_face": "off", "clip": "off", "distance": "off", "download": False}
    return {
        "world": node("StableIdentityMiniWorld"),
        "photo": node("StableIdentityMiniWorldPerson", person=person),
        "face": node("StableIdentityPrepareFace", image=["photo", 0], find_face="off", parse_face="off"),
        "prompts": node("StableIdentityPrompts", prompts="a photo of <anna>"),
        "pictures": node("RepeatImageBatch", image=["photo", 0], amount=PICTURES),
        "score": node(
            "StableIdentityScore",
            **{"pictures": ["pictures", 0], "prompts": ["prompts", 0], "face": ["face", 0], **RECOGNISER, **settings},
        ),
    }

"""The workflows of several people on the mini world, as shipped but for less work."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from helpers.pictures import pictures
from helpers.prompts import Json, node, people_in
from helpers.server import ROOT

LESS = {"StableIdentityTrain": {"steps": 10, "preview_every": 0}, "KSampler": {"steps": 6}}


def shipped(name: str) -> Json:
    prompt = json.loads((ROOT / "workflows/api" / f"{name}.json").read_text("utf-8"))
    for entry in prompt.values():
        entry["inputs"].update(LESS.get(entry["class_type"], {}))
    return prompt


def titled(prompt: Json, title: str, kind: str) -> str:
    return next(
        key
        for key, entry in prompt.items()
        if entry["class_type"] == kind and entry.get("_meta", {}).get("title") == title
    )


def test_two_people_have_a_place_each(server):
    """Another prompt for the right one changes the right of the picture, and the left where both meet."""
    prompt = shipped("two_people")
    (before,) = pictures(server, prompt)["Anna and Ben"]
    assert before.shape == (128, 224, 3) and before.std() > 20
    prompt[titled(prompt, "Ben, on the right", "CLIPTextEncode")]["inputs"]["text"] = "a photo of <ben> at night"
    (after,) = pictures(server, prompt)["Anna and Ben"]
    changed = np.abs(after - before).mean(axis=(0, 2))
    assert changed[128:].mean() > 10 and changed[:64].mean() < changed[128:].mean() / 3


@pytest.fixture(scope="module")
def mixed(server) -> dict[str, list[np.ndarray]]:
    prompt = shipped("mix_identities")
    way = titled(prompt, "The way from anna to ben", "StableIdentityEncodePrompt")
    sampler = next(entry for entry in prompt.values() if entry["inputs"].get("positive") == [way, 0])
    learned = {
        entry["inputs"]["trigger"]: key for key, entry in prompt.items() if entry["class_type"] == "StableIdentityTrain"
    }
    for who, key in learned.items():
        text = prompt[way]["inputs"]["text"].replace("<between>", f"<{who}>")
        prompt[f"{who} text"] = node(
            "StableIdentityEncodePrompt", clip=prompt[way]["inputs"]["clip"], text=text, **people_in([key, 0])
        )
        prompt[f"{who} sampled"] = node("KSampler", **{**sampler["inputs"], "positive": [f"{who} text", 0]})
        prompt[f"{who} decoded"] = node("VAEDecode", samples=[f"{who} sampled", 0], vae=["1", 2])
        prompt[who] = {**node("PreviewImage", images=[f"{who} decoded", 0]), "_meta": {"title": who}}
    return pictures(server, prompt)


def test_the_way_has_five_pictures_from_one_person_to_the_other(mixed):
    way = mixed["The way from anna to ben"]
    assert len(way) == 5 and all(picture.shape == (128, 128, 3) for picture in way)
    for end, who in ((way[0], "anna"), (way[-1], "ben")):
        # Words that differ by roundings of float32; a picture's levels are 1/255.
        assert np.abs(end - mixed[who][0]).max() <= 2
    assert all(np.abs(a - b).max() > 2 for a, b in pairwise(way))


def test_somebody_new_the_mean_and_the_map_are_shown(mixed):
    for title in ("Somebody who does not exist", "The mean of all three"):
        (picture,) = mixed[title]
        assert picture.shape == (128, 128, 3) and picture.std() > 20
    (drawn,) = mixed["Map of identities"]
    assert drawn.shape[1:] == (1344, 3) and drawn.mean() > 200
    assert len(mixed["The photos of anna and ben"]) == 2


def test_several_people_are_learned_at_once_and_painted_each_and_both(server):
    prompt = shipped("several_people")
    (people,) = (entry["inputs"] for entry in prompt.values() if entry["class_type"] == "StableIdentityPeople")
    people.update(trigger="several-1, several-2")
    for entry in prompt.values():
        if entry["class_type"] == "CLIPTextEncode":
            text = entry["inputs"]["text"]
            entry["inputs"]["text"] = text.replace("<anna>", "<several-1>").replace("<ben>", "<several-2>")
    shown = pictures(server, prompt)
    first, second = shown["Each by themselves"]
    assert first.shape == second.shape == (128, 128, 3) and min(first.std(), second.std()) > 20
    assert np.abs(first - second).mean() > 1
    (both,) = shown["Anna and Ben in one picture"]
    assert both.shape == (128, 224, 3) and both.std() > 20
    assert len(shown["Loss of each"]) == len(shown["The photos of anna and ben"]) == 2
    folder = server.models / "embeddings" / "mini_world"
    assert {f"several-{n}.safetensors" for n in (1, 2)} <= {path.name for path in folder.iterdir()}

"""The workflows of several people on the mini world, as shipped but for less work."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from helpers.pictures import pictures
from helpers.prompts import Json, node
from helpers.workflows import api_workflow

LESS = {
    "StableIdentityTrain": {"preset": "custom", "steps": 10, "preview_every": 0, "pictures": 0},
    "KSampler": {"steps": 6},
}


def shipped(number: int) -> Json:
    prompt = api_workflow(number)
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
    prompt = shipped(5)
    (before,) = pictures(server, prompt)["Anna and Ben"]
    assert before.shape == (256, 448, 3) and before.std() > 20
    prompt[titled(prompt, "Ben, on the right", "CLIPTextEncode")]["inputs"]["text"] = "a photo of <ben> at night"
    (after,) = pictures(server, prompt)["Anna and Ben"]
    changed = np.abs(after - before).mean(axis=(0, 2))
    assert changed[256:].mean() > 10 and changed[:128].mean() < changed[256:].mean() / 3


@pytest.fixture(scope="module")
def mixed(server) -> dict[str, list[np.ndarray]]:
    """Of the workflow, with two prompts more: anna's and ben's own words in that of the way between them."""
    prompt = shipped(7)
    (listed,) = (entry["inputs"] for entry in prompt.values() if entry["class_type"] == "StableIdentityPrompts")
    listed["prompts"] += "\na photo of <anna> in the city\na photo of <ben> in the city"
    encode = titled(prompt, "Encode each prompt", "CLIPTextEncode")
    for key, entry in list(prompt.items()):
        if entry["class_type"] == "StableIdentityTrain":
            clip = prompt[encode]["inputs"]["clip"]
            prompt[f"{key} taught"] = node("StableIdentityApply", clip=clip, identity=[key, 0], trigger="")
            prompt[encode]["inputs"]["clip"] = [f"{key} taught", 0]
    return pictures(server, prompt)


def test_the_way_has_five_pictures_from_one_person_to_the_other(mixed):
    *way, _carl, _mean, anna, ben = mixed["From anna to ben, then carl and the mean of all three"]
    assert len(way) == 5 and all(picture.shape == (256, 256, 3) for picture in way)
    for end, who in ((way[0], anna), (way[-1], ben)):
        # Words that differ by roundings of float32; a picture's levels are 1/255.
        assert np.abs(end - who).max() <= 2
    assert all(np.abs(a - b).max() > 2 for a, b in pairwise(way))


def test_somebody_new_the_mean_and_the_map_are_shown(mixed):
    *_way, carl, mean, _anna, _ben = mixed["From anna to ben, then carl and the mean of all three"]
    assert min(carl.std(), mean.std()) > 20 and np.abs(carl - mean).max() > 20
    (drawn,) = mixed["The map"]
    assert drawn.shape[1:] == (1344, 3) and drawn.mean() > 200


def test_several_people_are_learned_at_once_and_painted_in_turn(server):
    prompt = shipped(6)
    (people,) = (entry["inputs"] for entry in prompt.values() if entry["class_type"] == "StableIdentityPeople")
    people.update(trigger="several-1, several-2")
    first, second = pictures(server, prompt)["Each of them"]
    assert first.shape == second.shape == (256, 256, 3) and min(first.std(), second.std()) > 20
    assert np.abs(first - second).mean() > 1
    folder = server.models / "embeddings" / "mini_world"
    assert {f"several-{n}.safetensors" for n in (1, 2)} <= {path.name for path in folder.iterdir()}


def test_a_learned_person_is_measured(server):
    prompt = shipped(16)
    sheets = pictures(server, prompt)
    assert sheets["Measure"][0].shape[1] > 4 * 208 and sheets["The page"][0].shape[1] > 7 * 208
    pages = (server.output / "StableIdentity").glob("report_*/report.html")
    assert any("<h1>How good is this identity</h1>" in page.read_text("utf-8") for page in pages)

"""Several people learned by one Train in the real server."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.prompts import Json, learn, node, people_in, several
from helpers.world import World
from stableidentity_core.identity import load_identity

STEPS = 4


def two(world: World, *, names: tuple[str, str] = ("several-anna", "several-ben"), **settings) -> Json:
    """The astronaut and her negative, gathered, learned and saved by their triggers."""
    prompt = learn(world.eps, **{"steps": STEPS, "seed": 40, **settings})
    prompt |= negative()
    first, second = names
    prompt["people"] = node(
        "StableIdentityPeople",
        trigger=f"{first}, {second}",
        **several("faces.face", ["encoded", 0], ["encoded 2", 0]),
    )
    prompt["train"]["inputs"].update(face=["people", 0], trigger=["people", 1])
    prompt["save"]["inputs"].update(name=["people", 1])
    return prompt


def negative() -> Json:
    return {
        "negative": node("ImageInvert", image=["image", 0]),
        "face 2": node("StableIdentityPrepareFace", image=["negative", 0], find_face="off", parse_face="off"),
        "encoded 2": node("StableIdentityEncodeFace", face_encoder=["encoder", 0], face=["face 2", 0]),
    }


def steps_of(result) -> set[int]:
    """The lengths of the progress bars of the training."""
    return {event.data["max"] for event in result.of("progress") if event.data["max"] >= STEPS}


def words(world: World, name: str) -> torch.Tensor:
    return load_identity(world.embedding(name)).words["clip_h"]


@pytest.fixture(scope="module")
def learned(world):
    result = world.server.run(two(world))
    assert result.status == "success", result.error
    return result


def test_two_people_are_learned_in_one_run_and_saved_by_their_triggers(world, learned):
    assert steps_of(learned) == {STEPS}, "one after the other would have been more"
    for name in ("several-anna", "several-ben"):
        identity = load_identity(world.embedding(name))
        assert identity.trigger == f"<{name}>" and identity.header["steps"] == str(STEPS)
    # They are about 1 apart.
    assert not torch.allclose(words(world, "several-anna"), words(world, "several-ben"), atol=1e-3)


def test_each_has_a_loss_curve_and_the_preview_shows_both(world, learned):
    first, second = (
        np.asarray(Image.open(io.BytesIO(world.server.view(image)))) for image in learned.outputs["curve"]["images"]
    )
    assert first.shape == second.shape == (384, 768, 3) and (first != second).any()
    picture = np.asarray(Image.open(io.BytesIO(learned.previews[-1].image))).astype(int)
    assert picture.shape == (256, 256, 3)
    left, right, below = picture[:120, :120], picture[:120, 136:], picture[136:]
    spread = [part.std(axis=(0, 1)).max() for part in (left, right, below)]
    assert min(spread[:2]) > 5 > spread[2], "two of four tiles"


def test_each_is_what_a_run_of_their_own_gives(world):
    names = ("together-anna", "together-ben")
    assert world.server.run(two(world, names=names, seed=46)).status == "success"
    for face, name in zip(("encoded", "encoded 2"), names, strict=True):
        alone, begun = (learned_alone(world, face, f"{name}-{steps}", steps) for steps in (STEPS, 1))
        # Products of larger matrices are rounded otherwise, of which Adam makes more: beside the way that was gone.
        assert (alone - words(world, name)).norm() < 0.1 * (alone - begun).norm()


def learned_alone(world: World, face: str, name: str, steps: int) -> torch.Tensor:
    prompt = {**learn(world.eps, name=name, steps=steps, seed=46, force_retrain=True), **negative()}
    prompt["train"]["inputs"]["face"] = [face, 0]
    result = world.server.run(prompt)
    assert result.status == "success" and result.previews, result.error
    return words(world, name)


def test_who_is_known_is_not_learned_again(world, learned):
    """Together first, then alone; and alone first, then together with somebody new."""
    alone = world.server.run(learn(world.eps, name="several-known", steps=STEPS, seed=40))
    assert alone.status == "success" and not steps_of(alone), "the group's result was not found"
    stored = world.trained
    single = world.server.run(learn(world.eps, name="several-known", steps=STEPS, seed=42))
    assert single.status == "success" and len(world.trained) == len(stored) + 1
    both = world.server.run(two(world, seed=42))
    assert both.status == "success" and len(world.trained) == len(stored) + 2


def test_more_people_than_at_once_follow_each_other(world):
    prompt = two(world, seed=43, people_at_once=1)
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert steps_of(result) == {2 * STEPS}


def test_nodes_behind_run_once_for_each_person_and_pick_takes_one(world, learned):
    prompt = two(world)
    prompt["each"] = node("StableIdentityApply", clip=["trio", 1], identity=["train", 0], trigger="somebody")
    prompt["text"] = node("CLIPTextEncode", clip=["each", 0], text="<somebody> in the snow")
    pick(prompt, "several-anna", 1)
    pick(prompt, "several-ben", 2)
    prompt["both"] = node(
        "StableIdentityEncodePrompt",
        clip=["trio", 1],
        text="<several-anna> and <several-ben>",
        **people_in(["several-anna", 0], ["several-ben", 0]),
    )
    prompt["files"] = node("CLIPTextEncode", clip=["trio", 1], text="embedding:several-anna and embedding:several-ben")
    prompt["in one"] = node("SITestCompare", a=["both", 0], b=["files", 0])
    prompt["in turn"] = node("SITestCompare", a=["text", 0], b=["several-anna text", 0])
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert result.outputs["in one"]["difference"] == [0]
    first, second = result.outputs["in turn"]["difference"]
    assert first == 0 and second > 1e-3


def pick(prompt: Json, name: str, number: int) -> None:
    prompt[name] = node("StableIdentityPick", identity=["train", 0], number=number)
    prompt[f"{name} text"] = node("CLIPTextEncode", clip=["trio", 1], text=f"embedding:{name} in the snow")


def test_forty_people_by_lists_of_lists(world):
    """Of one photo, so that there is one training; lists may be gathered again."""
    prompt = learn(world.eps, steps=2, seed=44)
    prompt["eight"] = node("StableIdentityPeople", trigger="", **several("faces.face", *[["encoded", 0]] * 8))
    triggers = ", ".join(f"q{number}" for number in range(40))
    prompt["forty"] = node("StableIdentityPeople", trigger=triggers, **several("faces.face", *[["eight", 0]] * 5))
    prompt["train"]["inputs"].update(face=["forty", 0], trigger=["forty", 1])
    del prompt["curve"]
    prompt["last"] = node("StableIdentityPick", identity=["train", 0], number=40)
    prompt["save"]["inputs"].update(identity=["last", 0], name="several-last")
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    assert load_identity(world.embedding("several-last")).trigger == "<q39>"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"train": {"trigger": "anna"}}, ("are 2 faces and 1 trigger (<anna>)", "such as person-1, person-2")),
        ({"train": {"trigger": "anna, ben, carl"}}, ("are 2 faces and 3 triggers (<anna>, <ben>, <carl>)",)),
        ({"train": {"trigger": "anna, anna"}}, ("several have the trigger <anna>", "a different one per person")),
        ({"people": {"trigger": "a, a"}}, ("several have the trigger <a>",)),
        ({"people": {"trigger": "a"}}, ("are 2 faces and 1 trigger (<a>)",)),
        (
            {"people": {"faces.face_2": ["face 2", 0]}},
            ("<several-ben>: No face encoder is connected, and the paper's is not installed",),
        ),
        ({"save": {"identity": ["pick", 0]}}, ("number 3, but there are 2 people", "<several-ben>", "Choose 1 to 2")),
        ({"train": {"model": ["models", 0]}}, ("got 2 different values of model", "needed one for all people")),
    ],
)
def test_what_does_not_fit_is_said(world, bad, changes, told):
    prompt = two(world)  # known to the store, where it comes so far
    prompt["pick"] = node("StableIdentityPick", identity=["train", 0], number=3)
    prompt["models"] = node("SITestTwoModels", first=["trio", 0], second=["other", 0])
    prompt["other"] = node("SITestTinyTrio", folder=str(world.v))
    for key, inputs in changes.items():
        prompt[key]["inputs"].update(inputs)
    bad.refused(prompt, *told)


def test_typed_triggers_that_are_none_are_refused_before_any_work(world):
    prompt = two(world)
    prompt["train"]["inputs"]["trigger"] = "anna, b n"
    prompt["people"]["inputs"]["trigger"] = "a, b n"
    result = world.server.run(prompt)
    assert result.refused
    assert "' b n' must be" in str(result.node_errors["train"]) and "' b n' must be" in str(
        result.node_errors["people"]
    )

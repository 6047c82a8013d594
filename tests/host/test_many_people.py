"""Projectors in the real server: learned over a folder, kept, loaded, and used for somebody new."""

from __future__ import annotations

import json
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from helpers.make import some_face
from helpers.pictures import pictures
from helpers.prompts import Json, node
from helpers.workflows import api_workflow
from helpers.world import World
from stableidentity_core import cli
from stableidentity_core.identity import load_identity
from stableidentity_core.methods.projector_file import load_projector
from stableidentity_core.text.names import celebrity_names

SMALL = {"steps": 3, "batch_size": 2, "resolution": 64}


@pytest.fixture(scope="module")
def folder(world: World):
    place = world.server.input / "people"
    place.mkdir()
    for seed in range(4):
        Image.fromarray((some_face(seed=seed).image.movedim(0, -1) * 255).byte().numpy()).save(place / f"{seed}.png")
    (place / "broken.png").write_bytes(b"no picture")
    yield place
    shutil.rmtree(place)


def shipped(world: World, **train) -> Json:
    prompt = api_workflow(15)
    for key, entry in prompt.items():
        if entry["class_type"] == "CheckpointLoaderSimple":
            prompt[key] = node("SITestTinyTrio", folder=str(world.eps))
        if entry["class_type"] == "StableIdentityTrainProjector":
            entry["inputs"].update(SMALL | train)
        if entry["class_type"] == "StableIdentityLoadFaceEncoder":
            entry["inputs"]["encoder_name"] = "tiny"
    return prompt


def refused(world: World, prompt: Json) -> str:
    result = world.server.run(prompt)
    assert result.status == "error" or result.refused
    if result.refused:
        return json.dumps(result.error)
    (event,) = result.of("execution_error")
    return event.data["exception_message"]


@pytest.fixture(scope="module")
def projector(world: World, folder):
    result = world.server.run(shipped(world))
    assert result.status == "success", result.error
    return world.server.models / "stableidentity" / "projectors" / "projector.safetensors", result


def test_a_folder_becomes_a_projector_file(projector):
    path, result = projector
    facts = load_projector(path).facts
    assert (facts["projector_people"], facts["projector_steps"]) == ("4", "3")
    reports = [output["text"][0] for output in result.outputs.values() if "text" in output]
    assert any("4 of 5 photos used" in text and "broken.png" in text for text in reports)


def test_the_same_work_is_not_done_again(world, projector, folder):
    before = kept(world)
    result = world.server.run(shipped(world, preview_every=7))  # which the host's own cache has not
    assert result.status == "success", result.error
    assert "4" in result.executed_nodes and not [event for event in result.of("progress") if event.data["max"] == 3]
    assert kept(world) == before


def kept(world) -> set[str]:
    return {path.name for path in (world.server.base / "user").rglob("*.projector.safetensors")}


def test_known_people_alone_need_no_step_and_are_kept(world, folder):
    """Fifty names of the pack's own list, in the tiny model's text space."""
    place = world.server.input / "celebrities"
    place.mkdir()
    for seed, name in enumerate([*celebrity_names()[:80]]):
        Image.fromarray((some_face(seed=seed).image.movedim(0, -1) * 255).byte().numpy()).save(place / f"{name}.png")
    for preview_every in (0, 7):  # the second time from the store
        prompt = shipped(world, warm_start="only", preview_every=preview_every)
        prompt["3"]["inputs"]["folder"] = "celebrities"
        prompt["5"]["inputs"]["name"] = "known"
        result = world.server.run(prompt)
        assert result.status == "success", result.error
    facts = load_projector(world.server.models / "stableidentity" / "projectors" / "known.safetensors").facts
    assert int(facts["projector_known_people"]) >= 50 and facts["projector_steps"] == "0"
    assert json.loads(facts["projector_settings"])["augmentation"] == "none"


def test_a_loaded_projector_makes_words_of_a_new_face(world, projector):
    prompt = {
        "trio": node("SITestTinyTrio", folder=str(world.eps)),
        "encoder": node("StableIdentityLoadFaceEncoder", encoder_name="tiny"),
        "image": node("LoadImage", image="astronaut.png"),
        "face": node("StableIdentityPrepareFace", image=["image", 0], find_face="off", parse_face="off"),
        "encoded": node("StableIdentityEncodeFace", face_encoder=["encoder", 0], face=["face", 0]),
        "names": node("StableIdentityNameSpace", clip=["trio", 1], names=""),
        "many": node("StableIdentityLoadProjector", name="projector.safetensors"),
        "anna": node(
            "StableIdentityProject",
            face=["encoded", 0],
            projector=["many", 0],
            name_space=["names", 0],
            trigger="anna",
        ),
        "save": node("StableIdentitySave", identity=["anna", 0], name="at-once", if_exists="replace"),
    }
    result = world.server.run(prompt)
    assert result.status == "success", result.error
    identity = load_identity(world.embedding("at-once"))
    assert identity.header["steps"] == "0" and identity.header["projector_people"] == "4"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"3": {"folder": "nowhere"}}, "No folder at"),
        ({"3": {"folder": "../models"}}, "is not below"),
        ({"3": {"at_most": 1}}, "got 1, needed at least 2"),
        ({"4": {"warm_start": "first", "seed": 5}}, "Only 0 of the photos are named"),
        ({"5": {"name": "a/b"}}, "a/b"),
    ],
)
def test_bad_input_is_a_sentence(world, folder, change, said):
    prompt = shipped(world)
    for key, inputs in change.items():
        prompt[key]["inputs"].update(inputs)
    del prompt["6"]  # the curve would be shown whatever the file is called
    assert said in refused(world, prompt)


def test_a_damaged_projector_is_named(world, projector):
    path, _result = projector
    (path.parent / "cut.safetensors").write_bytes(path.read_bytes()[:1000])
    message = refused(world, {"many": node("StableIdentityLoadProjector", name="cut.safetensors"), **_shown("many")})
    assert "cut.safetensors" in message


def _shown(source: str) -> Json:
    return {"save": node("StableIdentitySaveProjector", projector=[source, 0], name="again")}


def test_the_mini_worlds_projector_needs_no_training(server):
    """As shipped: with and without refining the pictures differ a little, and each prompt has its own."""
    prompt = api_workflow(8)
    for entry in prompt.values():
        if entry["class_type"] == "KSampler":
            entry["inputs"]["steps"] = 6
    shown = pictures(server, prompt)
    instant, refined, *sketches = painted = shown["Without training, and refined"]
    assert len(painted) == 4
    assert all(picture.shape == (256, 256, 3) and picture.std() > 20 for picture in painted)
    assert 0.2 < np.abs(instant - refined).mean() < np.abs(instant - sketches[0]).mean()


def test_broken_off_work_is_kept_listed_and_removed_when_asked(world, folder, capsys):
    started = world.server.submit(shipped(world, steps=5000, seed=77))
    while (event := started.wait_for("progress")) is not None and event.data["max"] != 5000:
        pass  # of the photos, which come first
    assert event is not None
    assert list(world.store.glob("*.lock")), "nothing keeps other processes from removing the state"
    time.sleep(1)
    world.server.interrupt()
    assert started.finish(timeout=30).status == "interrupted"
    (state,) = world.store.glob("*.checkpoint.safetensors")
    assert not list(world.store.glob("*.lock"))
    assert cli.main(["trained", "--folder", str(world.store)]) == 0
    assert f"{state.name[:12]}  " in (shown := capsys.readouterr().out) and "interrupted at step " in shown
    assert cli.main(["trained", "--folder", str(world.store), "--delete", state.name[:12]]) == 0
    assert not state.exists()

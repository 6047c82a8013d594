"""A cancel in the real host ends every long act of the pack within two seconds, and the next prompt runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from campaign.long_prompts import scoring_pictures
from helpers.file_server import STALL, FileServer, serving
from helpers.prompts import Json, learn, node
from helpers.tiny import tiny_face_vit

AT_ONCE = 15.0  # seconds: half of what anything takes that does not look for a cancel; two on an idle machine
pytestmark = pytest.mark.host


def until(happened: Callable[[], bool]) -> None:
    while not happened():  # pytest's own timeout ends a test in which it never does
        time.sleep(0.05)


def seconds_to_end(world, prompt: Json, waiting: Callable[[], bool]) -> float:
    """From the cancel of a prompt, given when it is waiting, to its end."""
    run = world.server.submit(prompt)
    until(waiting)
    time.sleep(0.3)
    asked = time.monotonic()
    world.server.interrupt()
    result = run.finish(timeout=60)
    assert result.status == "interrupted", result.error
    return time.monotonic() - asked


@pytest.fixture
def files() -> Iterator[FileServer]:
    with serving() as server:
        yield server


def prepare(**settings) -> Json:
    face = node("StableIdentityPrepareFace", image=["image", 0], **settings)
    return {
        "image": node("LoadImage", image="astronaut.png"),
        "face": face,
        "show": node("PreviewImage", images=["face", 1]),
    }


@pytest.mark.parametrize("manner", ["silent", "stall"])
def test_a_download(world, files, manner):
    name, file = "retinaface_resnet50", "detection_Resnet50_Final.pth"
    files.files[file] = bytes(109_497_761)
    told = world.server.run({"address": node("SITestWeightAddress", name=name, url=files.url(manner, file))})
    assert told.status == "success", told.error
    prompt = prepare(find_face=name, parse_face="off", download=True)
    assert seconds_to_end(world, prompt, files.stalled.is_set) < AT_ONCE
    assert files.hung_up.wait(AT_ONCE), "the connection is still open"
    left = [path for path in (world.server.base / "models").rglob(f"{file}*") if path.is_file()]
    assert [path.stat().st_size for path in left] == ([STALL] if manner == "stall" else [])
    for path in left:
        path.unlink()


def folder() -> Json:
    made = node("StableIdentityPrepareFolder", folder="stalling", find_face="off", parse_face="off", at_most=5)
    return {"folder": made, "show": node("PreviewAny", source=["folder", 2])}


def encoder(world) -> Json:
    tiny_face_vit(world.server.models / "stableidentity" / "face_encoders" / "stalling")  # no other test has loaded it
    prompt = learn(world.eps, encoder="stalling")
    return {name: prompt[name] for name in ("image", "encoder", "face")} | {
        "encoded": prompt["encoded"],
        "show": node("SITestFeature", face=["encoded", 0]),
    }


def names_map(world) -> Json:
    prompt = learn(world.eps)
    return {name: prompt[name] for name in ("trio", "names")} | {
        "map": node("StableIdentityMap", name_space=["names", 0], method="PCA"),
        "show": node("PreviewImage", images=["map", 0]),
    }


ACTS = {
    "a photo": ("nodes.prepare", "prepare_face", lambda _world: prepare(find_face="off", parse_face="off")),
    "a folder's list": ("nodes.folder", "pictures_in", lambda _world: folder()),
    "a folder's photo": ("nodes.folder", "faces_of", lambda _world: folder()),
    "a face encoder's file": ("nodes.host.encoders", "load_face_encoder", encoder),
    "a map": ("nodes.name_map", "map_people", names_map),
}


@pytest.mark.parametrize("act", ACTS)
def test_an_act_that_does_not_look_for_a_cancel(world, tmp_path, act):
    module, function, prompt_of = ACTS[act]
    place: Path = world.server.input / "stalling"
    place.mkdir(exist_ok=True)
    (place / f"{act.replace(' ', '-')}.png").write_bytes((world.server.input / "astronaut.png").read_bytes())
    flag = tmp_path / "begun"
    stalled = world.server.run({"stall": node("SITestStall", module=module, function=function, flag=str(flag))})
    assert stalled.status == "success", stalled.error
    prompt = prompt_of(world)
    assert seconds_to_end(world, prompt, flag.exists) < AT_ONCE
    again = world.server.run(prompt)
    flag.with_name("begun.over").touch()
    assert again.status == "success", again.error


def test_a_score_of_many_pictures(world):
    run = world.server.submit(scoring_pictures(1))
    while run.wait_for("executing").data.get("node") != "score":
        pass
    time.sleep(0.5)
    asked = time.monotonic()
    world.server.interrupt()
    result = run.finish(timeout=60)
    assert result.status == "interrupted" and time.monotonic() - asked < AT_ONCE, result.error

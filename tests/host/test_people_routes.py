"""The sidebar's requests to the real server, and what Save Identity puts where they look."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers.make import rand, randn, some_identity
from helpers.prompts import Json, node
from helpers.server import ComfyServer
from helpers.stores import key, some_result
from stableidentity_core.identity import Identity, load_identity, save_identity
from stableidentity_core.identity.portraits import portrait_png
from stableidentity_core.store import ResultStore

PEOPLE = "/stableidentity/people"


@pytest.fixture
def room(server: ComfyServer) -> Iterator[Path]:
    """A subfolder of embeddings, empty before and after."""
    folder = server.models / "embeddings" / "room"
    folder.mkdir()
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.rmdir()


def ask(server: ComfyServer, path: str, sent: Json | bytes | None = None, **headers: str) -> tuple[int, bytes]:
    body = json.dumps(sent).encode() if isinstance(sent, dict) else sent
    request = urllib.request.Request(server.url + PEOPLE + path, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def post(server: ComfyServer, path: str, sent: Json | bytes, kind: str = "application/json") -> tuple[int, Json]:
    status, body = ask(server, path, sent, **{"Content-Type": kind})
    return status, json.loads(body)


def get(server: ComfyServer, path: str, **query: str | int) -> tuple[int, bytes]:
    return ask(server, f"{path}?{urllib.parse.urlencode(query)}")


def listed(server: ComfyServer) -> dict[str, Json]:
    return {one["file"]: one for one in json.loads(ask(server, "")[1])["people"] if one["file"].startswith("room/")}


def person(path: Path, seed: int = 0, **more: str) -> Path:
    save_identity(some_identity(64, path.stem, seed, **more), path)
    return path


def test_the_list_has_people_embeddings_and_damaged_files(server, room):
    person(room / "ann.safetensors", method="stableidentity", date="2026-05-01")
    (room / "ann.preview.png").write_bytes(portrait_png(rand(32, 32, 3)))
    save_identity(some_identity(128, "drawn"), room / "drawn.safetensors")
    torch.save(randn(2, 64), room / "style.pt")
    (room / "broken.safetensors").write_bytes(b"x" * 50)
    found = listed(server)
    assert {name: one["kind"] for name, one in found.items()} == {
        "room/ann.safetensors": "person",
        "room/broken.safetensors": "damaged",
        "room/drawn.safetensors": "person",
        "room/style.pt": "embedding",
    }
    ann = found["room/ann.safetensors"]
    said = [ann[key] for key in ("prompt", "trigger", "method", "date", "demo", "load")]
    assert said == ["embedding:room/ann", "<ann>", "StableIdentity", "2026-05-01", False, "room/ann.safetensors"]
    assert found["room/drawn.safetensors"]["demo"] and "not a complete" in found["room/broken.safetensors"]["problem"]
    status, body = get(server, "/portrait", folder=0, file="room/ann.safetensors")
    assert status == 200 and body == (room / "ann.preview.png").read_bytes()
    # The host's own model browser.
    assert server.fetch("/experiment/models/preview/embeddings/0/room/ann.safetensors")[0] == 200


def test_people_whom_no_plain_prompt_knows_are_typed_by_their_trigger(server, room):
    """ComfyUI's own tokenizers read `embedding:` of these text encoders wrongly."""
    for name, space in {"zoe": "qwen3_4b", "wanda": "umt5xxl", "sam": "t5xxl"}.items():
        save_identity(Identity(trigger=name, words={space: rand(2, 64)}), room / f"{name}.safetensors")
    said = {one["name"]: (one["prompt"], one["applied"]) for one in listed(server).values()}
    assert said == {"zoe": ("<zoe>", True), "wanda": ("<wanda>", True), "sam": ("embedding:room/sam", False)}


def test_a_portrait_leaves_no_way_out_of_the_folder(server, room, tmp_path):
    secret = tmp_path / "secret.preview.png"
    secret.write_bytes(portrait_png(rand(32, 32, 3)))
    person(tmp_path / "secret.safetensors")
    person(room / "ann.safetensors")
    (room / "ann.preview.png").symlink_to(secret)
    asked = [
        (0, "room/ann.safetensors"),
        (0, "room/none.safetensors"),
        (0, f"../../../../..{tmp_path}/secret.safetensors"),
        (0, str(tmp_path / "secret.safetensors")),
        (0, "room/../room/ann.safetensors"),
        (0, "room"),
        (0, ""),
        (0, "room/ann.safetensors\0"),
        (0, "x" * 5000),
        (7, "room/ann.safetensors"),
    ]
    for folder, file in asked:
        status, body = get(server, "/portrait", folder=folder, file=file)
        assert status in (400, 404) and json.loads(body)["error"].endswith("."), file[:99]
    for folder in ("-1", "x", "0x0", "99999999999999"):
        assert get(server, "/portrait", folder=folder, file="room/ann.safetensors")[0] in (400, 404)


def test_only_json_from_this_site_changes_anything(server, room):
    path = person(room / "ann.safetensors")
    wanted = {"folder": 0, "file": "room/ann.safetensors", "name": "ben"}
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert post(server, "/rename", json.dumps(wanted).encode(), kind)[0] == 400
    json_kind = {"Content-Type": "application/json"}
    for foreign in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert ask(server, "/rename", wanted, **json_kind, **foreign)[0] == 403
    for broken in (b"", b"[]", b"{", b"[" * 100_000, b'{"folder": 0}', b'{"folder": true, "file": "a", "name": "b"}'):
        status, answer = post(server, "/rename", broken)
        assert status == 400 and answer["error"].startswith("The request")
    assert post(server, "/rename", b" " * (1 << 20) + b"{}")[0] == 400
    assert [one.name for one in room.iterdir()] == ["ann.safetensors"] and path.exists()


def test_rename_takes_the_portrait_along_and_keeps_to_the_rules_of_names(server, room):
    person(room / "ann.safetensors")
    (room / "ann.preview.png").write_bytes(portrait_png(rand(32, 32, 3)))
    person(room / "below" / "taken.safetensors")
    asked = {"folder": 0, "file": "room/ann.safetensors"}
    for name, problem, code in (
        ("taken", "already refers to", 409),
        ("../x", "contains '/'", 400),
        ("7", "number", 400),
    ):
        status, answer = post(server, "/rename", {**asked, "name": name})
        assert status == code and problem in answer["error"]
    assert post(server, "/rename", {**asked, "name": "anne"}) == (200, {"load": "room/anne.safetensors"})
    assert sorted(path.name for path in room.glob("a*")) == ["anne.preview.png", "anne.safetensors"]
    status, answer = post(server, "/rename", {**asked, "name": "x"})
    assert status == 404 and "Refresh" in answer["error"]


def test_delete_takes_what_belongs_to_the_person_and_what_was_chosen(server, room):
    store = ResultStore(server.user / "stableidentity" / "trained")
    store.put(key(71), some_result("ann"))
    save_identity(some_result("ann").identity, room / "ann.safetensors")
    (room / "ann.preview.png").write_bytes(portrait_png(rand(32, 32, 3)))
    asked = {"folder": 0, "file": "room/ann.safetensors"}
    _status, body = get(server, "/details", **asked)
    found = json.loads(body)
    assert [one["name"] for one in found["files"]] == ["room/ann.safetensors", "room/ann.preview.png"]
    assert [(one["key"], one["what"]) for one in found["trainings"]] == [(key(71), "stableidentity, 3 steps")]
    assert post(server, "/delete", {**asked, "state": "old", "trainings": [key(71)]})[0] == 400
    assert len(list(room.iterdir())) == 2 and store.path(key(71)).exists()
    sent = {**asked, "state": found["state"], "trainings": [key(71), key(72)]}
    answer = {"files": ["ann.safetensors", "ann.preview.png"], "trainings": 1, "left": []}
    assert post(server, "/delete", sent) == (200, answer)
    assert not list(room.iterdir()) and not list(store.folder.glob(f"{key(71)}*"))


def test_other_programs_files_are_left_alone_and_damaged_ones_can_go(server, room):
    torch.save(randn(2, 64), room / "style.pt")
    (room / "broken.safetensors").write_bytes(b"x" * 50)
    for name, code in (("style.pt", 400), ("broken.safetensors", 200)):
        asked = {"folder": 0, "file": f"room/{name}"}
        state = json.loads(get(server, "/details", **asked)[1])["state"]
        assert post(server, "/delete", {**asked, "state": state})[0] == code
    assert [path.name for path in room.iterdir()] == ["style.pt"]


def test_save_keeps_a_portrait_only_if_it_is_wanted(server, room):
    person(room / "source.safetensors")
    load = {"who": node("StableIdentityLoad", name="room/source.safetensors", trigger="")}
    picture = {"picture": node("EmptyImage", width=700, height=600, batch_size=2, color=0x336699)}

    def save(name: str, **more: object) -> Json:
        return {"save": node("StableIdentitySave", identity=["who", 0], name=name, if_exists="stop", **more)}

    folder = server.models / "embeddings"
    try:
        refused = server.run({**load, **save("route-a", portrait=True)})
        assert refused.status == "error" and "nothing is connected to portrait_from" in refused.error
        assert not (folder / "route-a.safetensors").exists()
        assert server.run({**load, **picture, **save("route-a", portrait_from=["picture", 0])}).status == "success"
        assert [path.name for path in folder.glob("route-a*")] == ["route-a.safetensors"]
        done = server.run({**load, **picture, **save("route-a", portrait_from=["picture", 0], portrait=True)})
        assert done.status == "success", done.error
        with Image.open(io.BytesIO((folder / "route-a.preview.png").read_bytes())) as kept:
            assert (kept.size, kept.info, kept.getpixel((5, 5))) == ((512, 439), {}, (0x33, 0x66, 0x99))
    finally:
        for path in folder.glob("route-a*"):
            path.unlink()


def test_people_of_the_mini_world_have_a_folder_and_a_name_of_their_own(server, room):
    """What Save says works in a prompt, on this host."""
    save_identity(some_identity(128, "drawn", 5), room / "source.safetensors")
    prompt = {
        "who": node("StableIdentityLoad", name="room/source.safetensors", trigger=""),
        "save": node("StableIdentitySave", identity=["who", 0], name="route-drawn", if_exists="stop"),
        "world": node("StableIdentityMiniWorld"),
        "by name": node(
            "CLIPTextEncode", clip=["world", 1], text="a photo of embedding:mini_world/route-drawn smiling"
        ),
        "applied": node("StableIdentityApply", clip=["world", 1], identity=["who", 0], trigger=""),
        "by trigger": node("CLIPTextEncode", clip=["applied", 0], text="a photo of <drawn> smiling"),
    }
    saved = server.models / "embeddings" / "mini_world" / "route-drawn.safetensors"
    try:
        done = server.run({name: prompt[name] for name in ("who", "save")})
        assert done.outputs["save"]["text"] == [
            "mini_world/route-drawn.safetensors: type embedding:mini_world/route-drawn in a prompt"
        ]
        assert load_identity(saved).trigger == "<drawn>"
        prompt["compare"] = node("SITestCompare", a=["by name", 0], b=["by trigger", 0])
        del prompt["save"]
        assert server.run(prompt).outputs["compare"]["difference"] == [0]
    finally:
        saved.unlink(missing_ok=True)

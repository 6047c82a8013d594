"""A host whose streams are ASCII, in folders whose names are not: nothing the pack says stops its queue.

Python's logging fails at a character that the stream cannot write, and fails again where it prints the way to that
line through files whose path has one; ComfyUI's thread that works off the queue then ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.prompts import SETTINGS, Json, node
from helpers.server import ComfyServer


@pytest.fixture(scope="module")
def plain(comfyui: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyServer]:
    base = tmp_path_factory.mktemp("base") / "Zoë 张"
    home = base / "home"
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("LC_", "XDG_", "MPL", "HF_"))]:
            patch.delenv(name)
        base.mkdir()
        home.mkdir()
        patch.setenv("HOME", str(home))
        patch.setenv("PYTHONIOENCODING", "ascii")
        server = ComfyServer(comfyui, base).start()
    yield server
    server.stop()


def learn(**settings: object) -> Json:
    """One step in the mini world, and the loss as a picture."""
    values = {**SETTINGS, "steps": 1, "resolution": 128, "cached_views": 1, "preview_every": 0, **settings}
    return {
        "world": node("StableIdentityMiniWorld"),
        "person": node("StableIdentityMiniWorldPerson", person=1),
        "face": node(
            "StableIdentityPrepareFace",
            image=["person", 0],
            face_mask=["person", 1],
            hair_mask=["person", 2],
            find_face="off",
            parse_face="off",
        ),
        "train": node(
            "StableIdentityTrain",
            **{name: ["world", place] for place, name in enumerate(("model", "clip", "vae", "face_encoder"))},
            face=["face", 0],
            **values,
        ),
        "curve": node("PreviewImage", images=["train", 2]),
    }


def test_log_lines_with_paths_do_not_stop_the_queue(plain: ComfyServer):
    first, again = plain.run(learn()), plain.run(learn(preview_every=1))
    assert first.status == "success", first.error
    assert again.status == "success", again.error
    assert "result loaded from" in plain.log_tail(), "the line with the path was not logged"


def test_errors_do_not_stop_the_queue(plain: ComfyServer):
    """The first is told in ASCII, from files whose path is not; the second names such a path."""
    result = plain.run(learn(resolution=64))
    assert result.status == "error" and "128x128" in result.error
    damaged = plain.models / "embeddings" / "Zoë.safetensors"
    damaged.write_bytes(b"no header")
    load = node("StableIdentityLoad", name=damaged.name, trigger="")
    clip = node("StableIdentityApply", clip=["world", 1], identity=["load", 0], trigger="")
    prompt = {"world": node("StableIdentityMiniWorld"), "load": load, "clip": clip}
    prompt["shown"] = node("CLIPTextEncode", clip=["clip", 0], text="a photo")
    prompt["seen"] = node("PreviewAny", source=["shown", 0])
    result = plain.run(prompt)
    assert result.status == "error" and ".safetensors (9 bytes)" in result.error, result.error
    (event,) = result.of("execution_error")
    assert event.data["exception_message"].isascii()
    assert "Traceback" in plain.log_tail(), "the way to the error is not in the log"
    good = plain.run(learn(preview_every=2))
    assert good.status == "success", good.error


def test_nothing_is_written_to_the_home_folder(plain: ComfyServer):
    assert plain.run(learn()).status == "success"
    assert [str(path.relative_to(plain.base)) for path in (plain.base / "home").rglob("*")] == []
    assert list((plain.user / "stableidentity" / "matplotlib").glob("fontlist*"))

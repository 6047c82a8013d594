"""The short way: StableIdentity Train takes the paper's encoder and the pack's names by itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from helpers.file_server import serving
from helpers.prompts import Json, learn, node
from helpers.tiny import tiny_face_vit
from helpers.world import World
from stableidentity_core.identity import load_identity

PAPER_ENCODER = "vit-base-patch16-224-in21k-face-recognition"
FILES = {"fr_vit": "model.safetensors", "fr_vit_config": "config.json"}


@pytest.fixture
def place(world: World) -> Iterator[Path]:
    """Where the paper's encoder belongs; empty before and after."""
    folder = world.server.models / "stableidentity" / "face_encoders" / PAPER_ENCODER
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def short(world: World, name: str, **settings) -> Json:
    """Photo, Prepare Face, StableIdentity Train; nothing else is connected."""
    prompt = learn(world.eps, name=name, force_retrain=True, **settings)
    for other in ("encoder", "encoded", "names"):
        del prompt[other]
    prompt["train"]["inputs"]["face"] = ["face", 0]
    del prompt["train"]["inputs"]["name_space"]
    return prompt


def test_the_short_way_learns_what_the_long_one_does(world, place):
    tiny_face_vit(place, seed=3)
    results = [
        world.server.run(prompt)
        for prompt in (short(world, "short-way"), learn(world.eps, name="long-way", encoder=PAPER_ENCODER))
    ]
    assert [result.status for result in results] == ["success", "success"], [result.error for result in results]
    brief, whole = (load_identity(world.embedding(name)).words for name in ("short-way", "long-way"))
    assert brief.keys() == whole.keys() and all(torch.equal(brief[name], whole[name]) for name in brief)


def test_without_the_papers_encoder_it_says_how_to_get_it(world, bad, place):
    bad.refused(
        short(world, "never"), "No face encoder is connected", "343 MB", str(place), "Load Face Encoder", "`download`"
    )


def test_a_switch_downloads_the_papers_encoder(world, place, tmp_path):
    source = tiny_face_vit(tmp_path / "vit", seed=3)
    prompt = learn(world.eps, name="downloaded", encoder=PAPER_ENCODER)
    prompt["encoder"]["inputs"]["download"] = True
    with serving() as files:
        for weight, file in FILES.items():
            files.files[file] = (source / file).read_bytes()
            told = node("SITestWeightAddress", name=weight, url=files.url("good", file))
            assert world.server.run({"address": told}).status == "success"
        result = world.server.run(prompt)
        assert result.status == "success", result.error
        assert {file: (place / file).read_bytes() for file in FILES.values()} == files.files
    again = world.server.run(prompt)  # without the server of files
    assert again.status == "success", again.error

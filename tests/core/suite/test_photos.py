"""The suite on photos: the real loaders and file formats, with small networks that nobody trained."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.face_nets import pointing_retinaface, random_bisenet
from helpers.tiny import tiny_face_vit, tiny_sd
from stableidentity_core.cli import main
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.suite.folder import Folder
from stableidentity_core.suite.photos import PhotoBench
from stableidentity_core.suite.read import read_suite, suite_of
from stableidentity_core.suite.results.found import find_results
from stableidentity_core.suite.spec import Suite

TOML = """
prompts = ["a photo of {}", "{} in the snow"]
sampling = { size = 64, steps = 1, at_once = 2 }
scoring = { recognisers = ["recogniser"], distance = false, inception = false }
world_options = { photos = "photos", model = "sd", models = "models", encoder = "encoder" }
methods = [
    { name = "learned", settings = { steps = 1, resolution = 64, cached_views = 1 } },
    { name = "names", kind = "names" },
]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, networks, and a suite that names them by paths relative to it."""
    folder = tmp_path_factory.mktemp("photos")
    pointing_retinaface(folder / "models" / "facedetection" / "detection_Resnet50_Final.pth")
    random_bisenet(folder / "models" / "facedetection" / "parsing_bisenet.pth")
    tiny_sd(folder / "sd")
    tiny_face_vit(folder / "encoder")
    tiny_face_vit(folder / "recogniser", seed=1)
    (folder / "photos").mkdir()
    for seed, name in enumerate(("anna.png", "ben.png")):
        pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((512, 512), Image.Resampling.BICUBIC).save(folder / "photos" / name)
    (folder / "photos" / "notes.txt").write_text("no photo")
    (folder / "photos" / "damaged.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (folder / "suite.toml").write_text(TOML)
    return folder


def suite(place: Path, scoring: Mapping[str, Any] | None = None, **changes: str) -> Suite:
    options = {**read_suite(place / "suite.toml").world_options, **changes}
    methods = [{"name": "names", "kind": "names"}]
    return suite_of({"prompts": ["{}"], "methods": methods, "world_options": options, "scoring": scoring or {}}, place)


def test_photos_are_learned_painted_and_measured(place, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert main(["evaluate", "run", str(place / "suite.toml"), "--out", str(out), "--device", "cpu"]) == 1
    errors = capsys.readouterr().err
    assert "damaged: " in errors and "damaged.jpg" in errors, errors
    found = find_results(Folder(out), read_suite(place / "suite.toml"))
    assert [each.people for each in found] == [["anna", "ben"]] * 2
    learned, names = (each.values("face_similarity", ["anna", "ben"]) for each in found)
    assert None not in learned and names == [None, None], "names are other people"
    # Found again from anywhere, and nothing is done twice.
    monkeypatch.chdir(tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in (out / "records").iterdir()}
    monkeypatch.setattr("stableidentity_core.suite.photos.load_diffusers", None)  # nor is the model loaded
    assert main(["evaluate", "score", "out", "--device", "cpu"]) == 1
    assert "damaged.jpg" in capsys.readouterr().err, "this photo is all that is wrong"
    assert {path: path.stat().st_mtime_ns for path in (out / "records").iterdir()} == stamps


def test_a_model_is_known_by_its_files_and_how_it_is_loaded(place):
    bench = PhotoBench(suite(place), "cpu")
    stamp = bench.model_stamp()
    assert stamp == PhotoBench(suite(place), "cpu").model_stamp()
    assert PhotoBench(suite(place, dtype="bf16"), "cpu").model_stamp() != stamp
    config = next(Path(suite(place).world_options["model"]).rglob("config.json"))
    os.utime(config, ns=(1, 1))
    assert bench.model_stamp() != stamp


def test_the_encoder_of_the_training_measures_nothing(place):
    scoring = {"recognisers": ["encoder"], "distance": False, "inception": False}
    own = suite(place, scoring=scoring)
    with pytest.raises(StableIdentityError, match="is the face encoder that the identities were trained with"):
        PhotoBench(own, "cpu").facts()


def test_everything_that_is_not_named_is_said_at_once(place):
    with pytest.raises(StableIdentityError, match=r"(?s)--photos: .*--model: .*--models: "):
        PhotoBench(suite(place, photos="", model="", models=""), "cpu")


def test_another_vae_makes_other_pictures(place):
    backend = PhotoBench(suite(place), "cpu").backend
    before, words = backend.pictures_fingerprint(), backend.fingerprint()
    with torch.no_grad():
        next(backend.vae.decoder.parameters()).add_(1)
    assert backend.pictures_fingerprint() != before and backend.fingerprint() == words

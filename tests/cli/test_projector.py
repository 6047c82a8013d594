"""`projector` and `project` on tiny models: a folder of people, then somebody new without any training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers.make import some_face
from helpers.tiny import tiny_face_vit, tiny_sd
from stableidentity_core.cli import main
from stableidentity_core.identity import load_identity
from stableidentity_core.methods.projector_file import load_projector


def save_picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = (some_face(seed=seed).image.movedim(0, -1) * 255).byte().numpy()
    Image.fromarray(picture).save(path)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    tiny_sd(folder / "model")
    tiny_face_vit(folder / "encoder")
    for seed in range(5):
        save_picture(folder / "people" / ("more" if seed > 2 else "") / f"{seed}.png", seed)
    (folder / "people" / "notes.txt").write_text("no picture")
    (folder / "people" / "broken.jpg").write_bytes(b"no picture either")
    save_picture(folder / "new.png", 99)
    return folder


def learn(world: Path, out: Path, *more: str) -> int:
    options = f"--model {world / 'model'} --encoder {world / 'encoder'} --faces {world / 'people'} --out {out}"
    settings = "--device cpu --steps 4 --resolution 64 --batch-size 2"
    return main(["projector", *options.split(), *settings.split(), *more])


def project(world: Path, projector: Path, out: Path) -> int:
    options = f"--model {world / 'model'} --encoder {world / 'encoder'} --projector {projector}"
    return main(["project", *options.split(), "--photo", str(world / "new.png"), "--out", str(out), "--device", "cpu"])


def test_a_folder_becomes_a_projector_and_a_new_photo_an_identity(world, tmp_path, capsys):
    projector, anna = tmp_path / "many.safetensors", tmp_path / "anna.safetensors"
    assert learn(world, projector) == 0
    told = capsys.readouterr()
    assert "5 of 6 photos can be used for training" in told.out and "broken.jpg" in told.err
    assert load_projector(projector).facts["projector_people"] == "5"
    assert project(world, projector, anna) == 0
    identity = load_identity(anna)
    assert identity.words["clip_h"].shape == (2, 64) and identity.header["steps"] == "0"


def test_a_training_may_start_from_it(world, tmp_path):
    projector, anna, near = (tmp_path / f"{name}.safetensors" for name in ("many", "anna", "near"))
    assert learn(world, projector) == 0 and project(world, projector, anna) == 0
    options = f"--model {world / 'model'} --encoder {world / 'encoder'} --photo {world / 'new.png'} --out {near}"
    small = "--device cpu --steps 1 --learning-rate 1e-9 --resolution 64"
    assert main(["train", *options.split(), *small.split(), "--projector", str(projector)]) == 0
    ours, theirs = (load_identity(path).words["clip_h"] for path in (near, anna))
    assert torch.allclose(ours, theirs, atol=1e-5)  # one step of a billionth


def test_it_goes_on_where_it_was_broken_off(world, tmp_path):
    whole, parts, checkpoint = (tmp_path / f"{name}.safetensors" for name in ("whole", "parts", "checkpoint"))
    assert learn(world, whole, "--checkpoint", str(checkpoint), "--checkpoint-every", "3") == 0
    assert checkpoint.is_file()  # of step 3 of 4
    assert learn(world, parts, "--checkpoint", str(checkpoint)) == 0
    first, second = (load_projector(path).state for path in (whole, parts))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--faces", "nowhere", "No folder at"),
        ("--faces", "model", "No picture in"),
        ("--out", "many.pt", "ending in .safetensors"),
        ("--steps", "0", "steps is 0"),
        ("--encoder", "people", "people"),
    ],
)
def test_bad_input_is_a_sentence_and_exit_code_1(world, tmp_path, capsys, option, value, said):
    value = str(world / value) if option in ("--faces", "--encoder") else value
    assert learn(world, tmp_path / "many.safetensors", option, value) == 1
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err

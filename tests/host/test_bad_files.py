"""Damaged, foreign and dangerous identity files and face encoders are refused."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from helpers.people import encoding
from helpers.prompts import learn
from helpers.refusal import Refusals, node
from helpers.world import World

PAPER_ENCODER = "vit-base-patch16-224-in21k-face-recognition"


class Payload:
    """Code in a pickle: makes a file when it is loaded."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def refused_file(world: World, bad: Refusals):
    """Puts a file into models/embeddings, and has Load Identity refuse it."""
    written = []

    def check(name: str, write, *needed: str) -> None:
        path = world.server.models / "embeddings" / name
        written.append(path)
        write(path)
        bad.refused(encoding(world, "<x>", x=node("StableIdentityLoad", name=name, trigger="x")), *needed)

    yield check
    for path in written:
        path.unlink()


def truncated(path: Path) -> None:
    save_file({"<x>": torch.zeros(2, 64)}, path)
    path.write_bytes(path.read_bytes()[:-100])


def checkpoint(path: Path) -> None:
    """The beginning of a Stable Diffusion checkpoint."""
    tensors = {f"model.diffusion_model.input_blocks.{i}.0.weight": torch.zeros(32, 4, 3, 3) for i in range(100)}
    save_file({**tensors, "model.diffusion_model.out.0.bias": torch.zeros(320)}, path)


@pytest.mark.parametrize(
    ("name", "write", "needed"),
    [
        ("short.safetensors", truncated, ("bytes", "not a complete safetensors file", "Copy it again")),
        ("empty.safetensors", Path.touch, ("(0 bytes)", "neither a safetensors nor a torch file", "it is empty")),
        (
            "noise.safetensors",
            lambda path: path.write_bytes(b"\xff" * 99),
            ("(99 bytes)", "safetensors", "Copy it again"),
        ),
        ("empty.pt", Path.touch, ("(0 bytes)", "it is empty", "Copy it again")),
        ("page.pt", lambda path: path.write_bytes(b"<html>no</html>"), ("page.pt", "a web page", "Copy it again")),
        (
            "two.safetensors",
            lambda path: save_file({"a": torch.zeros(2, 64), "b": torch.ones(2, 64)}, path),
            ("2 tensors", "'b'", "ComfyUI would not use all", "in its own file"),
        ),
        (
            "list.pt",
            lambda path: torch.save([1, 2], path),
            ("does not contain an embedding", "found list", "[N, D]", "another file"),
        ),
        (
            "checkpoint.safetensors",
            checkpoint,
            ("checkpoint.safetensors", "101 tensors", "model or a LoRA", "choose an embedding"),
        ),
        (
            "strange.safetensors",
            lambda path: save_file({"x": torch.zeros(2, 999)}, path),
            ("width 999", "1024 (clip_h)"),
        ),
        (
            "nan.safetensors",
            lambda path: save_file({"x": torch.full((2, 1024), float("nan"))}, path),
            ("nan.safetensors", "not finite", "again"),
        ),
    ],
)
def test_files_that_are_no_identity(refused_file, name, write, needed):
    refused_file(name, write, *needed)


def test_a_file_outside_the_folder(world, bad):
    prompt = encoding(world, "<x>", x=node("StableIdentityLoad", name="../../../server.log", trigger="x"))
    bad.refused(prompt, "Value not in list", "'../../../server.log'", by="the schema")


def test_a_damaged_result_in_the_store_is_trained_again(world, bad):
    """And the same words come out."""
    before = {path: path.read_bytes() for path in world.trained}
    for path in before:
        cut(path, 1000)
    log = world.server.log_file.stat().st_size
    result = bad.good()
    assert any(event.data.get("max") == 1 for event in result.of("progress")), "it did not train"
    assert "cannot be used and is ignored" in world.server.log_tail()
    bad.clean(log, errors=0)
    for path, content in before.items():
        assert path.read_bytes() in (content, content[:1000])
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["torch.save", "pickle"])
def test_code_in_a_pickle_does_not_run(refused_file, tmp_path, how):
    content = {"string_to_param": {"*": torch.zeros(2, 1024)}, "extra": Payload(tmp_path / "ran")}

    def write(path: Path) -> None:
        torch.save(content, path) if how == "torch.save" else path.write_bytes(pickle.dumps(content))

    refused_file(f"{how}-code.pt", write, "code.pt", "could run code", "it was not loaded", "safetensors file")
    assert not (tmp_path / "ran").exists(), "the code in the file was run"


def with_encoder(world: World, name: str):
    return learn(world.eps, name="bad", encoder=name)


def test_the_papers_encoder_is_missing(world, bad):
    folder = world.server.models / "stableidentity" / "face_encoders" / PAPER_ENCODER
    needed = (
        str(folder),
        f"https://huggingface.co/jayanta/{PAPER_ENCODER}",
        "343 MB",
        "model.safetensors",
        "config.json",
    )
    bad.refused(with_encoder(world, PAPER_ENCODER), *needed)
    folder.mkdir()  # and the same when only the folder is there
    try:
        bad.refused(with_encoder(world, PAPER_ENCODER), *needed)
    finally:
        folder.rmdir()


def test_an_encoder_that_is_not_in_the_list(world, bad):
    bad.refused(with_encoder(world, "nobody"), "Value not in list", "nobody", PAPER_ENCODER, by="the schema")


@pytest.fixture
def spoilt_encoder(world):
    """A copy of the tiny encoder to be damaged."""
    home = world.server.models / "stableidentity" / "face_encoders"
    folder = home / "spoilt"
    shutil.copytree(home / "tiny", folder)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("damage", "needed"),
    [
        (lambda folder: cut(folder / "model.safetensors", 1000), ("model.safetensors (", "bytes)", "again")),
        (lambda folder: cut(folder / "config.json", 20), ("config.json", "Download it again")),
        (
            lambda folder: (folder / "config.json").write_text('{"hidden_size": 96}'),
            ("config.json", "width 32", "width 96", "again"),
        ),
        (
            lambda folder: save_file({"a": torch.zeros(1)}, folder / "model.safetensors"),
            ("is not a face encoder", "1 tensors"),
        ),
    ],
    ids=["weights cut", "config cut", "config of another", "other weights"],
)
def test_a_damaged_encoder(world, bad, spoilt_encoder, damage, needed):
    damage(spoilt_encoder)
    bad.refused(with_encoder(world, "spoilt"), "spoilt", *needed)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def test_code_in_an_encoder_does_not_run(world, bad, spoilt_encoder, tmp_path):
    (spoilt_encoder / "model.safetensors").unlink()
    torch.save({"vit.embeddings.cls_token": Payload(tmp_path / "ran")}, spoilt_encoder / "pytorch_model.bin")
    bad.refused(with_encoder(world, "spoilt"), "pytorch_model.bin", "it was not loaded", "safetensors")
    assert not (tmp_path / "ran").exists(), "the code in the file was run"

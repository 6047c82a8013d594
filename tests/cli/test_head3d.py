"""The command that makes heads in 3D, on a tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers.tiny import WIDTH, tiny_sd
from stableidentity_core.cli import main
from stableidentity_core.head3d.splat_files import load_splat
from stableidentity_core.identity import Identity, save_identity

SETTINGS = ["--preset", "quick", "--resolution", "64", "--views", "1", "--points", "60", "--most-points", "80"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sd(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    words = 0.1 * torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(0))
    save_identity(Identity(trigger="anna", words={"clip_h": words}), tmp_path / "anna.safetensors")
    return tmp_path / "anna.safetensors"


def head3d(model: Path, *options: str | Path) -> int:
    return main(["head3d", "--model", str(model), *SETTINGS, "--steps", "4", *map(str, options)])


def test_a_head_is_written_and_a_checkpoint_gives_the_same(model, identity, tmp_path, capsys):
    out, turn, checkpoint = tmp_path / "head.ply", tmp_path / "head.webp", tmp_path / "run.safetensors"
    options = ["--identity", identity, "--checkpoint", checkpoint, "--checkpoint-every", "2"]
    assert head3d(model, *options, "--out", out, "--turntable", turn, "--frames", "3", "--size", "32") == 0
    assert "anna: 4 steps in" in capsys.readouterr().out
    with Image.open(turn) as found:
        assert (found.n_frames, found.size) == (3, (32, 32))
    again = tmp_path / "again.ply"
    assert head3d(model, *options, "--out", again) == 0  # from the checkpoint of the last step
    assert again.read_bytes() == out.read_bytes()
    assert head3d(model, *options, "--out", out) == 1 and "already exists" in capsys.readouterr().err


def test_several_heads_stand_side_by_side(model, identity, tmp_path):
    turn = tmp_path / "figure.gif"
    given = ["--name", "tom cruise", "--identity", identity, "--out", tmp_path / "head.splat", "--turntable", turn]
    assert head3d(model, *given, "--frames", "2", "--size", "32") == 0
    assert [len(load_splat(tmp_path / f"head-{name}.splat")) > 20 for name in ("tom_cruise", "anna")] == [True, True]
    with Image.open(turn) as found:
        assert found.n_frames == 2 and found.width == 2 * 32 + 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "nobody to make a head of"),
        (["--name", "a b", "--prompt", "a photo"], "has no {} in the person's place"),
        (["--name", "a b", "--out", "head.obj"], "needed one of .ply, .splat"),
        (["--name", "a b", "--turntable", "head.mov"], "needed one of .webp"),
        (["--name", "a b", "--name", "c d", "--checkpoint", "run.safetensors"], "is for one head"),
        (["--name", "a b", "--fits", "0"], "fits is 0, needed a number from 1 to 50"),
        (["--name", "a b", "--arc", "400"], "needed 0 to 360 degrees"),
    ],
)
def test_wrong_usage_is_told_before_any_work(tmp_path, monkeypatch, capsys, options, said):
    monkeypatch.chdir(tmp_path)
    out = [] if "--out" in options else ["--out", "head.ply"]
    assert head3d(tmp_path / "no model", *options, *out) == 1
    assert said in capsys.readouterr().err


def test_an_identity_of_another_base_is_refused(model, tmp_path, capsys):
    save_identity(Identity(trigger="bert", words={"clip_l": torch.ones(2, 768)}), tmp_path / "bert.safetensors")
    assert head3d(model, "--identity", tmp_path / "bert.safetensors", "--out", tmp_path / "head.ply") == 1
    assert "Use the same base" in capsys.readouterr().err

"""What stands after a command: impossible paths, numbers and devices end with one sentence, never with a traceback."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from stableidentity_core.cli import main, parser
from stableidentity_core.cli.arguments import out_of_memory_advice
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.identity import Identity, save_identity

ROOT = Path(__file__).resolve().parents[2]


def commands_of(made: argparse.ArgumentParser, words: str = "") -> dict[str, argparse.ArgumentParser]:
    """Each command, or each of the actions that it has, by its words."""
    actions = [action for action in made._actions if isinstance(action, argparse._SubParsersAction)]
    if not actions:
        return {words: made}
    found = actions[0].choices.items()
    return {name: one for word, its in found for name, one in commands_of(its, f"{words} {word}".strip()).items()}


COMMANDS = commands_of(parser())


def path_arguments() -> Iterator[tuple[str, str]]:
    """Command and option, or name of the place, of everything that takes a path."""
    for command, its_parser in COMMANDS.items():
        for action in its_parser._actions:
            if action.type is Path:
                yield command, action.option_strings[0] if action.option_strings else action.dest


def given(command: str, option: str, value: str) -> list[str]:
    """A command line with the value in that place, and with something in all that are needed."""
    line = command.split()
    for action in COMMANDS[command]._actions:
        name = action.option_strings[0] if action.option_strings else action.dest
        if name == option or action.required:
            flag = [name] if action.option_strings else []
            line += [*flag, value if name == option else "x.safetensors"]
    return line


@pytest.fixture(scope="module")
def odd_paths(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("odd")
    (folder / "loop").symlink_to(folder / "loop")
    odd = {
        "it is empty": "",
        "null character": "a\0b.safetensors",
        "lone surrogates": "\ud800.safetensors",
        "longer than the file system allows": f"{'x' * 300}.safetensors",
        "points to itself": str(folder / "loop"),
    }
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.safetensors")
        odd |= {"is a pipe": str(folder / "pipe.safetensors"), "is a device": "/dev/null"}
    return odd


@pytest.mark.parametrize("command,option", list(path_arguments()))
def test_a_path_that_no_file_can_have_is_wrong_usage(odd_paths, capsys, command, option):
    for said, value in {**odd_paths, " (5,000": "x/" * 2500}.items():
        with pytest.raises(SystemExit) as ended:
            main(given(command, option, value))
        error = capsys.readouterr().err
        assert ended.value.code == 2 and (said in error or said.startswith(" (")), error


def test_every_command_takes_paths():
    """But the download, whose folders may be addresses and which evaluators them itself."""
    assert {command for command, _option in path_arguments()} == set(COMMANDS) - {"download"}


@pytest.mark.parametrize("command", ["train", "projector"])
@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "9" * 5000, ""])
def test_steps_between_checkpoints_are_counted_from_one(capsys, command, value):
    with pytest.raises(SystemExit):
        main(given(command, "--checkpoint-every", value))
    assert "is not an integer of at least 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "value", ["meta", "gpu", "cuda:99", "", "cpu:x", "9" * 5000, "\ud800", "privateuseone", "vulkan"]
)
def test_a_device_that_cannot_compute_here_is_named(capsys, value):
    with pytest.raises(SystemExit):
        main(given("train", "--device", value))
    assert "cannot be used here" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option,value", [("--seed", str(2**64)), ("--seed", str(-(2**63) - 1)), ("--steps", "9" * 400)]
)
@pytest.mark.parametrize("command", ["train", "projector"])
def test_a_number_that_torch_cannot_take_is_refused_before_any_work(tmp_path, capsys, command, option, value):
    assert main(given(command, option, value)) == 1
    assert f"{option.removeprefix('--')} is " in capsys.readouterr().err


@pytest.mark.parametrize("value", ["²", "٣", "9" * 5000, "-1", "1.5", "\ud800"])
def test_a_face_that_is_no_number(capsys, tmp_path, value):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    assert main(["prepare", str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), f"--face={value}"]) == 1
    assert "needed largest" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["prepare", "score"])
@pytest.mark.parametrize("out", ["file", "file/below", "nowhere"])
def test_a_folder_for_results_that_cannot_be_made(tmp_path, capsys, monkeypatch, command, out):
    (tmp_path / "file").touch()
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    place = Path("/proc/nowhere") if out == "nowhere" else tmp_path / out
    if out == "nowhere" and not Path("/proc/self").exists():
        pytest.skip("a system without /proc")
    if command == "score":
        monkeypatch.setattr("stableidentity_core.cli.score.load_encoder", lambda _path: None)
        monkeypatch.setattr("stableidentity_core.cli.score.score_clip", lambda *_args, **_more: None)
        monkeypatch.setattr("stableidentity_core.cli.score.clip_plot", lambda *_args: torch.zeros(8, 8, 3))
    line = {"prepare": ["prepare", str(tmp_path / "a.png")], "score": ["score", str(tmp_path), "--encoder", "x"]}[
        command
    ]
    assert main([*line, "--out", str(place)]) == 1
    assert capsys.readouterr().err.startswith(f"Error: --out is {place if out != 'file/below' else tmp_path / 'file'}")


def test_memory_that_is_not_there_is_said():
    with pytest.raises(StableIdentityError, match=r"not enough memory.*smaller resolution"), out_of_memory_advice():
        torch.empty(1 << 60, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="another"), out_of_memory_advice():
        raise RuntimeError("another fault is not hidden")


def convert(source: Path, target: Path) -> subprocess.CompletedProcess[bytes]:
    """As a user types it in a terminal that knows ASCII only."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "stableidentity_core", "convert", str(source), str(target)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)


def test_a_name_that_the_terminal_cannot_write(tmp_path):
    save_identity(Identity(trigger="ben", words={"clip_h": torch.ones(2, 1024)}), tmp_path / "安娜.safetensors")
    done = convert(tmp_path / "安娜.safetensors", tmp_path / "安娜.bin")
    assert done.returncode == 0 and (tmp_path / "安娜.bin").is_file(), done.stderr


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_no_text(tmp_path):
    save_identity(Identity(trigger="ben", words={"clip_h": torch.ones(2, 1024)}), tmp_path / "a.safetensors")
    done = convert(
        (tmp_path / "a.safetensors").rename(tmp_path / os.fsdecode(b"caf\xe9.safetensors")), tmp_path / "a.pt"
    )
    assert done.returncode == 1 and b"Rename the file" in done.stderr and b"Traceback" not in done.stderr

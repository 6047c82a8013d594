"""Results of the commands: nothing is written over without being told to, and nothing odd reaches the terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from helpers.make import some_identity
from mini_world.run import EVIDENCE, Files, check_out
from stableidentity_core.cli import main, outputs
from stableidentity_core.errors import FileTakenError, StableIdentityError
from stableidentity_core.identity import load_identity, save_identity

ROOT = Path(__file__).resolve().parents[2]
EVIL = "\x1b[2J\x1b]0;owned\x07\u202e\u200b\x9b31m"


@pytest.fixture
def anna(tmp_path) -> Path:
    path = tmp_path / "anna.safetensors"
    save_identity(some_identity(1024, "anna", steps="3"), path)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def exit_code(command: list[str]) -> int:
    """Also of what argparse refuses."""
    try:
        return main(command)
    except SystemExit as stop:
        return stop.code


@pytest.mark.parametrize("ending", [".safetensors", ".pt", ".bin"])
def test_convert_leaves_what_is_there_unless_told(anna, capsys, ending):
    target = anna.with_name(f"taken{ending}")
    target.write_bytes(b"mine")
    before = files(anna.parent)
    assert main(["convert", str(anna), str(target)]) == 1
    error = capsys.readouterr().err
    assert str(target) in error and "already exists" in error and "--replace" in error
    assert files(anna.parent) == before
    assert main(["convert", str(anna), str(target), "--replace"]) == 0
    assert torch.equal(load_identity(target).words["clip_h"], load_identity(anna).words["clip_h"])


def test_convert_onto_itself(anna, capsys):
    before = anna.read_bytes()
    for other in (anna, anna.parent / "." / anna.name):
        assert main(["convert", str(anna), str(other)]) == 1
    assert anna.read_bytes() == before
    assert main(["convert", str(anna), str(anna), "--replace", "--trigger", "ben"]) == 0
    assert load_identity(anna).trigger == "<ben>"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("folder.pt", "is a folder"),
        ("anna.png", "ends in '.png', needed .safetensors, .pt, .bin"),
        ("anna", "ends in ''"),
        ("anna.safetensors/within.pt", "cannot be written"),
        ("n" * 300 + ".pt", "long"),
        ("a\0b.pt", "null"),
        ("\ud800.pt", "surrogates"),
        ("dangling.pt", "already exists"),
    ],
)
def test_convert_to_a_place_where_no_file_can_be(anna, capsys, target, said):
    (anna.parent / "folder.pt").mkdir()
    (anna.parent / "dangling.pt").symlink_to(anna.parent / "nowhere")
    before = files(anna.parent)
    assert exit_code(["convert", str(anna), str(anna.parent / target)]) != 0
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error, error
    assert files(anna.parent) == before


def test_convert_makes_a_folder_that_is_missing(anna):
    target = anna.parent / "new" / "folder" / "anna.pt"
    assert main(["convert", str(anna), str(target)]) == 0
    assert target.is_file()


def test_a_name_taken_during_the_work_gets_a_number(tmp_path, capsys):
    path = tmp_path / "anna.safetensors"
    for taken in ("anna", "anna-2"):
        save_identity(some_identity(768, "other"), tmp_path / f"{taken}.safetensors")
    written = outputs.save_new(
        path, False, lambda free, replace: save_identity(some_identity(768, "anna"), free, replace=replace)
    )
    assert written.name == "anna-3.safetensors" and load_identity(written).trigger == "<anna>"
    assert load_identity(path).trigger == "<other>"
    assert "Another process has written" in capsys.readouterr().out


TAKEN = {
    "train": "--model m --encoder e --photo p.png --out {file}",
    "projector": "--model m --encoder e --faces f --out {file}",
    "project": "--model m --encoder e --photo p.png --projector p --out {file}",
    "prepare": "p.png --out {folder}",
    "score": "clip --encoder e --out {folder}",
}


@pytest.mark.parametrize("command", TAKEN)
def test_every_command_refuses_before_it_reads_anything(tmp_path, capsys, command):
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("anna.safetensors", "report.txt", "score.json"):
        (folder / name).write_bytes(b"mine")
    before = files(folder)
    options = TAKEN[command].format(file=folder / "anna.safetensors", folder=folder)
    assert main([command, *options.split()]) == 1
    error = capsys.readouterr().err
    assert "already exists" in error and "--replace" in error and str(folder) in error
    assert files(folder) == before
    assert main([command, *options.split(), "--replace"]) == 1  # for what it was to read is not there
    assert "already exists" not in capsys.readouterr().err and files(folder) == before


@pytest.mark.parametrize("command", ["train", "projector"])
def test_a_checkpoint_in_an_impossible_place_is_told_before_the_work(tmp_path, capsys, command):
    options = [command, *TAKEN[command].format(file=tmp_path / "anna.safetensors").split()]
    for checkpoint, said in (
        (tmp_path, "is a folder"),
        (tmp_path / ("n" * 300), "long"),
        (tmp_path / "anna.safetensors", "--checkpoint and --out are both"),
    ):
        assert exit_code([*options, "--checkpoint", str(checkpoint)]) != 0
        assert said in capsys.readouterr().err


def test_the_demo_writes_over_nothing_but_a_demo(tmp_path):
    out = Files.of(tmp_path, "person-1")
    check_out(tmp_path, out)
    check_out(tmp_path / "new", Files.of(tmp_path / "new", "person-1"))
    save_identity(some_identity(768, "person-1"), out.identity)
    with pytest.raises(FileTakenError, match=r"person-1\.safetensors already"):
        check_out(tmp_path, out)
    check_out(tmp_path, Files.of(tmp_path, "person-2"))
    save_identity(some_identity(128, "person-1", face_encoder="mini-world-vit:0"), out.identity)
    check_out(tmp_path, out)
    out.sheet.write_bytes(b"mine")
    for content in ("[]", "{", "[" * 100_000, json.dumps({"evidence": "other"})):
        out.report.write_text(content)
        with pytest.raises(FileTakenError, match=r"contact_sheet\.png already"):
            check_out(tmp_path, out)
    out.report.write_text(json.dumps({"evidence": EVIDENCE}))
    check_out(tmp_path, out)


def evil(folder: Path, **header: str) -> Path:
    """An identity of a stranger, whose header means to be more than it is."""
    path = folder / "evil.safetensors"
    metadata = {
        "words": "none",
        "content_hash": "0000",
        "trigger": "<anna>",
        "header": "{}",
        f"key{EVIL}": "value",
        "note": f"value{EVIL}\nError: nothing",
        **header,
    }
    save_file({"<anna>": torch.ones(2, 768)}, path, metadata)
    return path


def shows_nothing_odd(text: str) -> bool:
    return all(char == "\n" or char.isprintable() for char in text)


def test_inspect_tells_facts_first_and_apart_and_escapes_the_rest(tmp_path, capsys):
    path = evil(tmp_path)
    real = load_identity(path)
    assert main(["inspect", str(path)]) == 0
    shown = capsys.readouterr().out
    assert shows_nothing_odd(shown) and "\\x1b[2J" in shown and "\\u202e" in shown
    facts, _, told = shown.partition("Header:\n")
    assert real.content_hash in facts and '"shape": [2, 768]' in facts and "<anna>" in facts
    assert "0000" not in facts and "0000" in told and all(line.startswith("  ") for line in told.splitlines())
    assert main(["inspect", str(path), "--json"]) == 0
    text = capsys.readouterr().out
    assert shows_nothing_odd(text) and text.isascii()
    facts = json.loads(text)
    assert list(facts) == ["trigger", "words", "content_hash", "header"]
    assert facts["content_hash"] == real.content_hash and facts["words"]["clip_l"]["shape"] == [2, 768]
    assert facts["header"]["content_hash"] == "0000" and facts["header"]["note"].startswith(f"value{EVIL}")


def test_a_delete_character_in_json(tmp_path, capsys):
    path = evil(tmp_path, note="a\x7fb")
    assert main(["inspect", str(path), "--json"]) == 0
    text = capsys.readouterr().out
    assert "\x7f" not in text and json.loads(text)["header"]["note"] == "a\x7fb"


@pytest.mark.parametrize(
    "command",
    [
        ["inspect", "{}"],
        ["convert", "{}", "out.pt"],
        ["convert", "anna.safetensors", "{}"],
        ["prepare", "{}", "--out", "out"],
        ["prepare", "photo.png", "--out", "out", "--models", "{}"],
        ["score", "{}", "--encoder", "e", "--out", "out"],
        ["train", "--model", "{}", "--encoder", "e", "--photo", "{}", "--out", "a.safetensors"],
        ["trained", "--folder", "{}"],
        ["trained", "--folder", ".", "--delete", "{}"],
        ["download", "--list", "--models", "{}"],
        ["download", "{}", "--models", "."],
        ["inspect", "a", "{}"],
        ["{}"],
    ],
    ids=lambda command: " ".join(command),
)
def test_odd_names_of_files_are_escaped_in_all_that_a_command_prints(tmp_path, capsys, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    save_identity(some_identity(768, "anna"), tmp_path / "anna.safetensors")
    name = f"a{EVIL}b"
    exit_code([part.format(name) for part in command])
    printed = capsys.readouterr()
    assert shows_nothing_odd(printed.out) and shows_nothing_odd(printed.err), ascii(printed)


def test_a_terminal_without_a_character_gets_its_number(tmp_path):
    path = tmp_path / "Zoë.safetensors"
    save_identity(some_identity(768, "anna"), path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "stableidentity_core", "convert", str(path), str(tmp_path / "Ångström.pt")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "\\xc5ngstr\\xf6m.pt" in done.stdout
    again = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert again.returncode == 1 and "\\xc5ngstr\\xf6m.pt" in again.stderr and "Traceback" not in again.stderr


def test_several_text_spaces_do_not_fit_into_one_file(tmp_path):
    from stableidentity_core.cli.files import write_as

    words = {"clip_l": torch.ones(2, 768), "clip_g": torch.ones(2, 1280)}
    identity = type(some_identity())(trigger="anna", words=words)
    with pytest.raises(StableIdentityError, match=r"only \.safetensors supports several"):
        write_as(identity, tmp_path / "anna.pt")


@pytest.mark.parametrize("arguments", [["download", "--list"], ["--help"], ["inspect"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_stops_nothing(tmp_path, arguments, unbuffered):
    """As `| head` does: no traceback, and the exit code of the work itself."""
    command = [sys.executable, "-m", "stableidentity_core", *arguments]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as gone:
        surroundings = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=surroundings)
    missing = "required: file" in done.stderr
    assert done.returncode == (2 if arguments == ["inspect"] else 0), done.stderr
    assert "BrokenPipe" not in done.stderr and "Traceback" not in done.stderr and missing == (arguments == ["inspect"])

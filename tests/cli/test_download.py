"""`download` as a user types it, against a real server and real folders."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.file_server import FileServer, serving
from stableidentity_core.cli import main
from stableidentity_core.weights import NEEDED, WEIGHTS, table

ROOT = Path(__file__).resolve().parents[2]
CONTENT = {name: name.encode() * 1000 for name in WEIGHTS}


@pytest.fixture
def models(tmp_path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def server(monkeypatch) -> Iterator[FileServer]:
    """Serves small files in place of the real ones; the table is that of the small files."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):  # of this machine, not the test's business
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        for name, weight in WEIGHTS.items():
            server.files[f"{weight.folder}/{weight.file}"] = CONTENT[name]
            monkeypatch.setitem(table.WEIGHTS, name, small(server, name))
        yield server


def small(server: FileServer, name: str):
    weight, content = WEIGHTS[name], CONTENT[name]
    url = server.url("good", f"{weight.folder}/{weight.file}")
    return replace(weight, urls=(url,), bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), about=None)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_one_file_comes_into_its_folder_and_its_licence_is_told(server, models, capsys):
    assert main(["download", "retinaface_resnet50", "--models", str(models)]) == 0
    path = models / "stableidentity/face_detection/detection_Resnet50_Final.pth"
    assert path.read_bytes() == CONTENT["retinaface_resnet50"]
    said = capsys.readouterr().out
    assert str(path) in said and "sha256 verified" in said and "Licence: not stated (code: MIT)." in said


def test_all_that_is_needed_comes_with_one_word_and_only_once(server, models, capsys):
    for _ in range(2):
        assert main(["download", "--all-needed", "bisenet", "--models", str(models)]) == 0
        assert capsys.readouterr().out.count("sha256 verified") == len(NEEDED)
    assert files(models) == {f"{WEIGHTS[name].folder}/{WEIGHTS[name].file}" for name in NEEDED}
    assert len(server.requests) == len(NEEDED)


def test_all_that_measures_pictures_comes_with_one_word(server, models):
    assert main(["download", "--all-evaluation", "--all-needed", "--models", str(models)]) == 0
    wanted = {*NEEDED, *(name for name, weight in WEIGHTS.items() if weight.section == "evaluation"), "arcface_ir_se50"}
    assert files(models) == {f"{WEIGHTS[name].folder}/{WEIGHTS[name].file}" for name in wanted}


def test_a_file_that_another_pack_has_is_not_fetched_again(server, models, capsys):
    path = models / "facexlib" / "parsing_bisenet.pth"
    path.parent.mkdir()
    path.write_bytes(CONTENT["bisenet"])
    assert main(["download", "bisenet", "--models", str(models)]) == 0
    assert str(path) in capsys.readouterr().out and server.requests == []
    path.write_bytes(b"something else of the same name")
    assert main(["download", "bisenet", "--models", str(models)]) == 0
    assert WEIGHTS["bisenet"].path(models).read_bytes() == CONTENT["bisenet"]


def test_one_file_that_fails_does_not_keep_the_others_from_coming(server, models, capsys):
    del server.files[f"{WEIGHTS['bisenet'].folder}/{WEIGHTS['bisenet'].file}"]
    assert main(["download", "bisenet", "parsenet", "--models", str(models)]) == 1
    assert files(models) == {"stableidentity/face_parsing/parsing_parsenet.pth"}
    error = capsys.readouterr().err
    assert "Error: parsing_bisenet.pth could not be downloaded" in error and "HTTP 404" in error
    assert "Error: 1 of 2 files could not be downloaded: bisenet." in error and "Traceback" not in error


@pytest.mark.parametrize("laid_out", [True, False], ids=["as the models folder", "flat"])
def test_files_are_taken_from_the_users_own_server(server, models, monkeypatch, laid_out):
    own = f"mine/{'stableidentity/face_parsing/' if laid_out else ''}parsing_bisenet.pth"
    server.files[own] = CONTENT["bisenet"]
    assert main(["download", "bisenet", "--models", str(models), "--from", server.url("good", "mine/")]) == 0
    assert files(models) == {"stableidentity/face_parsing/parsing_bisenet.pth"}
    assert all(path.startswith("/good/mine/") for path, _ in server.requests)


def test_files_are_taken_from_the_users_own_folder(server, models, tmp_path, capsys):
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "parsing_bisenet.pth").write_bytes(CONTENT["bisenet"])
    command = ["download", "bisenet", "parsenet", "--models", str(models), "--from", str(tmp_path / "stick")]
    assert main(command) == 1, "the folder has only one of the two"
    assert files(models) == {"stableidentity/face_parsing/parsing_bisenet.pth"} and server.requests == []
    assert "does not contain parsing_parsenet.pth" in capsys.readouterr().err


def test_the_list_shows_each_file_with_size_and_licence_and_what_is_in_place(models, capsys):
    path = WEIGHTS["bisenet"].path(models)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    assert main(["download", "--list", "--models", str(models)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(WEIGHTS)
    for line, weight in zip(lines, WEIGHTS.values(), strict=True):
        assert weight.licence in line
        assert (f"in place at {path}" if weight.name == "bisenet" else weight.size) in line
    assert main(["download", "--list"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["bisenet"], 2, "--models DIR is required"),
        (["--models", "."], 2, "give a NAME"),
        (["bissenet", "--models", "."], 1, "did you mean 'bisenet'?"),
        (["bisenet", "--models", "nowhere"], 1, "--models is nowhere"),
    ],
)
def test_wrong_usage_is_told_and_nothing_is_fetched(capsys, arguments, code, said):
    try:
        assert main(["download", *arguments]) == code
    except SystemExit as ended:
        assert ended.code == code
    assert said in capsys.readouterr().err


LONG = "x" * 5000


@pytest.mark.parametrize("text", ["", "a\0b", "\ud800", LONG, f"{LONG}/{LONG}", "no where", "\x1b[31m", __file__])
def test_a_folder_that_is_none_is_told(models, capsys, text):
    for options in (["--models", text], ["--models", str(models), "--from", text], ["--list", "--models", text]):
        assert main(["download", "bisenet", *options]) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"Error: {options[-2]} is ") and "; needed " in said and said.count("\n") == 1
        assert len(said) < 600 and "\x1b" not in said and "\0" not in said
    assert files(models) == set()


@pytest.mark.parametrize(
    "text",
    [
        "http://",
        "https:///x",
        "http://a\nb/x",
        "http://h/\0",
        "http://h/\ud800",
        "http://\ud800/x",
        f"http://h/{LONG * 2}",
    ]
    + [f"http://{LONG}/x", "http://a..b/x", "http://h/\x1b[31m"],
)
def test_an_address_that_no_server_has_is_told(models, capsys, text):
    assert main(["download", "bisenet", "--models", str(models), "--from", text]) == 1
    said = capsys.readouterr().err
    assert "Error: --from is http" in said and "which is not a valid address" in said and said.count("\n") == 1


@pytest.mark.parametrize("name", ["a\0b", "\ud800", LONG, "", "\x1b[31m"])
def test_a_name_that_is_none_is_told(models, capsys, name):
    assert main(["download", name, "--models", str(models)]) == 1
    said = capsys.readouterr().err
    assert "no weights named" in said and len(said) < 1000 and "\x1b" not in said


def test_an_address_is_taken_as_a_browser_takes_it(server, models):
    server.files["my%20files/%C3%BC/parsing_bisenet.pth"] = CONTENT["bisenet"]
    origin = server.url("good", "my files/ü").replace("http", "HTTP")
    assert main(["download", "bisenet", "--models", str(models), "--from", origin]) == 0
    assert server.requests[-1][0] == "/good/my%20files/%C3%BC/parsing_bisenet.pth"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names, or write other encodings")
def test_a_path_that_the_terminal_has_no_letters_for_is_shown_all_the_same(tmp_path):
    models = tmp_path / "mödels\udcff"
    WEIGHTS["bisenet"].path(models).parent.mkdir(parents=True)
    WEIGHTS["bisenet"].path(models).write_bytes(b"x")
    command = [sys.executable, "-m", "stableidentity_core", "download", "--list", "--models", str(models)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}
    done = subprocess.run(command, capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert b"in place at " in done.stdout and b"m\\xf6dels\\udcff" in done.stdout


def test_the_list_names_what_unfinished_downloads_have_left(models, capsys):
    part = WEIGHTS["sd21_base"].path(models).with_name("v2-1_512-ema-pruned.safetensors.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 12_345)
    assert main(["download", "--list", "--models", str(models)]) == 0
    lines = capsys.readouterr().out.splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith("sd21_base "))
    assert f"unfinished: {part} (12,345 bytes)" in lines[place + 1] and len(lines) == len(WEIGHTS) + 1


def test_an_interrupt_keeps_what_arrived_and_says_so(server, models, monkeypatch, capsys):
    from stableidentity_core.cli import download as command

    def interrupted(weight, folder, on_progress, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "download", interrupted)
    assert main(["download", "bisenet", "--models", str(models)]) == 130
    assert "the partial download is kept, the same command resumes it" in capsys.readouterr().err


def test_as_a_user_starts_it(models):
    command = [sys.executable, "-m", "stableidentity_core", "download", "bisenet", "--models", str(models)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, "--from", str(models)], capture_output=True, text=True, env=environment)
    assert (
        done.returncode == 1
        and "does not contain parsing_bisenet.pth" in done.stderr
        and "Traceback" not in done.stderr
    )

"""The demo without ComfyUI, and what it says of bad input; hosts that fail are played by small programs."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.demo_pack import files_in, quick_pack, report_in, run_demo
from mini_world import sheet
from mini_world.cli import main
from mini_world.look import PROMPTS
from stableidentity_core.identity import load_identity

DIES_AT_START = """
import sys
print("Total VRAM 0 MB")
sys.exit("RuntimeError: no such device")
"""
DIES_AT_WORK = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/ws"):
            print("Killed while loading the model", flush=True)
            os._exit(9)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

if "--help" not in sys.argv:
    HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def pack(tmp_path_factory) -> Path:
    return quick_pack(tmp_path_factory.mktemp("demo_pack"))


@pytest.fixture(scope="module")
def done(pack, tmp_path_factory):
    """One run in full, by the name of its folder."""
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    return run_demo(pack, "--person", -7, "--steps", 3, "--out", out), out


def fake_host(folder: Path, program: str) -> Path:
    folder.mkdir()
    (folder / "main.py").write_text(program, "utf-8")
    return folder


def test_it_writes_sheet_identity_and_report(done):
    process, out = done
    assert process.returncode == 0, process.stderr
    assert files_in(out) == {"contact_sheet.png", "person-minus-7.safetensors", "report.json"}
    for name in files_in(out):
        assert str(out / name) in process.stdout
    identity = load_identity(out / "person-minus-7.safetensors")
    assert identity.trigger == "<person-minus-7>" and identity.header["steps"] == "3"
    assert identity.words["clip_h"].shape == (2, 128)


def test_the_report_says_what_was_done(done):
    _process, out = done
    report = report_in(out)
    assert report["person"] == -7 and report["steps"] == 3 and report["host"].startswith("none")
    assert 0 < report["train_seconds"] < report["total_seconds"]
    for key in ("face_similarity", "other_people_similarity", "named_people_similarity"):
        assert -1 <= report[key] <= 1
    for key in ("prompt_accuracy", "named_prompt_accuracy"):
        assert 0 <= report[key] <= 1
    for low, high in report["value_range"].values():
        assert low < high


def test_the_sheet_shows_all_pictures_large_enough(done):
    _process, out = done
    with Image.open(out / "contact_sheet.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape[1] > len(PROMPTS) * sheet.TILE and pixels.shape[0] > 3 * sheet.TILE
    inked = (pixels != sheet.PAPER).any(-1)
    assert inked[: sheet.MARGIN // 4].sum() == 0 and 0.5 < inked.mean() < 0.95


def test_a_number_that_is_none_is_told(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--person", "abc"])
    assert stop.value.code == 2
    assert "'abc' is not a whole number; each whole number is a person" in capsys.readouterr().err


@pytest.mark.parametrize("steps", ["0", "-5"])
def test_impossible_steps_are_told_before_any_work(steps, tmp_path, capsys):
    assert main(["--steps", steps, "--out", str(tmp_path / "out")]) == 1
    assert f"steps is {steps}, needed a whole number from 1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_folder_for_results(tmp_path, capsys):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert main(["--out", str(taken)]) == 1
    assert f"--out is {taken}, which is a file, needed a folder" in capsys.readouterr().err
    assert main(["--out", str(taken / "within")]) == 1
    assert "which cannot be written" in capsys.readouterr().err
    assert taken.read_text() == "mine"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc takes no files there")
def test_a_folder_that_cannot_be_written_is_told(capsys):
    assert main(["--out", "/proc/demo"]) == 1
    assert "--out is /proc/demo, which cannot be written" in capsys.readouterr().err


def test_damaged_weights_are_told(pack, tmp_path):
    file = pack / "mini_world" / "mini_world.safetensors"
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        process = run_demo(pack, "--out", tmp_path / "out")
    finally:
        file.write_bytes(whole)
    assert process.returncode == 1
    assert "mini_world.safetensors" in process.stderr and "damaged or of another version" in process.stderr
    assert "Traceback" not in process.stderr and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "program,told",
    [
        (DIES_AT_START, ["ComfyUI exited during startup", "RuntimeError: no such device"]),
        (DIES_AT_WORK, ["accepts no websocket connection", "ComfyUI has exited", "Killed while loading the model"]),
    ],
    ids=["at the start", "at work"],
)
def test_a_host_that_dies_is_told_with_the_end_of_its_log(tmp_path, capsys, program, told):
    out = tmp_path / "out"
    assert main(["--out", str(out), "--comfyui", str(fake_host(tmp_path / "host", program))]) == 1
    said = capsys.readouterr().err
    assert [text for text in told if text not in said] == [], said
    assert "Traceback" not in said
    assert files_in(out) == {"comfyui.log"}, "only the log is kept"


def test_a_port_in_use_is_told(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        host = fake_host(tmp_path / "host", DIES_AT_START)
        assert main(["--out", str(tmp_path / "out"), "--comfyui", str(host), "--port", str(port)]) == 1
    assert f"Port {port} cannot be used: Address already in use" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_texts_of_columns_fit():
    """The longest prompt takes no more lines than there are."""
    with Image.open(io.BytesIO(sheet.contact_sheet(*_empty_sheet()))) as picture:
        pixels = np.asarray(picture)
    assert (pixels[: sheet.MARGIN // 2] == sheet.PAPER).all()


def _empty_sheet():
    import torch

    tiles = torch.ones(len(PROMPTS), 3, 8, 8)
    return torch.ones(3, 8, 8), [("a row", tiles)] * 3, PROMPTS, "A title", ["a note " * 12]


@pytest.mark.skipif(os.name == "nt", reason="shells there let nobody ignore signals")
def test_a_suite_in_the_background_can_interrupt_the_demo_too(tmp_path):
    """A shell lets what it starts with & ignore Ctrl-C, which children inherit; so do those of this process here."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        told = run_demo(tmp_path, program=("-c", "import signal; print(signal.getsignal(signal.SIGINT).__name__)"))
    finally:
        signal.signal(signal.SIGINT, before)
    assert told.stdout.strip() == "default_int_handler"

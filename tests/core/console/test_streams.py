"""What the pack logs, prints and raises can be written by streams of any encoding."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stableidentity_core.console.streams import get_logger, writable
from stableidentity_core.errors import MissingFileError, NoFaceError, StableIdentityError

ROOT = Path(__file__).resolve().parents[3]
ENCODINGS = ["ascii", "cp1252", "utf-8", "cp936", "latin-1"]
NAMES = ["Zoë", "张三.png", "no\udcffutf8", "😀"]


def streams(monkeypatch: pytest.MonkeyPatch, encoding: str) -> io.TextIOWrapper:
    """From here on the process's stdout and stderr, in another encoding."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def written(stream: io.TextIOWrapper) -> str:
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode(stream.encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", NAMES)
def test_lines_reach_any_stream(monkeypatch, encoding, name):
    stream = streams(monkeypatch, encoding)
    failed: list[logging.LogRecord] = []
    handler = logging.StreamHandler(stream)
    monkeypatch.setattr(handler, "handleError", failed.append)
    log = get_logger(f"stableidentity_core.test.{id(stream)}")
    log.addHandler(handler)
    log.warning("%s has %d pictures", Path("folder") / name, 3)
    log.warning("it is %r", name)
    assert not failed and "has 3 pictures" in written(stream)
    if name.encode(encoding, "ignore").decode(encoding) == name:
        assert name in written(stream), "a name that the stream knows must stay as it is"


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", NAMES)
def test_errors_can_be_printed(monkeypatch, encoding, name):
    stream = streams(monkeypatch, encoding)
    for error in (StableIdentityError(f"not {name}"), MissingFileError(f"not {name}"), NoFaceError(f"not {name}")):
        print(error)
        assert "not " in written(stream)


def test_a_handler_of_the_root_logger_counts(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(narrow)])
    assert writable("Zoë 张") == "Zo\\xeb \\u5f20"
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler(), logging.StreamHandler(io.StringIO())])
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", None)
    assert writable("Zoë 张") == "Zoë 张"


def test_a_stream_of_unknown_encoding_counts_as_ascii(monkeypatch):
    monkeypatch.setattr(sys, "stdout", object())
    assert writable("Zoë") == "Zo\\xeb"


def test_a_name_cannot_steer_the_terminal():
    assert writable("a\x1b[2Jb\rc\x9b\nd\te") == "a\\x1b[2Jb\\rc\\x9b\nd\\te"


FILES = sorted([*(ROOT / "nodes").rglob("*.py"), *(ROOT / "stableidentity_core").rglob("*.py")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_logs_or_prints_past_the_streams(path):
    if path.name in ("streams.py", "progress.py") or "cli" in path.parts:  # bars are drawn by the commands alone
        return
    found = re.search(
        r"(?<![\w.])(print\(|logging\.\w+\(|tqdm\.write|sys\.std(out|err)\.write)", path.read_text("utf-8")
    )
    assert not found, found[0]


def test_the_command_line_prints_any_path(tmp_path):
    file = tmp_path / "Zoë 张.safetensors"
    file.write_bytes(b"damaged")
    command = [sys.executable, "-m", "stableidentity_core", "inspect", str(file)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, env=environment)
    assert done.returncode == 1 and b"Traceback" not in done.stderr, done.stderr
    assert done.stderr.startswith(b"Error: ") and b"Zo\\xeb \\u5f20" in done.stderr
    moved = subprocess.run([*command[:-2], "convert", str(file), str(file)], capture_output=True, env=environment)
    assert moved.returncode == 1 and b"Traceback" not in moved.stderr, moved.stderr

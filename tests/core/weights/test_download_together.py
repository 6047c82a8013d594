"""Several processes that want the same file, and what killed ones leave."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from helpers.downloads import CONTENT, NAME, SHA256, WRONG, failing, files, unknown_at, weight_at
from helpers.file_server import STALL, FileServer
from stableidentity_core.weights import DownloadError, download, download_lock, take_from_folder
from stableidentity_core.weights.part import Part

ROOT = Path(__file__).resolve().parents[3]
FETCH = f"""
import sys
from dataclasses import replace
from pathlib import Path
from stableidentity_core.weights import get_weight, download, take_from_folder
url, models, known = sys.argv[1:]
hashed = {{"bytes": {len(CONTENT)}, "sha256": {SHA256!r}}} if known == "known" else {{"bytes": None, "sha256": None}}
weight = replace(get_weight("bisenet"), urls=(url,), **hashed)
print("ready", flush=True)
if url.startswith("http"):
    download(weight, Path(models))
else:
    take_from_folder(weight, Path(url), Path(models))
"""


def fetching(url: str, models: Path, known: str = "known") -> subprocess.Popen:
    command = [sys.executable, "-c", FETCH, url, str(models), known]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def until_stalled(server: FileServer, models: Path) -> None:
    """All that the gate lets through is on the disk."""
    server.stalled.wait()
    while sum(path.stat().st_size for path in files(models)) < STALL:
        time.sleep(0.05)


def told_to_wait(process: subprocess.Popen) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def ended(process: subprocess.Popen) -> str:
    _out, error = process.communicate()
    assert process.returncode == 0, error
    return error


def place(models: Path) -> Path:
    return weight_at("").path(models)


@pytest.mark.parametrize("known", ["known", "unknown"])
def test_a_second_process_waits_for_the_first_and_finds_its_file(server: FileServer, tmp_path, known):
    first = fetching(server.url("gate", NAME), tmp_path, known)
    server.stalled.wait()
    second = fetching(server.url("gate", NAME), tmp_path, known)
    assert f"{NAME}: another process is downloading this file; waiting" in told_to_wait(second)
    server.gate.set()
    ended(first)
    ended(second)
    assert place(tmp_path).read_bytes() == CONTENT and len(server.requests) == 1
    assert files(tmp_path) == [place(tmp_path)], "nothing is left beside it"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_process_that_waits_goes_on_where_a_killed_one_ended(server: FileServer, tmp_path):
    first = fetching(server.url("gate", NAME), tmp_path)
    until_stalled(server, tmp_path)
    second = fetching(server.url("good", NAME), tmp_path)
    told_to_wait(second)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    ended(second)
    assert server.requests[-1] == (f"/good/{NAME}", f"bytes={STALL}-")
    assert place(tmp_path).read_bytes() == CONTENT and files(tmp_path) == [place(tmp_path)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_what_a_killed_process_left_stops_nobody(server: FileServer, tmp_path):
    killed = fetching(server.url("gate", NAME), tmp_path)
    until_stalled(server, tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert download(weight_at(server.url("good", NAME)), tmp_path).read_bytes() == CONTENT
    assert files(tmp_path) == [place(tmp_path)] and server.requests[-1][1] == f"bytes={STALL}-"


def test_many_at_once_end_in_one_whole_file(server: FileServer, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / NAME).write_bytes(CONTENT)
    models = tmp_path / "models"
    sources = [server.url("cut", NAME), server.url("good", NAME), str(tmp_path / "own")]
    for process in [fetching(source, models) for source in sources for _ in range(2)]:
        ended(process)
    assert files(models) == [place(models)] and place(models).read_bytes() == CONTENT


def test_two_threads_of_one_process_take_turns_too(server: FileServer, tmp_path):
    weight = weight_at(server.url("cut", NAME))
    threads = [threading.Thread(target=download, args=(weight, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files(tmp_path) == [place(tmp_path)] and len(server.requests) == 3


# File systems without locks.


@pytest.fixture(params=[OSError(errno.ENOLCK, "No locks available"), NotImplementedError("no flock here")], ids=str)
def lockless(request, monkeypatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise request.param

    monkeypatch.setattr(download_lock.FileLock, "acquire", refuse)


def test_a_download_needs_no_locks(server: FileServer, tmp_path, lockless):
    assert download(weight_at(server.url("cut", NAME)), tmp_path).read_bytes() == CONTENT
    assert files(tmp_path) == [place(tmp_path)]


@pytest.mark.parametrize("make", [weight_at, unknown_at])
def test_without_locks_a_second_writer_is_noticed_and_nothing_corrupt_gets_the_name(
    server: FileServer, tmp_path, lockless, make
):
    def interfere(done: int, _total: int | None) -> None:
        if done == STALL:
            with Part(place(tmp_path), weight, weight.urls[0]) as other:
                other.write(WRONG[:1000])
            server.gate.set()

    weight = make(server.url("gate", NAME))
    said = "501,000 bytes, but 500,000 were written here: another process is writing it"
    with pytest.raises(DownloadError, match=said):
        download(weight, tmp_path, interfere)
    assert not place(tmp_path).exists()


@pytest.mark.parametrize("make", [weight_at, unknown_at])
def test_bytes_that_others_add_at_the_end_are_noticed(tmp_path, lockless, make, monkeypatch):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / NAME).write_bytes(CONTENT)
    real = os.fsync

    def add(descriptor: int) -> None:
        real(descriptor)
        with next((tmp_path / "models").rglob("*.part")).open("ab") as other:
            other.write(b"x")

    monkeypatch.setattr(os, "fsync", add)
    with pytest.raises(DownloadError, match="another process is writing it"):
        take_from_folder(make("https://nowhere.invalid/x"), tmp_path / "own", tmp_path / "models")
    assert not place(tmp_path / "models").exists()


def test_what_is_checked_is_what_lies_on_the_disk(server: FileServer, tmp_path, monkeypatch):
    """Not what was received: a disk, or another process, may have changed it since."""
    real = os.fsync

    def spoil(descriptor: int) -> None:
        real(descriptor)
        with next(tmp_path.rglob("*.part")).open("r+b") as file:
            file.write(b"spoiled")

    monkeypatch.setattr(os, "fsync", spoil)
    assert "sent a file that has sha256" in failing(weight_at(server.url("good", NAME)), tmp_path)
    assert files(tmp_path) == []

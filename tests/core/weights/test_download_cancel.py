"""A cancel ends a download within two seconds, whatever it is waiting for, and nothing is written afterwards."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.downloads import CONTENT, NAME, Cancelled, files, weight_at
from helpers.file_server import STALL, accepting_in_silence
from stableidentity_core.weights import difference, download, take_from_folder

AT_ONCE = 15.0  # seconds: half of what a download takes that does not look for a cancel; two on an idle machine


def cancelled(act: Callable[[Callable[..., None]], object], waiting: threading.Event) -> float:
    """Seconds from a cancel, given when the act is waiting, to its end."""
    cancel, given = threading.Event(), []

    def give() -> None:
        waiting.wait()
        time.sleep(0.3)  # so that the act is at rest
        given.append(time.monotonic())
        cancel.set()

    def look(*_progress: object) -> None:
        if cancel.is_set():
            raise Cancelled

    threading.Thread(target=give, daemon=True).start()
    with pytest.raises(Cancelled):
        act(look)
    return time.monotonic() - given[0]


@pytest.mark.parametrize("manner", ["stall", "silent", "gate"])
def test_from_a_server_that_gives_no_more(server, tmp_path, manner):
    weight = weight_at(server.url(manner, NAME))
    assert cancelled(lambda look: download(weight, tmp_path, look), server.stalled) < AT_ONCE
    if manner == "gate":  # which goes on when nobody listens any more
        (part,) = files(tmp_path)
        server.gate.set()
        time.sleep(0.3)
        assert part.read_bytes() == CONTENT[:STALL]
    else:
        assert server.hung_up.wait(AT_ONCE), "the connection is still open"
        assert [path.stat().st_size for path in files(tmp_path)] == ([STALL] if manner == "stall" else [])


@pytest.mark.parametrize("through", ["http proxy", "https proxy", "tls"])
def test_from_something_that_takes_connections_and_says_nothing(server, tmp_path, monkeypatch, through):
    with accepting_in_silence() as (port, came):
        if through == "tls":
            weight = weight_at(f"https://127.0.0.1:{port}/{NAME}")
        else:
            scheme = through.split()[0]
            monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{port}")
            monkeypatch.setenv("no_proxy", "")
            weight = weight_at(f"{scheme}://weights.invalid/{NAME}")
        assert cancelled(lambda look: download(weight, tmp_path, look), came) < AT_ONCE
    assert files(tmp_path) == []


@pytest.mark.parametrize("call", ["getaddrinfo", "create_connection"])
def test_while_a_name_or_a_connection_is_sought(server, tmp_path, monkeypatch, call):
    waiting, over = threading.Event(), threading.Event()

    def seek(*_arguments: object, **_options: object) -> None:
        waiting.set()
        over.wait()
        raise OSError("nothing found")

    monkeypatch.setattr(socket, call, seek)
    weight = weight_at(server.url("good", NAME))
    assert cancelled(lambda look: download(weight, tmp_path, look), waiting) < AT_ONCE
    over.set()
    assert files(tmp_path) == [] and server.requests == []


def test_nothing_is_asked_for_when_the_name_is_found_after_the_cancel(server, tmp_path, monkeypatch):
    waiting, over, found = threading.Event(), threading.Event(), threading.Event()
    own = socket.create_connection

    def seek(*arguments: object, **options: object) -> socket.socket:
        waiting.set()
        over.wait()
        try:
            return own(*arguments, **options)  # type: ignore[arg-type]
        finally:
            found.set()

    monkeypatch.setattr(socket, "create_connection", seek)
    weight = weight_at(server.url("good", NAME))
    assert cancelled(lambda look: download(weight, tmp_path, look), waiting) < AT_ONCE
    over.set()
    assert found.wait(AT_ONCE)
    time.sleep(0.3)
    assert server.requests == []


@pytest.fixture
def pipe(tmp_path) -> Iterator[tuple[Path, threading.Event]]:
    """A file whose reading blocks, as on a network share that is gone, and whether somebody reads it."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("Windows has no pipes with a name in a folder")
    path, read = tmp_path / "share" / NAME, threading.Event()
    path.parent.mkdir()
    os.mkfifo(path)

    def feed() -> None:
        with path.open("wb", buffering=0):
            read.set()
            over.wait()

    over = threading.Event()
    threading.Thread(target=feed, daemon=True).start()
    yield path, read
    over.set()
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))


@contextlib.contextmanager
def looking_like_a_file(pipe: Path) -> Iterator[None]:
    looked = Path.stat
    file = pipe.with_name("whole")
    file.write_bytes(CONTENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "stat", lambda self, **how: looked(file if self == pipe else self, **how))
        yield


def test_while_a_file_is_compared_that_cannot_be_read_just_now(pipe):
    path, read = pipe
    with looking_like_a_file(path):
        assert cancelled(lambda look: difference(weight_at(""), path, look), read) < AT_ONCE


def test_while_a_folder_gives_nothing(tmp_path, pipe):
    path, read = pipe
    models = tmp_path / "models"
    with looking_like_a_file(path):
        assert cancelled(lambda look: take_from_folder(weight_at(""), path.parent, models, look), read) < AT_ONCE
    assert files(models) == []


def test_while_the_disk_writes_what_has_come(server, tmp_path, monkeypatch):
    waiting, over = threading.Event(), threading.Event()

    def slowly(_descriptor: int) -> None:
        waiting.set()
        over.wait()

    monkeypatch.setattr(os, "fsync", slowly)
    weight = weight_at(server.url("good", NAME))
    assert cancelled(lambda look: download(weight, tmp_path, look), waiting) < AT_ONCE
    over.set()
    (part,) = files(tmp_path)
    assert part.read_bytes() == CONTENT
    monkeypatch.undo()
    assert download(weight, tmp_path).read_bytes() == CONTENT and len(server.requests) == 1


def test_a_wait_for_another_download(server, tmp_path):
    weight = weight_at(server.url("gate", NAME))
    first = threading.Thread(target=download, args=(weight, tmp_path))
    first.start()
    server.stalled.wait()
    seen: list[tuple[int, int | None]] = []
    waiting = threading.Event()

    def act(look: Callable[..., None]) -> None:
        def on_progress(done: int, total: int | None) -> None:
            seen.append((done, total))
            waiting.set()
            look()

        download(weight, tmp_path, on_progress)

    assert cancelled(act, waiting) < AT_ONCE
    assert set(seen) <= {(size, len(CONTENT)) for size in range(STALL + 1)} and seen[-1][0] > 0, "the other's progress"
    server.gate.set()
    first.join()
    assert files(tmp_path) == [weight.path(tmp_path)] and len(server.requests) == 1


def test_progress_is_told_while_nothing_comes(server, tmp_path):
    """A host looks for the user's cancel in there."""
    times: list[float] = []

    def on_progress(_done: int, _total: int | None) -> None:
        times.append(time.monotonic())
        if server.stalled.is_set() and len(times) > 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        download(weight_at(server.url("silent", NAME)), tmp_path, on_progress)
    assert len(times) > 20

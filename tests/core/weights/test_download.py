"""Downloads from a real HTTP server on this machine, with good and bad manners."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.downloads import CONTENT, NAME, WRONG, cancel_after, failing, parts, unknown_at, weight_at
from helpers.file_server import CUT
from stableidentity_core.weights import DownloadError, difference, download, take_from_folder
from stableidentity_core.weights.part import Part

ROOT = Path(__file__).resolve().parents[3]


def test_a_file_comes_whole_into_its_folder_and_progress_counts_its_bytes(server, tmp_path):
    weight, seen = weight_at(server.url("good", NAME)), []
    path = download(weight, tmp_path, lambda done, total: seen.append((done, total)))
    assert path == tmp_path / "stableidentity" / "face_parsing" / NAME and path.read_bytes() == CONTENT
    assert seen[0] == (0, len(CONTENT)) and seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen) and len(seen) > 10
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_a_file_that_is_whole_is_not_fetched_again(server, tmp_path):
    weight = weight_at(server.url("good", NAME))
    download(weight, tmp_path)
    assert download(weight, tmp_path).read_bytes() == CONTENT and len(server.requests) == 1
    unknown = unknown_at(server.url("good", NAME))
    assert download(unknown, tmp_path).read_bytes() == CONTENT and len(server.requests) == 1


@pytest.mark.parametrize(
    "content, told", [(CONTENT[:1000], "has 1,000 bytes, needed 1,500,000"), (WRONG, "has sha256")]
)
def test_another_file_in_the_place_is_left_as_it_is(server, tmp_path, content, told):
    weight = weight_at(server.url("good", NAME))
    path = weight.path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(DownloadError, match=f"already exists but {told}"):
        download(weight, tmp_path)
    assert path.read_bytes() == content and server.requests == []


# Going on.


def test_a_download_goes_on_where_it_was_cancelled(server, tmp_path):
    weight = weight_at(server.url("good", NAME))
    begun = cancel_after(weight, tmp_path, 500_000)
    assert 500_000 <= begun < len(CONTENT) and not weight.path(tmp_path).exists()
    seen = []
    assert download(weight, tmp_path, lambda done, _total: seen.append(done)).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == [None, f"bytes={begun}-"]
    assert seen[0] == begun and parts(tmp_path) == []


def test_a_server_that_cannot_go_on_begins_at_the_beginning(server, tmp_path):
    weight = weight_at(server.url("no_range", NAME))
    cancel_after(weight, tmp_path, 500_000)
    assert download(weight, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1][1] is not None, "it was asked to go on"


def test_a_mirror_goes_on_with_what_the_source_began_when_the_hash_is_known(server, tmp_path):
    begun = cancel_after(weight_at(server.url("good", NAME)), tmp_path, 500_000)
    weight = weight_at(server.url("missing", NAME), server.url("good", NAME))
    assert download(weight, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == (f"/good/{NAME}", f"bytes={begun}-")


def test_without_a_hash_halves_of_two_addresses_are_never_joined(server, tmp_path):
    cancel_after(unknown_at(server.url("good", NAME)), tmp_path, 500_000)
    weight = unknown_at(server.url("no_range", NAME))
    assert download(weight, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == (f"/no_range/{NAME}", None)
    assert parts(tmp_path) == [], "the other half is of no more use"


def test_without_a_hash_the_same_address_goes_on(server, tmp_path):
    weight = unknown_at(server.url("good", NAME))
    begun = cancel_after(weight, tmp_path, 500_000)
    assert download(weight, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1][1] == f"bytes={begun}-"


def test_a_connection_that_breaks_off_is_taken_up_again(server, tmp_path):
    weight = weight_at(server.url("cut", NAME))
    assert download(weight, tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == [None, f"bytes={CUT}-", f"bytes={2 * CUT}-"]


def test_a_connection_that_leads_no_further_is_given_up_and_the_part_kept(server, tmp_path):
    weight = weight_at(server.url("dead", NAME))
    begun = cancel_after(weight_at(server.url("good", NAME)), tmp_path, 500_000)
    said = failing(weight, tmp_path)
    assert f"lost the connection after {begun:,} of 1,500,000 bytes" in said and "the same command resumes it" in said
    assert parts(tmp_path)[0].stat().st_size == begun
    assert [path for path, _ in server.requests].count(f"/dead/{NAME}") == 3


@pytest.mark.parametrize("left", [WRONG[:400_000], WRONG, CONTENT + b"more"], ids=["half", "whole", "too long"])
def test_a_wrong_left_over_does_not_spoil_the_download(server, tmp_path, left):
    weight = weight_at(server.url("good", NAME))
    part = weight.path(tmp_path).with_name(f"{NAME}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    assert download(weight, tmp_path).read_bytes() == CONTENT and parts(tmp_path) == []


def test_a_whole_left_over_gets_its_name_without_asking_the_server(server, tmp_path):
    weight = weight_at(server.url("good", NAME))
    part = weight.path(tmp_path).with_name(f"{NAME}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    assert download(weight, tmp_path).read_bytes() == CONTENT and server.requests == []


@pytest.mark.parametrize(
    "known", [{"bytes": None}, {"bytes": None, "sha256": None}], ids=["hash known", "nothing known"]
)
def test_a_whole_left_over_of_unknown_size_is_not_fetched_again(server, tmp_path, known):
    weight = weight_at(server.url("good", NAME), **known)
    cancel_after(weight, tmp_path, len(CONTENT))
    assert download(weight, tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == [None, f"bytes={len(CONTENT)}-"]


def test_a_whole_left_over_that_is_wrong_is_fetched_anew(server, tmp_path):
    weight = weight_at(server.url("good", NAME), bytes=None)
    part = weight.path(tmp_path).with_name(f"{NAME}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(WRONG)
    assert download(weight, tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == [f"bytes={len(CONTENT)}-", None]


# Addresses that do not give the file.


@pytest.mark.parametrize("manner", ["missing", "busy", "page", "wrong"])
def test_a_mirror_helps_where_the_source_fails(server, tmp_path, manner):
    server.files[f"wrong/{NAME}"] = WRONG
    bad = server.url("good", f"wrong/{NAME}") if manner == "wrong" else server.url(manner, NAME)
    assert download(weight_at(bad, server.url("good", NAME)), tmp_path).read_bytes() == CONTENT
    assert parts(tmp_path) == []


def test_an_address_that_has_moved_is_followed_and_goes_on(server, tmp_path):
    weight = weight_at(server.url("moved", NAME))
    begun = cancel_after(weight, tmp_path, 500_000)
    assert download(weight, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == (f"/good/{NAME}", f"bytes={begun}-")


def test_each_address_that_fails_says_why(server, tmp_path):
    weight = weight_at(server.url("missing", NAME), server.url("busy", NAME), server.url("page", NAME))
    said = failing(weight, tmp_path)
    for url, reason in zip(
        weight.urls, ("was not found (HTTP 404)", "later (HTTP 503)", "returned a web page"), strict=True
    ):
        assert re.search(f"{re.escape(url)} [^;]*{re.escape(reason)}", said), said
    assert str(weight.path(tmp_path)) in said and "1,500,000 bytes" in said and "offline" not in said
    assert parts(tmp_path) == []


def test_a_wrong_hash_is_told_and_the_file_removed(server, tmp_path):
    server.files[NAME] = WRONG
    said = failing(weight_at(server.url("good", NAME)), tmp_path)
    assert hashlib.sha256(WRONG).hexdigest() in said and hashlib.sha256(CONTENT).hexdigest() in said
    assert "it was deleted" in said and parts(tmp_path) == []


def test_a_wrong_size_is_told_before_the_bytes_come(server, tmp_path):
    server.files[NAME] = WRONG[:123_456]
    said = failing(weight_at(server.url("good", NAME)), tmp_path)
    assert "offers 123,456 bytes, needed 1,500,000 bytes" in said and parts(tmp_path) == []


def test_an_empty_file_is_never_taken(server, tmp_path):
    server.files[NAME] = b""
    assert "has 0 bytes, needed 2 MB" in failing(unknown_at(server.url("good", NAME)), tmp_path)
    assert parts(tmp_path) == []


def test_a_file_of_unknown_length_is_taken_only_when_the_hash_can_tell_that_it_is_whole(server, tmp_path):
    assert "does not state the file's length" in failing(unknown_at(server.url("lengthless", NAME)), tmp_path)
    assert download(weight_at(server.url("lengthless", NAME)), tmp_path).read_bytes() == CONTENT


def test_a_machine_without_a_network_is_told_so(tmp_path, server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = failing(weight_at(f"http://127.0.0.1:{port}/{NAME}", f"http://127.0.0.1:{port}/b/{NAME}"), tmp_path)
    assert "seems to be offline" in said and f"127.0.0.1:{port}/b/{NAME} could not be reached" in said
    mixed = failing(weight_at(f"http://127.0.0.1:{port}/{NAME}", server.url("missing", NAME)), tmp_path)
    assert "offline" not in mixed


def test_an_address_that_is_no_web_address_is_refused(tmp_path):
    assert "not an https or http address" in failing(weight_at((tmp_path / NAME).as_uri()), tmp_path)


# The disk.


def test_a_disk_without_the_room_is_told_before_the_bytes_come(server, tmp_path):
    exabyte = 10**18
    weight = unknown_at(server.url("good", NAME))
    assert shutil.disk_usage(tmp_path).free < exabyte
    with Part(weight.path(tmp_path), weight, "here") as part, pytest.raises(DownloadError) as caught:
        part.check_total(exabyte)
    assert "needs 1,000,000,000,000,000,000 more bytes" in str(caught.value) and "are free there" in str(caught.value)


LIMITED = """
import resource, sys
from dataclasses import replace
from pathlib import Path
from stableidentity_core.weights import get_weight, download, DownloadError
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
weight = replace(get_weight("bisenet"), urls=(sys.argv[1], sys.argv[1]), bytes=1_500_000, sha256="0" * 64)
try:
    download(weight, Path(sys.argv[2]))
except DownloadError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit for the size of files to set")
def test_a_disk_that_takes_no_more_ends_it_with_a_sentence_and_asks_no_mirror(server, tmp_path):
    command = [sys.executable, "-c", LIMITED, server.url("good", NAME), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert f"{NAME}.part could not be written" in done.stdout and "File too large" in done.stdout
    assert len(server.requests) == 1
    (part,) = parts(tmp_path)
    assert 0 < part.stat().st_size <= 300_000 and part.read_bytes() == CONTENT[: part.stat().st_size]


def test_a_folder_that_cannot_be_made_is_told(server, tmp_path):
    (tmp_path / "stableidentity").write_text("a file where the folder should be")
    said = failing(weight_at(server.url("good", NAME)), tmp_path)
    assert "could not be written" in said and str(tmp_path) in said and server.requests == []


# From the user's own folder.


@pytest.mark.parametrize("place", [NAME, f"facexlib/{NAME}", f"stableidentity/face_parsing/{NAME}"])
def test_a_file_is_taken_from_a_folder(tmp_path, place):
    source = tmp_path / "mirror" / place
    source.parent.mkdir(parents=True)
    source.write_bytes(CONTENT)
    weight = weight_at("https://nowhere.invalid/x")
    path = take_from_folder(weight, tmp_path / "mirror", tmp_path / "models")
    assert path == weight.path(tmp_path / "models") and path.read_bytes() == source.read_bytes() == CONTENT
    assert parts(tmp_path) == []


@pytest.mark.parametrize(
    "content, told",
    [(WRONG, "sent a file that has sha256"), (CONTENT[:9], "offers 9 bytes"), (None, "does not contain")],
)
def test_a_folder_with_another_file_or_none_is_refused(tmp_path, content, told):
    (tmp_path / "mirror").mkdir()
    if content is not None:
        (tmp_path / "mirror" / NAME).write_bytes(content)
    with pytest.raises(DownloadError, match=told):
        take_from_folder(weight_at("https://nowhere.invalid/x"), tmp_path / "mirror", tmp_path / "models")
    assert [path for path in (tmp_path / "models").rglob("*") if path.is_file()] == []


def test_the_difference_of_a_file_to_the_table_is_told(tmp_path):
    weight, path = weight_at("https://nowhere.invalid/x"), tmp_path / NAME
    for content, told in ((CONTENT, None), (b"abc", "3 bytes"), (WRONG, "sha256")):
        path.write_bytes(content)
        said = difference(weight, path)
        assert said is None if told is None else told in said
    assert difference(unknown_at("https://nowhere.invalid/x"), path) is None

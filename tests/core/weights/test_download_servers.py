"""Downloads from servers that do not do as HTTP asks: each is a sentence that names the address."""

from __future__ import annotations

import re
import socket

import pytest

from helpers.downloads import CONTENT, NAME, WRONG, cancel_after, failing, files, parts, unknown_at, weight_at
from helpers.file_server import STALL, accepting_in_silence
from stableidentity_core.console.printable import printable_line
from stableidentity_core.weights import DownloadError, address, difference, download, take_from_folder


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(address, "STALL_TIMEOUT", 0.5)
    monkeypatch.setattr(address, "RESPONSE_TIMEOUT", 0.5)


SAID = {
    "never": "rejects a request for the whole file (HTTP 416)",
    "circle": "redirects endlessly or to an invalid address (HTTP 302)",
    "astray": "redirects endlessly or to an invalid address (HTTP 302)",
    "packed": "returned the file compressed (gzip)",
    "empty": "failed (HTTP 204)",
    "unsaid": "without a valid Content-Range",
    "contrary": "contradictory file lengths",
    "no_http": "could not be reached (220 mail.example ESMTP",
    "page": "returned a web page",
    "more": "sent more than the expected 1,500,000 bytes",
}


@pytest.mark.parametrize("manner", SAID)
def test_a_bad_server_is_a_sentence_with_its_address(server, tmp_path, manner):
    weight = weight_at(server.url(manner, NAME))
    said = failing(weight, tmp_path)
    assert re.search(f"{re.escape(weight.urls[0])} [^;]*{re.escape(SAID[manner])}", said), said
    assert files(tmp_path) == [] and len(server.requests) < 20


@pytest.mark.parametrize("manner", ["never", "circle", "packed", "shifted", "unsaid", "contrary", "more", "miserly"])
def test_a_mirror_goes_on_where_a_bad_server_was_asked_to(server, tmp_path, manner):
    cancel_after(weight_at(server.url("good", NAME)), tmp_path, 500_000)
    weight = weight_at(server.url(manner, NAME), server.url("good", NAME))
    assert download(weight, tmp_path).read_bytes() == CONTENT
    assert files(tmp_path) == [weight.path(tmp_path)]


def test_bytes_of_another_range_than_was_asked_for_are_never_taken(server, tmp_path):
    begun = cancel_after(weight_at(server.url("good", NAME)), tmp_path, 500_000)
    said = failing(weight_at(server.url("shifted", NAME)), tmp_path)
    assert f"sent the file from byte 7, requested {begun:,}" in said
    assert parts(tmp_path)[0].read_bytes() == CONTENT[:begun]


@pytest.mark.parametrize("manner", ["hidden_page", "lfs"])
def test_a_web_page_or_a_pointer_under_the_name_of_weights_is_not_taken(server, tmp_path, manner):
    said = failing(unknown_at(server.url(manner, NAME)), tmp_path)
    assert {"hidden_page": "is a web page", "lfs": "is a Git LFS pointer"}[manner] in said
    assert files(tmp_path) == []


def test_a_pointer_in_the_users_own_folder_is_not_taken(tmp_path):
    (tmp_path / NAME).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    weight = unknown_at("https://nowhere.invalid/x")
    with pytest.raises(DownloadError, match="is a Git LFS pointer"):
        take_from_folder(weight, tmp_path, tmp_path / "models")
    assert "Git LFS" in (difference(weight, tmp_path / NAME) or "") and files(tmp_path / "models") == []


def test_a_length_that_is_no_number_counts_as_not_said(server, tmp_path):
    assert "does not state the file's length" in failing(unknown_at(server.url("no_number", NAME)), tmp_path)
    assert download(weight_at(server.url("no_number", NAME)), tmp_path).read_bytes() == CONTENT


def test_the_body_of_a_redirect_is_not_read(server, tmp_path):
    """A server can declare any length, which would be allocated."""
    assert download(weight_at(server.url("boundless", NAME)), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("make", [weight_at, unknown_at])
def test_a_server_that_gives_so_much_at_a_time_is_asked_again(server, tmp_path, make):
    weight = make(server.url("piecemeal", NAME))
    assert download(weight, tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == 3


def test_a_file_that_changes_on_the_server_is_never_joined(server, tmp_path):
    said = failing(unknown_at(server.url("shrinking", NAME)), tmp_path)
    assert "offered 1,499,999 bytes at first and 1,499,998 later: the file there has changed" in said
    assert files(tmp_path) == []


def test_a_server_that_gives_a_byte_at_a_time_is_given_up(server, tmp_path):
    assert "lost the connection after 3 of 1,500,000" in failing(weight_at(server.url("miserly", NAME)), tmp_path)
    assert len(server.requests) == 3


@pytest.mark.parametrize("manner", ["drip", "silent", "header_drip"])
def test_a_server_that_gives_hardly_anything_is_left_for_the_mirror(server, tmp_path, impatient, manner):
    bad = weight_at(server.url(manner, NAME))
    said = failing(bad, tmp_path)
    told = "sent only [0-9]+ bytes in " if manner == "drip" else "did not respond within"
    assert re.search(f"{re.escape(bad.urls[0])} ({told})", said) and "no server could be reached" not in said, said
    assert download(weight_at(*bad.urls, server.url("good", NAME)), tmp_path).read_bytes() == CONTENT


def test_a_server_that_stalls_is_asked_again_from_there(server, tmp_path, impatient):
    assert download(weight_at(server.url("stall", NAME)), tmp_path).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == [None, f"bytes={STALL}-", f"bytes={2 * STALL}-"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_keeps_silent_is_a_sentence(server, tmp_path, impatient, monkeypatch, scheme):
    with accepting_in_silence() as (port, _came):
        monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "")
        said = failing(weight_at(f"{scheme}://weights.invalid/{NAME}"), tmp_path)
    reason = "(did not respond|could not be reached .*timed out)"
    assert re.search(f"{scheme}://weights.invalid/{NAME} {reason}", said), said


@pytest.mark.parametrize(
    "url",
    [
        "http://[bad/x",
        "http://:99999/x",
        "http://a..b/x",
        "http://127.0.0.1:1/\ud800",
        "http://127.0.0.1:1/\0",
        "http:///x",
    ]
    + [
        "ftp://127.0.0.1/x",
        "http://127.0.0.1:1/a b",
        "http://" + "a" * 300 + ".invalid/x",
        "",
        "http://u:p@127.0.0.1:1/x",
    ],
)
def test_an_address_that_is_none_is_a_sentence(tmp_path, server, url):
    assert f"{printable_line(url)} " in failing(weight_at(url), tmp_path)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "nonsense", "http://", "http://127.0.0.1:port"])
def test_a_proxy_that_is_none_is_a_sentence(server, tmp_path, monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    assert "http://weights.invalid/x " in failing(weight_at("http://weights.invalid/x"), tmp_path)


def test_without_a_name_server_it_is_a_sentence(tmp_path, monkeypatch):
    def unknown(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "Name or service not known" in failing(weight_at("http://weights.invalid/x"), tmp_path)


def test_what_is_wrong_is_not_kept_for_the_mirror(server, tmp_path):
    server.files["wrong"] = WRONG
    weight = weight_at(server.url("lengthless", "wrong"), server.url("good", NAME))
    assert download(weight, tmp_path).read_bytes() == CONTENT

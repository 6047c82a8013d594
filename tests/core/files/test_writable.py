"""Whether a result can be written is said before the work: for places that cannot be, and without leaving anything."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from stableidentity_core.errors import FileTakenError, StableIdentityError
from stableidentity_core.files.writable import check_file, check_folder


def test_new_places_are_fine_and_stay_empty(tmp_path, monkeypatch):
    check_file(tmp_path / "a", "--out", replace=False)
    check_file(tmp_path / "new" / "folder" / "a", "--out", replace=False)
    check_folder(tmp_path, "--out")
    check_folder(tmp_path / "new" / "folder", "--out")
    monkeypatch.chdir(tmp_path)
    check_file(Path("a"), "--out", replace=False)
    check_folder(Path("new"), "--out")
    assert not list(tmp_path.iterdir())


def test_what_is_there_may_be_replaced_only_where_that_is_said(tmp_path):
    for name in ("file", "link", "dangling"):
        (tmp_path / name).write_bytes(b"mine") if name == "file" else None
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link", "dangling"):
        with pytest.raises(FileTakenError, match=r"--out is .* already exists.*--replace"):
            check_file(tmp_path / name, "--out", replace=False)
        check_file(tmp_path / name, "--out", replace=True)
    assert (tmp_path / "file").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "name", ["folder", "file/within", "file/with/in", "n" * 300, "n" * 300 + "/within", "a\0b", "a\0b/within", "\ud800"]
)
@pytest.mark.parametrize("replace", [False, True])
def test_where_no_file_can_be_is_a_sentence(tmp_path, name, replace):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(StableIdentityError, match=re.escape("--out is")):
        check_file(tmp_path / name, "--out", replace=replace)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.parametrize("name", ["file", "file/within", "n" * 300, "a\0b", "\ud800"])
def test_where_no_folder_can_be_is_a_sentence(tmp_path, name):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(StableIdentityError, match=re.escape("--out is")):
        check_folder(tmp_path / name, "--out")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes there")
def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StableIdentityError, match="not a regular file"):
        check_file(tmp_path / "pipe", "--out", replace=True)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc takes no files there")
def test_a_folder_that_takes_no_files(tmp_path):
    with pytest.raises(StableIdentityError, match="cannot be written"):
        check_file(Path("/proc/a"), "--out", replace=False)

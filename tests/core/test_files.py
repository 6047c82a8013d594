"""A file is there whole or as before: on a disk that is really full, and where nothing may be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.make import some_identity
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.files import write_atomically
from stableidentity_core.identity import save_identity

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"NO FULL DISK: mount needs root ({mounted.stderr.decode().strip()}); EFBIG is tested beside this")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_keeps_the_old_file_and_leaves_nothing_beside_it(small_disk):
    path = small_disk / "anna.safetensors"
    save_identity(some_identity(), path)  # 8 KB
    before = path.read_bytes()
    (small_disk / "filler").write_bytes(b"x" * (64 - 8 - 12) * 1024)
    with pytest.raises(StableIdentityError, match=rf"{path} \([\d,]+ bytes\) could not be written: No space left"):
        save_identity(some_identity(seed=1), path)
    assert path.read_bytes() == before
    assert sorted(os.listdir(small_disk)) == ["anna.safetensors", "filler"]


LIMITED = """
import resource, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from core.make import some_identity
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.identity import save_identity
path = Path(sys.argv[1])
save_identity(some_identity(), path)
before = path.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    save_identity(some_identity(seed=1), path)
except StableIdentityError as error:
    print(error)
assert path.read_bytes() == before, "the old file is gone"
"""


def test_a_limit_on_file_sizes_acts_the_same(tmp_path):
    path = tmp_path / "anna.safetensors"
    command = [sys.executable, "-c", LIMITED, str(path), str(ROOT), str(ROOT / "tests")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{path} (" in done.stdout and "could not be written: File too large" in done.stdout
    assert os.listdir(tmp_path) == ["anna.safetensors"]


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StableIdentityError, match=r"file/anna\.safetensors .* could not be written: "):
        write_atomically(tmp_path / "file" / "anna.safetensors", b"x")


def test_a_folder_in_the_place_of_the_file_is_kept(tmp_path):
    (tmp_path / "anna" / "inside").mkdir(parents=True)
    with pytest.raises(StableIdentityError, match="could not be written"):
        write_atomically(tmp_path / "anna", b"x")
    assert [path.name for path in tmp_path.rglob("*")] == ["anna", "inside"]


def test_missing_folders_are_made_and_others_may_read_the_file(tmp_path):
    path = tmp_path / "models" / "embeddings" / "anna"
    write_atomically(path, b"abc")
    assert path.read_bytes() == b"abc" and path.stat().st_mode & 0o777 == 0o644


def test_an_error_that_is_not_the_disks_leaves_nothing_either(tmp_path):
    with pytest.raises(TypeError):
        write_atomically(tmp_path / "anna", "not bytes")
    assert not list(tmp_path.iterdir())

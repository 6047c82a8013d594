"""A file is there whole or as before: on a disk that is really full, and where nothing may be written."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.make import some_identity
from stableidentity_core.errors import FileTakenError, StableIdentityError
from stableidentity_core.files import atomic
from stableidentity_core.files.atomic import remove_abandoned, write_atomically
from stableidentity_core.identity import save_identity

ROOT = Path(__file__).resolve().parents[3]


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
from helpers.make import some_identity
from stableidentity_core.errors import FileTakenError, StableIdentityError
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


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_missing_folders_are_made_and_the_files_mode_follows_the_umask(tmp_path, umask, mode):
    path = tmp_path / "models" / "embeddings" / "anna"
    before = os.umask(umask)
    try:
        write_atomically(path, b"abc")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"abc" and path.stat().st_mode & 0o777 == mode


def test_a_name_that_is_taken_is_left_to_its_owner(tmp_path):
    path = tmp_path / "anna"
    write_atomically(path, b"abc", replace=False)
    with pytest.raises(FileTakenError, match="already exists"):
        write_atomically(path, b"other", replace=False)
    assert path.read_bytes() == b"abc" and os.listdir(tmp_path) == ["anna"]


def test_a_file_system_without_hard_links_keeps_names_as_well(tmp_path, monkeypatch):
    def no_links(*_paths):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(atomic.os, "link", no_links)
    test_a_name_that_is_taken_is_left_to_its_owner(tmp_path)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.ENAMETOOLONG, "Choose a shorter name"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "read-only"),
        (errno.EIO, "Choose another name or folder"),
    ],
)
def test_the_remedy_fits_the_cause(tmp_path, monkeypatch, number, remedy):
    def fails(*_paths):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(atomic.os, "replace", fails)
    with pytest.raises(StableIdentityError, match=remedy) as caught:
        write_atomically(tmp_path / "anna", b"abc")
    assert ("Free some space" in str(caught.value)) == (number == errno.ENOSPC)
    assert not list(tmp_path.iterdir())


def test_names_that_no_file_system_takes_are_refused(tmp_path):
    for name in ("a" * 300, "a\0b"):
        with pytest.raises(StableIdentityError, match="could not be written"):
            write_atomically(tmp_path / name, b"abc")


WRITER = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from stableidentity_core.files import atomic
real = os.fsync
def slow(descriptor):
    print("writing", flush=True)
    time.sleep(60)
atomic.os.fsync = slow
atomic.write_atomically(Path(sys.argv[1]), b"x" * 100)
"""


def start_writing(path: Path) -> subprocess.Popen:
    """A process that is in the middle of writing the file, for a minute."""
    command = [sys.executable, "-c", WRITER, str(path), str(ROOT)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    return process


def test_what_a_killed_process_left_is_removed_at_the_next_save_and_what_a_living_one_holds_is_not(tmp_path):
    living, killed = start_writing(tmp_path / "ben"), start_writing(tmp_path / "anna")
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(list(tmp_path.iterdir())) == 2
        write_atomically(tmp_path / "carl", b"abc")
        left = [path.name for path in tmp_path.iterdir() if path.name != "carl"]
        assert len(left) == 1 and left[0].startswith(".")
        living.kill()
        living.wait()
        remove_abandoned(tmp_path)
        assert os.listdir(tmp_path) == ["carl"]
    finally:
        living.kill()
        killed.kill()


def test_files_of_others_are_never_removed(tmp_path):
    names = [".x.part", "model.safetensors.part", ".si-notes", "si-abc.part"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    remove_abandoned(tmp_path)
    remove_abandoned(tmp_path / "missing")
    assert sorted(os.listdir(tmp_path)) == sorted(names)


RACER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from stableidentity_core.files.atomic import write_atomically
from stableidentity_core.errors import FileTakenError
folder, who = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for number in range(50):
    try:
        write_atomically(folder / f"{number}", who.encode(), replace=False)
        print(number, flush=True)
    except FileTakenError:
        pass
"""


def test_of_processes_that_want_one_name_exactly_one_gets_it(tmp_path):
    racers = {}
    for who in ("a", "b", "c"):
        command = [sys.executable, "-c", RACER, str(tmp_path), who, str(ROOT)]
        racers[who] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for racer in racers.values():
        assert racer.stdout.readline() == "ready\n"
    time.sleep(0.05)
    for racer in racers.values():
        racer.stdin.write("\n")
        racer.stdin.flush()
    told = {who: racer.communicate(timeout=60)[0].split() for who, racer in racers.items()}
    for number in range(50):
        winners = [who for who, numbers in told.items() if str(number) in numbers]
        assert len(winners) == 1 and (tmp_path / str(number)).read_text() == winners[0]
    assert len(list(tmp_path.iterdir())) == 50


def test_an_error_that_is_not_the_disks_leaves_nothing_either(tmp_path):
    with pytest.raises(TypeError):
        write_atomically(tmp_path / "anna", "not bytes")
    assert not list(tmp_path.iterdir())

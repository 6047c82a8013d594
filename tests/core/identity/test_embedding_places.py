"""What Save tells the user to type always gives that person, wherever the host looks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from helpers.make import some_identity
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.files.names import IfExists
from stableidentity_core.identity import load_identity, save_identity
from stableidentity_core.identity import save as saving
from stableidentity_core.identity.places import Places
from stableidentity_core.identity.save import save_under_name

ROOT = Path(__file__).resolve().parents[3]
ELSEWHERE = ["people", "a/b/c"]  # below the folder where identities are saved


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "embeddings"
    made.mkdir()
    return made


def stranger(path: Path) -> Path:
    """Another person's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_identity(some_identity(seed=9), path)
    else:
        torch.save(some_identity(seed=9).words["clip_h"], path)
    return path


def holds(path: Path, seed: int) -> bool:
    return torch.equal(load_identity(path).words["clip_h"], some_identity(seed=seed).words["clip_h"])


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize("file", ["col.safetensors", "col.pt", "col.bin", "col"])
def test_a_name_taken_in_a_folder_below_is_taken(folder, where, file):
    there = stranger(folder / where / file)
    assert save_under_name(some_identity(), folder, "col").name == "col-2.safetensors"
    with pytest.raises(StableIdentityError, match=f"embedding:col already refers to {there}"):
        save_under_name(some_identity(seed=1), folder, "col", IfExists.STOP)
    assert not (folder / "col.safetensors").exists()


def test_a_name_taken_in_another_folder_of_the_host_is_taken(folder, tmp_path):
    others = [tmp_path / "a1111", tmp_path / "none"]
    stranger(others[0] / "deep" / "col.pt")
    assert save_under_name(some_identity(), folder, "col", others=others).name == "col-2.safetensors"
    assert save_under_name(some_identity(), folder, "dora", others=others).name == "dora.safetensors"


def test_a_number_that_is_taken_elsewhere_is_passed_over(folder):
    stranger(folder / "people" / "anna-2.bin")
    stranger(folder / "anna.safetensors")
    assert save_under_name(some_identity(), folder, "anna").name == "anna-3.safetensors"


def test_a_dot_within_the_name_is_no_ending(folder):
    stranger(folder / "anna.v2")  # the host takes a file of exactly this name first
    stranger(folder / "b.v1.pt")
    assert save_under_name(some_identity(), folder, "anna.v2").name == "anna.v2-2.safetensors"
    assert save_under_name(some_identity(), folder, "b.v1").name == "b.v1-2.safetensors"
    assert save_under_name(some_identity(), folder, "b").name == "b.safetensors"


@pytest.mark.parametrize("if_exists", IfExists)
def test_the_same_person_in_a_folder_below_is_left_there(folder, if_exists):
    there = folder / "people" / "anna.safetensors"
    there.parent.mkdir()
    save_identity(some_identity(), there)
    assert save_under_name(some_identity(), folder, "anna", if_exists) == there
    assert list(folder.rglob("*.*")) == [there]


@pytest.mark.parametrize("if_exists", IfExists)
def test_what_a_killed_save_left_beside_the_finished_file_is_removed(folder, if_exists):
    there = save_under_name(some_identity(), folder, "anna", if_exists)
    os.link(there, folder / ".si-killed.part")  # an exclusive save is a link, and then the first name is removed
    assert save_under_name(some_identity(), folder, "anna", if_exists) == there
    assert list(folder.iterdir()) == [there]


def test_the_same_person_beside_another_of_the_name_is_saved_apart(folder):
    """The name alone would give the one or the other."""
    first = save_under_name(some_identity(), folder, "anna")
    stranger(folder / "people" / "anna.safetensors")
    second = save_under_name(some_identity(), folder, "anna")
    assert (first.name, second.name) == ("anna.safetensors", "anna-2.safetensors")


@pytest.mark.parametrize("name", ["anna.pt", "anna.safetensors"])
def test_what_the_host_cannot_read_under_its_name_is_another_person(folder, name):
    """Words of this person, but safetensors called .pt, or in the layout of others."""
    if name == "anna.pt":
        save_identity(some_identity(), folder / name)
    else:
        torch.save({"<anna>": some_identity().words["clip_h"]}, folder / name)
    assert save_under_name(some_identity(), folder, "anna").name == "anna-2.safetensors"


@pytest.mark.parametrize("where", [".", *ELSEWHERE])
@pytest.mark.parametrize("file", ["col.safetensors", "col.pt", "col.bin"])
def test_replace_leaves_one_file_with_the_name_where_it_was(folder, where, file):
    there = stranger(folder / where / file)
    path = save_under_name(some_identity(), folder, "col", IfExists.REPLACE)
    assert path == there.with_name("col.safetensors") and holds(path, 0)
    assert Places([folder]).files_for("col") == [path]
    assert [file for file in folder.rglob("*") if file.is_file()] == [path]


def test_replace_keeps_the_file_where_the_file_system_takes_both_spellings_for_one(folder, monkeypatch):
    """Played by a link, as macOS would show the file under either name."""
    stranger(folder / "col.safetensors")
    (folder / "Col.safetensors").symlink_to("col.safetensors")
    monkeypatch.setattr(Places, "files_for", lambda _places, _name: [folder / "Col.safetensors"])
    path = save_under_name(some_identity(), folder, "col", IfExists.REPLACE)
    assert path == folder / "col.safetensors" and holds(path, 0) and holds(folder / "Col.safetensors", 0)


def test_replace_among_several_files_of_a_name_changes_none(folder, tmp_path):
    files = [stranger(folder / "people" / "col.pt"), stranger(tmp_path / "other" / "col.safetensors")]
    before = [file.read_bytes() for file in files]
    with pytest.raises(StableIdentityError, match=r"embedding:col refers to 2 files, .*Delete or rename all but one"):
        save_under_name(some_identity(), folder, "col", IfExists.REPLACE, [tmp_path / "other"])
    assert [file.read_bytes() for file in files] == before and not (folder / "col.safetensors").exists()


def test_replace_keeps_what_has_no_ending_of_an_embedding(folder):
    notes = folder / "notes.txt"
    notes.write_text("mine")
    said = r"notes.txt, which does not have the extension of an embedding .* is not replaced"
    with pytest.raises(StableIdentityError, match=said):
        save_under_name(some_identity(), folder, "notes.txt", IfExists.REPLACE)
    assert notes.read_text() == "mine"
    assert save_under_name(some_identity(), folder, "notes.txt").name == "notes.txt-2.safetensors"


def test_a_folder_of_that_name_is_no_file(folder):
    (folder / "anna").mkdir()
    (folder / "bob.safetensors").mkdir()
    assert save_under_name(some_identity(), folder, "anna").name == "anna.safetensors"
    assert save_under_name(some_identity(), folder, "bob").name == "bob-2.safetensors"


def linked(link: Path, target: Path) -> None:
    try:
        link.symlink_to(target, target_is_directory=target.is_dir())
    except OSError as error:
        pytest.skip(f"no links here: {error}")


def test_folders_behind_links_are_searched_and_circles_end(folder, tmp_path):
    stranger(tmp_path / "shared" / "col.pt")
    linked(folder / "linked", tmp_path / "shared")
    linked(tmp_path / "shared" / "back", folder)
    assert Places([folder]).files_for("col") == [folder / "linked" / "col.pt"]
    assert save_under_name(some_identity(), folder, "col").name == "col-2.safetensors"


def test_one_file_seen_in_several_places_is_one(folder, tmp_path):
    """A folder named twice, below another, and by links; a link to a file."""
    path = stranger(folder / "people" / "col.safetensors")
    linked(tmp_path / "again", folder)
    linked(folder / "col.safetensors", path)
    places = [folder, folder, folder / "people", tmp_path / "again"]
    assert Places(places).files_for("col") == [path]
    replaced = save_under_name(some_identity(), folder, "col", IfExists.REPLACE, places[1:])
    assert replaced == path and holds(folder / "col.safetensors", 0)


def test_case_counts_where_it_does_for_the_file_system(folder):
    stranger(folder / "people" / "Anna.SAFETENSORS")
    one_for_all = (folder / "people" / "anna.safetensors").exists()
    expected = "anna-2.safetensors" if one_for_all else "anna.safetensors"
    assert save_under_name(some_identity(), folder, "anna").name == expected


def test_the_hundredth_save_reads_no_more_than_the_third(folder, monkeypatch):
    reads = []

    def counted(path: Path):
        reads.append(path)
        return load_identity(path)

    monkeypatch.setattr(saving, "load_identity", counted)
    per_save = []
    for seed in range(100):
        before = len(reads)
        save_under_name(some_identity(4, seed=seed), folder, "anna")
        per_save.append(len(reads) - before)
    assert max(per_save) <= 1
    assert save_under_name(some_identity(4, seed=50), folder, "anna").name == "anna-51.safetensors"


def test_a_file_that_was_exchanged_is_read_again(folder):
    path = save_under_name(some_identity(), folder, "anna")
    assert save_under_name(some_identity(), folder, "anna") == path
    save_identity(some_identity(seed=1), path)
    assert save_under_name(some_identity(), folder, "anna").name == "anna-2.safetensors"


@pytest.mark.parametrize("same", [True, False])
def test_a_process_that_was_faster_keeps_its_file(folder, monkeypatch, same):
    """Its file comes between the look and the writing."""

    def overtaken(identity, path, *, replace):
        if path.name == "anna.safetensors":
            save_identity(some_identity(seed=0 if same else 7), path)
        save_identity(identity, path, replace=replace)

    monkeypatch.setattr(saving, "save_identity", overtaken)
    path = save_under_name(some_identity(), folder, "anna")
    assert path.name == ("anna.safetensors" if same else "anna-2.safetensors")
    assert holds(folder / "anna.safetensors", 0 if same else 7) and holds(path, 0)
    if not same:
        (folder / "anna.safetensors").unlink()
        with pytest.raises(StableIdentityError, match="embedding:anna already refers to"):
            save_under_name(some_identity(), folder, "anna", IfExists.STOP)


SAVER = """
import sys, time
from pathlib import Path
from helpers.make import some_identity
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.files.names import IfExists
from stableidentity_core.identity.save import save_under_name
folder, number = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for if_exists in (IfExists.NUMBER, IfExists.STOP):
    for round in range(20):
        seed = 100 * number + round
        try:
            path = save_under_name(some_identity(8, seed=seed), folder, f"{if_exists.name}{round}", if_exists)
            print(if_exists.name, seed, path, flush=True)
        except StableIdentityError:
            print(if_exists.name, seed, "-", flush=True)
"""


def test_several_processes_lose_nobody(folder):
    """Different people under one name at once: whoever is told "saved" is there."""
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    savers = [
        subprocess.Popen(
            [sys.executable, "-c", SAVER, str(folder), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )
        for number in range(2)
    ]
    for saver in savers:
        assert saver.stdout.readline() == "ready\n"
    for saver in savers:
        saver.stdin.write("\n")
        saver.stdin.flush()
    told = [line.split() for saver in savers for line in saver.communicate(timeout=120)[0].splitlines()]
    assert len(told) == 80 and all(saver.returncode == 0 for saver in savers)
    saved = [(mode, int(seed), Path(path)) for mode, seed, path in told if path != "-"]
    assert [[mode for mode, _, _ in saved].count(mode) for mode in ("NUMBER", "STOP")] == [40, 20]
    for _mode, seed, path in saved:
        assert torch.equal(load_identity(path).words["clip_h"], some_identity(8, seed=seed).words["clip_h"])
    assert len(list(folder.iterdir())) == 60

"""`trained`: what the nodes keep is shown, and removed when asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from safetensors.torch import save_file

from helpers.stores import at_work, fill, key, some_result
from stableidentity_core.cli import main, trained
from stableidentity_core.store import ResultStore, read_limit
from stableidentity_core.store.pack import pack_words


def command(store: ResultStore, *options: str) -> int:
    return main(["trained", "--folder", str(store.folder), *options])


@pytest.fixture
def filled(store) -> ResultStore:
    """person-0, person-1, person-2, and broken-off work."""
    fill(store, 3)
    save_file({}, store.checkpoint(key(9)), {"step": "300"})
    return store


def stored(store: ResultStore) -> set[str]:
    return {path.name.split(".")[0][-1] for path in store.folder.iterdir()}


def test_the_list(filled, capsys):
    assert command(filled) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "4 trainings, 0.00 of 2 GB" in shown[0] and str(filled.folder) in shown[0]
    assert ["<person-0>: stableidentity, 3 steps" in line for line in shown] == [False, True, False, False, False]
    assert "interrupted at step 300" in shown[-1] and len(shown) == 5
    assert all(line.startswith("0" * 12) and " MB " in line for line in shown[1:])


def test_odd_headers_steer_nothing(store, capsys):
    tensors, header = pack_words(some_result())
    header["trigger"] = "<an\x1b[2Jna>\nfake line"
    header["header"] = '{"method": "\\u202e\\u001b[31m", "steps": "1"}'
    store.folder.mkdir(parents=True)
    save_file(tensors, store.path(key(1)), header)
    assert command(store) == 0
    shown = capsys.readouterr().out
    assert all(char == "\n" or char.isprintable() for char in shown) and len(shown.splitlines()) == 2


def test_a_person_is_removed_by_trigger_and_nobody_else(filled, capsys):
    assert command(filled, "--delete", "person-1") == 0
    assert "removed 1 training, 2 files." in capsys.readouterr().out and stored(filled) == {"0", "2", "9"}
    assert command(filled, "--delete", "<person-0>", "person-2") == 0
    assert stored(filled) == {"9"}


def test_one_training_is_removed_by_its_number(filled):
    assert command(filled, "--delete", key(9)) == 0
    assert stored(filled) == {"0", "1", "2"}


@pytest.mark.parametrize("name", ["carl", "person", "", "0", "0" * 11, "../x"])
def test_nothing_is_removed_where_nothing_has_the_name(filled, capsys, name):
    before = sorted(os.listdir(filled.folder))
    assert command(filled, "--delete", "person-1", name) == 1
    error = capsys.readouterr().err
    assert f"has no training of {name!r}; nothing was removed" in error
    assert sorted(os.listdir(filled.folder)) == before


def test_all_is_removed_also_what_killed_processes_left(filled, capsys):
    (filled.folder / ".si-abcd1234.part").write_bytes(b"half a person")
    (filled.folder / "notes.txt").write_bytes(b"mine")
    assert command(filled, "--empty") == 0
    assert "removed 4 trainings, 7 files." in capsys.readouterr().out
    assert os.listdir(filled.folder) == ["notes.txt"]


def test_work_that_goes_on_is_left_and_told(filled, capsys):
    process = at_work(filled.folder, key(9))
    try:
        assert command(filled, "--empty") == 1
        assert "(1 file)" in capsys.readouterr().err
        assert {path.name for path in filled.folder.iterdir()} == {filled.checkpoint(key(9)).name, f"{key(9)}.lock"}
    finally:
        process.kill()
        process.wait()
    assert command(filled, "--empty") == 0 and not os.listdir(filled.folder)


def test_the_limit_is_set_and_kept_to_at_once(filled, capsys):
    words = sum(filled.path(key(number)).stat().st_size for number in range(3))
    assert command(filled, "--limit", str(words / 1e9)) == 0
    assert "Removed 4 files" in capsys.readouterr().out and read_limit(filled.folder) == words / 1e9
    assert stored(filled) == {"0", "1", "2"}  # their words are left
    for value in ("nan", "-1", "inf", "1e9"):
        assert command(filled, f"--limit={value}") == 1
        assert "needed a number of gigabytes" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command(filled, "--limit", "much")


def test_the_folder_is_that_of_the_comfyui_around_the_pack(tmp_path, monkeypatch, capsys):
    pack = tmp_path / "ComfyUI" / "custom_nodes" / "ComfyUI-StableIdentity"
    monkeypatch.setattr(trained, "PACK", pack)
    folder = tmp_path / "ComfyUI" / "user" / "stableidentity" / "trained"
    assert main(["trained"]) == 0
    assert f"{folder}: 0 trainings" in capsys.readouterr().out and not folder.exists()
    fill(ResultStore(folder), 1)
    assert main(["trained", "--empty"]) == 0 and not os.listdir(folder)


def test_without_a_comfyui_the_folder_must_be_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trained, "PACK", tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    assert main(["trained"]) == 1
    assert "Use --folder DIR" in capsys.readouterr().err
    for place in (tmp_path / "missing", Path(__file__)):
        assert main(["trained", "--folder", str(place), "--empty"]) == 1
        assert "which is not a folder" in capsys.readouterr().err

"""Stored trainings take no more room than the user has set; what is in use stays, and no training fails by it."""

from __future__ import annotations

import json
import logging
import os

import pytest

from helpers.stores import at_work, fill, key, some_result
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.methods import TrainedProjector
from stableidentity_core.store import ProjectorResult, ResultStore, read_limit, write_limit
from stableidentity_core.store.folder import Kind, entries, remove, sweep, trim, working
from stableidentity_core.store.limit import DEFAULT_GB, settings_file
from stableidentity_core.store.summary import stored_trainings


def left(store: ResultStore, kind: Kind) -> list[int]:
    return sorted(int(entry.key, 16) for entry in entries(store.folder) if entry.kind is kind)


def size(store: ResultStore) -> int:
    return sum(entry.size for entry in entries(store.folder))


def test_what_was_used_the_longest_ago_leaves_first_and_the_words_stay(store, caplog):
    fill(store, 6)
    assert store.get(key(1)) is not None  # which counts as use
    write_limit(store.folder, size(store) / 2 / 1e9)
    with caplog.at_level(logging.INFO):
        store.trim()
    assert left(store, Kind.WORDS) == [0, 1, 2, 3, 4, 5]
    there = left(store, Kind.PROJECTOR)
    assert 1 in there and 5 in there and not {0, 2, 3} & {*there}
    assert size(store) <= read_limit(store.folder) * 1e9
    assert str(settings_file(store.folder)) in caplog.text and "trained_gb" in caplog.text


def test_trainings_without_end_stay_below_the_limit(store):
    write_limit(store.folder, 1e-3)  # a megabyte, of 100 KB each
    for number in range(60):
        store.put(key(number), some_result())
    assert size(store) <= 1e6
    assert left(store, Kind.WORDS) == [*range(60)] and len(left(store, Kind.PROJECTOR)) < 10


def test_where_not_even_the_words_fit_the_oldest_leave(store):
    fill(store, 4)
    trim(store.folder, store.path(key(0)).stat().st_size * 2.5)
    assert left(store, Kind.WORDS) == [2, 3] and not left(store, Kind.PROJECTOR)
    trim(store.folder, 0)
    assert not entries(store.folder)


def test_checkpoints_and_projectors_over_many_people_count_as_well(store):
    result = some_result()
    store.put_projector(key(1), ProjectorResult(projector=result.projector, losses=result.losses))
    store.checkpoint(key(2)).write_bytes(b"x" * 1000)
    assert {entry.kind for entry in entries(store.folder)} == {Kind.PROJECTOR, Kind.CHECKPOINT}
    trim(store.folder, 0)
    assert not entries(store.folder)


def test_a_finished_work_leaves_no_checkpoint(store):
    store.folder.mkdir(parents=True)
    store.checkpoint(key(1)).write_bytes(b"x")
    result = some_result()
    store.put_projector(key(1), ProjectorResult(projector=result.projector, losses=result.losses))
    assert not store.checkpoint(key(1)).exists()


def test_files_of_others_stay(store):
    fill(store, 1)
    names = ["notes.txt", "anna.safetensors", f"{key(7)}.safetensors.bak", ".hidden"]
    for name in names:
        (store.folder / name).write_bytes(b"mine")
    (store.folder / f"{key(8)}.safetensors").mkdir()
    outside = store.folder.parent / "outside.safetensors"
    outside.write_bytes(b"mine")
    (store.folder / f"{key(9)}.safetensors").symlink_to(outside)
    trim(store.folder, 0)
    sweep(store.folder)
    assert sorted(os.listdir(store.folder)) == sorted([*names, f"{key(8)}.safetensors", f"{key(9)}.safetensors"])
    assert outside.read_bytes() == b"mine"


def test_the_checkpoint_of_a_training_that_goes_on_in_another_process_stays(store):
    store.folder.mkdir(parents=True)
    for number in (1, 2):
        store.checkpoint(key(number)).write_bytes(b"x" * 1000)
    process = at_work(store.folder, key(1))
    try:
        trim(store.folder, 0)
        assert left(store, Kind.CHECKPOINT) == [1]
        assert not remove(entries(store.folder)[0])
        process.kill()
        process.wait()
        trim(store.folder, 0)
        assert not entries(store.folder)
    finally:
        process.kill()
    sweep(store.folder)
    assert os.listdir(store.folder) == [], "the lock of a killed process was left"


def test_the_end_of_a_work_leaves_no_lock(store):
    with working(store.folder, key(1)):
        assert os.listdir(store.folder) == [f"{key(1)}.lock"]
        with working(store.folder, key(1)):  # the same work in a second process: it goes on without the lock
            pass
        assert os.listdir(store.folder) == [f"{key(1)}.lock"]
    assert os.listdir(store.folder) == []


def test_a_folder_that_cannot_be_made_or_read_fails_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    blocked = ResultStore(tmp_path / "file" / "trained")
    with blocked.working(key(1)):
        blocked.trim()
    sweep(blocked.folder)
    assert blocked.get(key(1)) is None and blocked.get_projector(key(1)) is None


def test_a_file_that_another_process_removes_while_it_is_read_is_no_damage(store, monkeypatch, caplog):
    from stableidentity_core.store import results

    store.put(key(1), some_result())

    def gone(path):
        path.unlink()
        raise StableIdentityError("no file")

    monkeypatch.setattr(results, "read_tensors", gone)
    with caplog.at_level(logging.WARNING):
        assert store.get(key(1)) is None
    assert not caplog.records


def test_a_file_used_since_the_folder_was_read_stays(store, monkeypatch):
    from stableidentity_core.store import folder

    fill(store, 2)
    listed = entries(store.folder)
    monkeypatch.setattr(folder, "entries", lambda _folder: listed)
    store.get(key(0))
    trim(store.folder, 0)
    assert left(store, Kind.PROJECTOR) == [0] and left(store, Kind.WORDS) == [0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"trained_gb": "2"}',
        b'{"trained_gb": -1}',
        b'{"trained_gb": true}',
        b'{"trained_gb": NaN}',
        b'{"trained_gb": Infinity}',
        b'{"trained_gb": 1e400}',
        b'{"trained_gb": ' + b"9" * 400 + b"}",
        b'{"trained_gb": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda content: content[:24].decode(errors="replace"),
)
def test_a_setting_that_cannot_be_read_is_reported_and_the_default_taken(store, caplog, content):
    settings_file(store.folder).parent.mkdir(parents=True)
    settings_file(store.folder).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert read_limit(store.folder) == DEFAULT_GB
    assert str(settings_file(store.folder)) in caplog.text
    fill(store, 1)
    assert store.get(key(0)) is not None


def test_a_setting_in_the_place_of_a_folder_is_reported(store, caplog):
    settings_file(store.folder).mkdir(parents=True)
    assert read_limit(store.folder) == DEFAULT_GB and "cannot be read" in caplog.text
    with pytest.raises(StableIdentityError, match="cannot be read"):
        write_limit(store.folder, 1)


def test_the_setting_is_kept_beside_others_and_may_come_from_an_editor_of_windows(store):
    assert read_limit(store.folder) == DEFAULT_GB
    settings_file(store.folder).parent.mkdir(parents=True)
    settings_file(store.folder).write_bytes(b'\xef\xbb\xbf{"other": 1, "trained_gb": 5}')
    assert read_limit(store.folder) == 5
    write_limit(store.folder, 0.5)
    assert json.loads(settings_file(store.folder).read_text()) == {"other": 1, "trained_gb": 0.5}
    for value in (float("nan"), float("inf"), -1.0, 1e9):
        with pytest.raises(StableIdentityError, match="needed a number of gigabytes"):
            write_limit(store.folder, value)
    assert read_limit(store.folder) == 0.5


def test_what_is_stored_is_told_from_the_headers(store):
    fill(store, 2)
    store.path(key(0), Kind.PROJECTOR).unlink()
    result = some_result()
    many = TrainedProjector(
        state=result.projector.state,
        feature_width=64,
        settings={"normalization": "per_word"},
        encoder="random",
        facts={"projector_people": "12", "projector_steps": "1500"},
    )
    store.put_projector(key(2), ProjectorResult(projector=many, losses=result.losses))
    store.path(key(3)).write_bytes(b"damaged")
    told = {training.key: (training.trigger, training.what) for training in stored_trainings(store.folder)}
    assert told == {
        key(0): ("<person-0>", "stableidentity, 3 steps, its projector was removed"),
        key(1): ("<person-1>", "stableidentity, 3 steps"),
        key(2): (None, "projector of 12 people, 1500 steps"),
        key(3): (None, "cannot be read"),
    }
    assert stored_trainings(store.folder / "missing") == []

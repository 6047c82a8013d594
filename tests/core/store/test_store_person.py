"""The stored trainings of one person are found by the words that they gave."""

from __future__ import annotations

from dataclasses import replace

from helpers.make import some_identity
from helpers.stores import fill, key, some_result
from stableidentity_core.identity import load_identity, save_identity
from stableidentity_core.store.folder import Kind
from stableidentity_core.store.person import remove_trainings, trainings_of


def test_the_trainings_that_gave_a_person_are_found_and_removed(store, tmp_path):
    fill(store, 1)  # of the same words under another trigger, as learned again under a new name
    store.put(key(1), some_result("anna"))
    store.put(key(2), replace(some_result("anna"), identity=some_identity(64, "anna", seed=5, method="m", steps="1")))
    save_identity(some_result("anna").identity, tmp_path / "anna.safetensors")
    found = trainings_of(store.folder, load_identity(tmp_path / "anna.safetensors"))
    assert [one.key for one in found] == [key(0), key(1)]
    assert remove_trainings(found) == []
    assert {path.name for path in store.folder.iterdir()} == {
        store.path(key(2), kind).name for kind in (Kind.WORDS, Kind.PROJECTOR)
    }


def test_damaged_results_and_other_bases_are_nobodys(store):
    store.put(key(1), some_result())
    store.path(key(1)).write_bytes(b"damaged")
    store.put(key(2), some_result())
    assert [one.key for one in trainings_of(store.folder, some_result().identity)] == [key(2)]
    assert trainings_of(store.folder, some_identity(32)) == []
    assert trainings_of(store.folder / "none", some_identity(64)) == []

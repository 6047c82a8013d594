"""Names that users give to files."""

from __future__ import annotations

import pytest
import torch

from helpers.make import some_identity
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.files.names import IfExists, safe_file_name
from stableidentity_core.identity import load_identity
from stableidentity_core.identity.save import save_under_name


@pytest.mark.parametrize("name", ["anna", "anna-2026", "Anna_B.v2", "a007", "Jürgen", "安娜", "a" * 100])
def test_usable_names_are_kept_as_they_are_and_can_be_written(tmp_path, name):
    assert safe_file_name(f" {name}\n") == name
    path = save_under_name(some_identity(), tmp_path, name)
    assert path == tmp_path / f"{name}.safetensors" and load_identity(path).trigger == "<anna>"


@pytest.mark.parametrize(
    "name,problem",
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("../../x", "contains '/'"),
        ("..\\x", r"contains '\\\\'"),
        ("/etc/passwd", "contains '/'"),
        ("a/b", "contains '/'"),
        ("..", "dot"),
        (".hidden", "dot"),
        ("anna.", "dot"),
        ("a b", "contains ' '"),
        ("a\tb", "contains"),
        ("a\0b", "contains"),
        ("a:b", "contains ':'"),
        ("a(b)", r"contains '\(\)'"),
        ("<anna>", "contains '<>'"),
        ("CON", "reserved"),
        ("con.x", "reserved"),
        ("Lpt1", "reserved"),
        ("com\u00b9", "reserved"),
        ("LPT\u00b3.x", "reserved"),
        ("\ud800", "contains"),
        ("a" * 90 + "\ud800" * 5, "contains"),
        ("a" * 101, "has 101 characters, at most 100"),
        ("a" * 300, "has 300 characters, at most 100"),
        ("2026", r"read as a number: ComfyUI parses it in \(embedding:2026\) as a weight\..*'person-2026'"),
        ("007", "as a number"),
        ("-1.5", "as a number"),
        ("1e5", "as a number"),
        ("1_000", "as a number"),
        ("NaN", "as a number"),
        ("infinity", "as a number"),
        ("\u0663", "as a number"),  # Arabic
        ("\uff11\uff12", "as a number"),
        ("1e", "as a number"),  # with a number added
        ("anna.pt", r"ends in '\.pt', .* two files, anna\.pt and anna\.pt\.safetensors.*'anna'"),
        ("anna.BIN", r"ends in '\.bin'"),
        ("anna.safetensors.safetensors", "ends in '.safetensors'"),
    ],
)
def test_other_names_are_refused_with_the_reason_and_nothing_is_written(tmp_path, name, problem):
    folder = tmp_path / "embeddings"
    folder.mkdir()
    with pytest.raises(StableIdentityError, match=problem) as error:
        save_under_name(some_identity(), folder, name)
    assert list(tmp_path.rglob("*")) == [folder]
    assert len(str(error.value)) < 400


def test_a_name_of_too_many_bytes_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(StableIdentityError):
        save_under_name(some_identity(), tmp_path, "安" * 100)
    assert not list(tmp_path.iterdir())


def test_the_files_ending_may_be_typed_too(tmp_path):
    for name in ("anna.safetensors", " anna.SafeTensors "):
        assert save_under_name(some_identity(), tmp_path, name).name == "anna.safetensors"
    with pytest.raises(StableIdentityError, match="is empty"):
        save_under_name(some_identity(), tmp_path, ".safetensors")


def saved(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("if_exists", IfExists)
def test_the_same_person_again_changes_nothing(tmp_path, if_exists):
    first = save_under_name(some_identity(), tmp_path, "anna", if_exists)
    before = saved(tmp_path)
    assert save_under_name(some_identity(), tmp_path, "anna", if_exists) == first
    assert saved(tmp_path) == before


def test_number_keeps_the_other_person_and_counts_up(tmp_path):
    paths = [save_under_name(some_identity(seed=seed), tmp_path, "anna") for seed in (0, 1, 2, 1)]
    assert [path.name for path in paths] == [
        "anna.safetensors",
        "anna-2.safetensors",
        "anna-3.safetensors",
        "anna-2.safetensors",  # the same as before, found again
    ]
    for seed in range(3):
        assert torch.equal(load_identity(paths[seed]).words["clip_h"], some_identity(seed=seed).words["clip_h"])


def test_replace_overwrites(tmp_path):
    save_under_name(some_identity(), tmp_path, "anna")
    path = save_under_name(some_identity(seed=1), tmp_path, "anna", IfExists.REPLACE)
    assert [file.name for file in tmp_path.iterdir()] == ["anna.safetensors"]
    assert torch.equal(load_identity(path).words["clip_h"], some_identity(seed=1).words["clip_h"])


def test_stop_names_the_file_and_the_ways_out_and_keeps_it(tmp_path):
    path = save_under_name(some_identity(), tmp_path, "anna")
    before = saved(tmp_path)
    with pytest.raises(
        StableIdentityError, match=rf"embedding:anna already refers to {path}, which .*add a number.*replace"
    ):
        save_under_name(some_identity(seed=1), tmp_path, "anna", IfExists.STOP)
    assert saved(tmp_path) == before


def test_another_trigger_counts_as_another_person(tmp_path):
    save_under_name(some_identity(), tmp_path, "anna")
    assert save_under_name(some_identity(trigger="bob"), tmp_path, "anna").name == "anna-2.safetensors"


@pytest.mark.parametrize("suffix", [".pt", ".bin"])
def test_a_name_taken_by_another_ending_is_taken(tmp_path, suffix):
    """The host finds `embedding:anna` whatever the ending."""
    torch.save(torch.zeros(1, 2, 1024), tmp_path / f"anna{suffix}")
    assert save_under_name(some_identity(), tmp_path, "anna").name == "anna-2.safetensors"
    with pytest.raises(StableIdentityError, match=f"anna{suffix}, which is not this person"):
        save_under_name(some_identity(seed=1), tmp_path, "anna", IfExists.STOP)


def test_half_precision_words_are_recognised_as_the_same(tmp_path):
    identity = some_identity()
    half = type(identity)(trigger="anna", words={"clip_h": identity.words["clip_h"].half()})
    first = save_under_name(half, tmp_path, "anna")
    assert save_under_name(half, tmp_path, "anna") == first


def test_a_broken_file_of_that_name_is_not_overwritten(tmp_path):
    (tmp_path / "anna.safetensors").write_bytes(b"broken")
    assert save_under_name(some_identity(), tmp_path, "anna").name == "anna-2.safetensors"
    assert (tmp_path / "anna.safetensors").read_bytes() == b"broken"

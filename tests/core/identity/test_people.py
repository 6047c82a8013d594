"""The list of saved people, and what happens to file and portrait when a person is renamed, replaced or deleted."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from helpers.make import rand, randn, some_identity
from stableidentity_core.errors import DamagedFileError, FileTakenError, StableIdentityError
from stableidentity_core.files.names import IfExists
from stableidentity_core.identity import Identity, load_identity, people, save_identity
from stableidentity_core.identity.housekeeping import belongings, delete_person, rename_person
from stableidentity_core.identity.people import Kind, saved_people
from stableidentity_core.identity.places import Places
from stableidentity_core.identity.portraits import portrait_png, read_portrait
from stableidentity_core.identity.save import save_under_name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "embeddings"
    made.mkdir()
    return made


def png(seed: int = 0) -> bytes:
    return portrait_png(rand(64, 64, 3, seed=seed))


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def listed(*folders: Path) -> dict[str, people.Saved]:
    return {saved.file: saved for saved in saved_people(folders)}


def test_the_list_says_who_is_who(folder):
    header = {"method": "stableidentity", "date": "2026-05-01", "likeness": "0.71"}
    save_under_name(some_identity(**header), folder, "anna", portrait=png())
    save_under_name(some_identity(128, "bert"), folder / "mini_world", "bert")
    both = {"clip_l": randn(2, 768), "clip_g": randn(2, 1280)}
    save_under_name(Identity(trigger="cleo", words=both), folder, "cleo")
    torch.save(randn(2, 768), folder / "style.pt")
    (folder / "notes.txt").write_text("mine")
    found = listed(folder)
    assert list(found) == ["anna.safetensors", "cleo.safetensors", "style.pt", "mini_world/bert.safetensors"]
    anna, cleo, style, bert = found.values()
    assert (anna.facts.trigger, anna.base, anna.likeness, anna.prompt) == ("<anna>", "SD 2", 0.71, "anna")
    assert anna.facts.texts["date"] == "2026-05-01" and anna.portrait == folder / "anna.preview.png"
    assert (cleo.base, cleo.likeness, cleo.portrait) == ("SDXL", None, None)
    assert (style.facts.kind, style.prompt) == (Kind.EMBEDDING, "style")
    assert (bert.base, bert.prompt) == ("clip_h 128", "mini_world/bert")


@pytest.mark.parametrize(
    ("widths", "base"),
    [
        ({"clip_l": 768, "clip_g": 1280, "t5xxl": 4096}, "SD 3.5"),
        ({"umt5xxl": 4096}, "Wan"),
        ({"qwen3_4b": 2560}, "Z-Image, Flux.2 klein"),
        ({"qwen3_4b": 64}, "qwen3_4b 64"),
    ],
)
def test_people_of_flow_models_are_shown_with_their_base(folder, widths, base):
    words = {space: randn(2, width) for space, width in widths.items()}
    save_under_name(Identity(trigger="dan", words=words), folder, "dan")
    assert listed(folder)["dan.safetensors"].base == base


def damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    changes = {
        "empty": b"",
        "cut": whole[:-10],
        "cut in the header": whole[:40],
        "page": b"<!doctype html><p>Log in",
        "longer": whole + b"x",
        "huge header": (1 << 60).to_bytes(8, "little") + whole[8:],
        "other width": whole.replace(b'"text_width":"1024"', b'"text_width":"1025"'),
        "no trigger": whole.replace(b'"trigger":"<anna>"', b'"trigger":"<a na>"'),
        "deep": (200_000).to_bytes(8, "little") + b"[" * 200_000,
        "metadata": whole.replace(b'"format":"stableidentity-1"', b'"format":["tableidentity-1]'),
    }
    path.write_bytes(changes[how])
    assert how == "empty" or changes[how] != whole


@pytest.mark.parametrize(
    "how",
    [
        "empty",
        "cut",
        "cut in the header",
        "page",
        "longer",
        "huge header",
        "other width",
        "no trigger",
        "deep",
        "metadata",
    ],
)
def test_a_damaged_file_is_listed_with_the_reason(folder, how):
    damage(save_under_name(some_identity(), folder, "anna"), how)
    save_under_name(some_identity(seed=1), folder, "bert")
    found = listed(folder)
    facts = found["anna.safetensors"].facts
    assert facts.kind is Kind.DAMAGED and facts.problem.endswith(".") and str(folder) not in facts.problem
    assert found["bert.safetensors"].facts.kind is Kind.PERSON


def test_links_to_nothing_and_folders_are_no_people(folder):
    (folder / "gone.safetensors").symlink_to(folder / "nowhere")
    (folder / "folder.safetensors").mkdir()
    assert listed(folder) == {} and listed(folder / "none") == {}


def test_a_name_is_offered_only_if_it_means_this_file_alone(folder, tmp_path):
    """The host takes any file of a name, wherever it is."""
    other = tmp_path / "a1111"
    for path in (folder / "anna", folder / "people/anna", folder / "my people/ben", other / "cleo", other / "x/dora"):
        save_identity(some_identity(), path.with_suffix(".safetensors"))
    save_identity(some_identity(), folder / "2026.safetensors")
    save_identity(some_identity(), folder / "dora.safetensors")
    said = {saved.file: saved.prompt for saved in saved_people([folder, other])}
    assert said == {
        "anna.safetensors": "",
        "people/anna.safetensors": "people/anna",
        "my people/ben.safetensors": "ben",
        "cleo.safetensors": "cleo",
        "x/dora.safetensors": "x/dora",
        "dora.safetensors": "",
        "2026.safetensors": "",
    }


def test_headers_are_read_once_for_each_state_of_a_file(folder, monkeypatch):
    path = save_under_name(some_identity(), folder, "anna")
    reads = []
    original = people.read_tensor_header
    monkeypatch.setattr(people, "read_tensor_header", lambda one: reads.append(one) or original(one))
    assert [len(listed(folder)) for _ in range(3)] == [1, 1, 1] and reads == [path]
    save_identity(some_identity(trigger="new"), path)
    assert listed(folder)["anna.safetensors"].facts.trigger == "<new>" and len(reads) == 2


def test_a_portrait_has_nothing_but_the_picture():
    with Image.open(io.BytesIO(portrait_png(rand(700, 900, 4)))) as picture:
        assert (picture.size, picture.mode, picture.info) == ((512, 398), "RGB", {})
    with pytest.raises(StableIdentityError, match="needed"):
        portrait_png(torch.full((8, 8, 3), float("nan")))


def test_the_portrait_goes_with_its_file(folder):
    path = save_under_name(some_identity(), folder, "anna", portrait=png())
    assert save_under_name(some_identity(), folder, "anna") == path
    assert names(folder) == ["anna.preview.png", "anna.safetensors"], "the same person: it stays"
    save_under_name(some_identity(seed=1), folder, "anna", portrait=png(1))
    assert names(folder)[:2] == ["anna-2.preview.png", "anna-2.safetensors"]
    new = rename_person(path, "anne", [folder])
    assert new.name == "anne.safetensors" and (folder / "anne.preview.png").read_bytes() == png()
    assert {path.name for path in delete_person(new)} == {"anne.safetensors", "anne.preview.png"}
    assert names(folder) == ["anna-2.preview.png", "anna-2.safetensors"]


@pytest.mark.parametrize("old", ["anna.safetensors", "people/anna.pt"])
def test_nobody_inherits_a_portrait(folder, old):
    there = folder / old
    there.parent.mkdir(exist_ok=True)
    torch.save(randn(2, 1024), there)
    for ending in ("png", "jpg", "webp"):
        there.with_name(f"anna.preview.{ending}").write_bytes(png())
    save_under_name(some_identity(), folder, "anna", IfExists.REPLACE)
    assert [Path(name).name for name in names(folder)] == ["anna.safetensors"]
    (folder / "ben.preview.png").write_bytes(png())  # of one who was deleted by hand
    save_under_name(some_identity(seed=1), folder, "ben")
    assert not (folder / "ben.preview.png").exists()


def test_a_new_portrait_takes_the_place_of_all_others(folder):
    path = save_under_name(some_identity(), folder, "anna")
    (folder / "anna.preview.jpg").write_bytes(b"old")
    save_under_name(some_identity(), folder, "anna", portrait=png())
    assert [one.name for one in belongings(path)] == ["anna.safetensors", "anna.preview.png"]


@pytest.mark.parametrize("from_mini_world", [True, False])
def test_replace_moves_a_person_who_may_not_stay(folder, from_mini_world):
    rooms = {True: folder / "mini_world", False: folder}
    save_under_name(some_identity(), rooms[from_mini_world], "anna", others=[folder], portrait=png())
    path = save_under_name(
        some_identity(seed=1),
        rooms[not from_mini_world],
        "anna",
        IfExists.REPLACE,
        [folder],
        may_stay=lambda file: file.is_relative_to(rooms[True]) != from_mini_world,
    )
    assert path == rooms[not from_mini_world] / "anna.safetensors"
    assert [folder / name for name in names(folder)] == [path]


@pytest.mark.parametrize("taken", ["ben.pt", "people/ben.safetensors"])
def test_a_name_that_is_taken_anywhere_is_refused(folder, taken):
    path = save_under_name(some_identity(), folder, "anna", portrait=png())
    (folder / taken).parent.mkdir(exist_ok=True)
    torch.save(randn(2, 768), folder / taken)
    before = names(folder)
    with pytest.raises(FileTakenError, match="embedding:ben already refers to"):
        rename_person(path, "ben", [folder])
    assert names(folder) == before


@pytest.mark.parametrize("name", ["", "../up", "a/b", "2026", "con", "anna.pt", "a b", "<anna>", ".hidden"])
def test_names_are_those_that_save_allows(folder, name):
    path = save_under_name(some_identity(), folder, "anna")
    with pytest.raises(StableIdentityError):
        rename_person(path, name, [folder])
    assert names(folder.parent) == ["embeddings/anna.safetensors"]


def test_a_person_may_get_its_own_name_and_other_capitals(folder):
    path = save_under_name(some_identity(), folder, "anna", portrait=png())
    assert rename_person(path, "anna.safetensors", [folder]) == path
    new = rename_person(path, "Anna", [folder])
    assert names(folder) == ["Anna.preview.png", "Anna.safetensors"]
    assert load_identity(new).trigger == "<anna>", "the trigger is in the file and stays"


def test_a_person_in_a_subfolder_stays_there(folder):
    path = save_under_name(some_identity(128), folder / "mini_world", "anna")
    new = rename_person(path, "anne", [folder])
    assert names(folder) == ["mini_world/anne.safetensors"] and Places([folder]).prompt_name(new) == "mini_world/anne"


def test_deleting_a_link_leaves_what_it_points_to(folder, tmp_path):
    kept = save_under_name(some_identity(), tmp_path / "shared", "anna")
    link = folder / "anna.safetensors"
    link.symlink_to(kept)
    assert delete_person(link) == [link]
    assert kept.exists() and names(folder) == []


def test_a_portrait_that_is_no_picture_is_not_shown(folder, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(png())
    link, text, picture = (folder / f"{name}.preview.png" for name in ("link", "text", "picture"))
    os.symlink(secret, link)
    text.write_text("<script>alert(1)</script>")
    picture.write_bytes(png())
    for path in (link, text):
        with pytest.raises(DamagedFileError):
            read_portrait(path)
    assert read_portrait(picture) == (png(), "image/png")

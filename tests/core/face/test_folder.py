"""Which files of a folder count as photos of people, and what is said of the rest."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from helpers.make import some_face
from stableidentity_core.console.printable import printable_line
from stableidentity_core.errors import MissingFileError
from stableidentity_core.face.folder import HIDDEN, faces_of, pictures_in


def picture(path: Path, kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (some_face(64).image.movedim(0, -1) * 255).byte().numpy()
    Image.fromarray(pixels).save(path, kind)
    return path


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in pictures_in(folder).found]


@pytest.mark.parametrize(
    "name",
    [
        *("._anna.png", ".anna.png", ".thumbnails/anna.png", ".AppleDouble/anna.png", "__MACOSX/anna.png"),
        *("@eaDir/anna.png/SYNOPHOTO_THUMB_M.png", "@Recycle/anna.png", "#recycle/anna.png", "~$anna.png"),
        *("$RECYCLE.BIN/anna.png", "more/@eaDir/anna.png", "more/.Trash-1000/files/anna.png", "lost+found/a.png"),
    ],
)
def test_what_is_hidden_and_what_systems_keep_beside_photos_is_no_person(tmp_path, name):
    picture(tmp_path / "anna.png")
    picture(tmp_path / name)
    found = pictures_in(tmp_path)
    assert found.found == (tmp_path / "anna.png",)
    assert list(found.left_out) == [HIDDEN] and len(found.left_out[HIDDEN]) == 1
    (line,) = found.remarks()
    assert line.startswith("1 left out (hidden or system files): ")


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", ".DS_Store", "Icon\r"])
def test_files_of_systems_are_hidden_whatever_is_in_them(tmp_path, name):
    picture(tmp_path / "anna.png")
    picture(tmp_path / name)
    assert names(tmp_path) == ["anna.png"]


def test_a_folder_that_is_hidden_itself_can_be_named(tmp_path):
    picture(tmp_path / ".people" / "anna.png")
    assert names(tmp_path / ".people") == ["anna.png"]


@pytest.mark.parametrize("ending", ["gif", "jfif", "avif", "jpe", "jp2", "webp", "bmp", "tif", "PNG", "ppm"])
def test_what_pillow_reads_is_found(tmp_path, ending):
    kind = {"jfif": "JPEG", "jpe": "JPEG"}.get(ending) or Image.registered_extensions().get(f".{ending.lower()}")
    if kind not in Image.SAVE:
        pytest.skip(f"THE INSTALLED PILLOW WRITES NO {ending}")
    picture(tmp_path / f"anna.{ending}", kind)
    assert names(tmp_path) == [f"anna.{ending}"]


@pytest.mark.parametrize("name", ["anna", "anna.photo", "anna.jpg.1", "anna.heic"])
def test_a_picture_is_known_by_its_content_whatever_it_is_called(tmp_path, name):
    path = picture(tmp_path / name)
    assert names(tmp_path) == [name]
    assert [path for path, _face in faces_of([path], pytest.fail)] == [path]


def test_what_cannot_be_read_is_counted_and_named_by_reason(tmp_path):
    picture(tmp_path / "anna.png")
    for number in range(5):
        (tmp_path / f"IMG_{number}.heic").write_bytes(b"\x00\x00\x00\x18ftypheic" + b"\x00" * 50)
    for name in ("notes.txt", "list.csv"):
        (tmp_path / name).write_text("Anna, Ben")
    (tmp_path / "anna.xmp").write_text("<x:xmpmeta/>")
    (tmp_path / "clip.mp4").write_bytes(b"\x00\x00\x00\x18ftypisom")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found = pictures_in(tmp_path)
    assert [path.name for path in found.found] == ["anna.png"]
    lines = found.remarks()
    heic = "a HEIC picture, which the installed Pillow does not read; convert it to JPEG or PNG"
    assert f"5 left out ({heic}): IMG_0.heic, IMG_1.heic, IMG_2.heic, ..." in lines
    assert "2 left out (not a picture): list.csv, notes.txt" in lines
    assert any("XML" in line and "anna.xmp" in line for line in lines)
    assert any("video" in line and "clip.mp4" in line for line in lines)
    assert any("broken link" in line and "gone.png" in line for line in lines)
    assert sum(int(line.split()[0]) for line in lines) == len(list(tmp_path.iterdir())) - 1


def test_folders_are_followed_by_links_once_and_in_the_order_of_names(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    picture(elsewhere / "carl.png")
    people = tmp_path / "people"
    picture(people / "b" / "ben.png")
    picture(people / "anna.png")
    (people / "linked").symlink_to(elsewhere)
    (people / "again").symlink_to(people)  # a circle
    (elsewhere / "back").symlink_to(people / "b")
    assert sorted(path.name for path in pictures_in(people).found) == ["anna.png", "ben.png", "carl.png"]
    assert names(people) == sorted(names(people))
    (tmp_path / "by_link").symlink_to(people)
    assert len(pictures_in(tmp_path / "by_link").found) == 3


def test_a_folder_that_cannot_be_opened_is_named(tmp_path, monkeypatch):
    picture(tmp_path / "anna.png")
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def locked(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    assert pictures_in(tmp_path).remarks() == ["1 left out (cannot be opened: Permission denied): locked/"]


@pytest.mark.parametrize("name", ["nowhere", "n" * 300, "a\0b", "\ud800"])
def test_no_such_folder_is_a_sentence(tmp_path, name):
    with pytest.raises(MissingFileError, match="No folder at"):
        pictures_in(tmp_path / name)


def test_a_folder_without_any_picture_says_what_is_in_it(tmp_path):
    with pytest.raises(MissingFileError, match=r"No picture in .* or its subfolders\.$"):
        pictures_in(tmp_path)
    (tmp_path / "a.heic").write_bytes(b"\x00\x00\x00\x18ftypheic")
    with pytest.raises(MissingFileError, match=r"No picture in .*\n1 left out \(a HEIC picture.*a\.heic"):
        pictures_in(tmp_path)


def test_names_that_cannot_be_printed_are_escaped(tmp_path):
    assert printable_line("Ánna 1.png") == "Ánna 1.png"
    assert printable_line("a\nb\x1b[31m\u202e.png") == r"a\nb\x1b[31m\u202e.png"
    if sys.platform == "linux":
        picture(tmp_path / "anna.png")
        (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("no picture")
        (line,) = pictures_in(tmp_path).remarks()
        assert line.encode("utf-8") and r"caf\udce9.txt" in line


def test_damaged_photos_are_refused_one_by_one(tmp_path):
    picture(tmp_path / "anna.png")
    (tmp_path / "half.png").write_bytes(picture(tmp_path / "ben.png").read_bytes()[:100])
    (tmp_path / "empty.jpg").write_bytes(b"")
    refused: dict[str, str] = {}
    taken = list(faces_of(pictures_in(tmp_path).found, lambda path, error: refused.update({path.name: str(error)})))
    assert [path.name for path, _face in taken] == ["anna.png", "ben.png"]
    assert "Copy it again" in refused["half.png"] and "is empty" in refused["empty.jpg"]

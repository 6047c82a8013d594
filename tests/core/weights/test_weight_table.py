"""The table of weights: its entries are sound, MODELS.md shows them, and files in place are found."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from stableidentity_core.errors import MissingFileError, StableIdentityError
from stableidentity_core.weights import NEEDED, WEIGHTS, facexlib_folder, find, find_all, get_weight, locate
from stableidentity_core.weights.lookup import places
from stableidentity_core.weights.page import block, updated

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "MODELS.md").read_text("utf-8")

each_weight = pytest.mark.parametrize("weight", WEIGHTS.values(), ids=lambda weight: weight.name)


@each_weight
def test_an_entry_is_sound(weight):
    assert re.fullmatch(r"[a-z0-9._]+", weight.name)
    folder = PurePosixPath(weight.folder)
    assert not folder.is_absolute() and ".." not in folder.parts and "\\" not in weight.folder
    assert PurePosixPath(weight.file).name == weight.file
    assert weight.urls and len(set(weight.urls)) == len(weight.urls)
    assert all(url.startswith("https://") and url.endswith(f"/{weight.file}") for url in weight.urls)
    assert weight.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", weight.sha256)
    assert (weight.sha256 is None) == (weight.hash_from is None), "a hash and its source belong together"
    assert weight.bytes is None or (weight.bytes > 0 and weight.about is None), "one size is enough"
    assert weight.licence and weight.purpose
    assert weight.revision is None or weight.revision in weight.urls[0]


def test_no_two_entries_share_a_place_or_a_hash():
    assert len({(weight.folder, weight.file) for weight in WEIGHTS.values()}) == len(WEIGHTS)
    hashes = [weight.sha256 for weight in WEIGHTS.values() if weight.sha256]
    assert len(set(hashes)) == len(hashes) == 30


def test_the_addresses_of_facexlib_are_its_own():
    package = pytest.importorskip("facexlib", reason="facexlib is not installed; its addresses were not compared")
    sources = "".join(
        (Path(package.__file__).parent / part / "__init__.py").read_text("utf-8")
        for part in ("detection", "parsing", "recognition")
    )
    own = {url for url in re.findall(r"'(https://[^']+\.pth)'", sources)}
    ours = {weight.urls[0] for weight in WEIGHTS.values() if "xinntao/facexlib" in weight.urls[0]}
    assert own == ours and len(ours) == 5


def test_an_unknown_name_is_answered_with_the_names_there_are():
    with pytest.raises(StableIdentityError) as caught:
        get_weight("retinaface_resnet_50")
    assert "did you mean 'retinaface_resnet50'?" in str(caught.value)
    assert all(name in str(caught.value) for name in WEIGHTS)


def test_the_page_agrees_with_the_table():
    assert updated(PAGE) == PAGE, "run: python -m stableidentity_core.weights.page MODELS.md"


@each_weight
def test_the_page_shows_each_entry_once_as_a_row_of_as_many_cells_as_columns(weight):
    rows = [line for line in block(weight.section).splitlines() if f"| `{weight.name}` |" in line]
    assert len(rows) == 1 and rows[0] in PAGE
    header = block(weight.section).splitlines()[0]
    assert rows[0].count("|") == header.count("|")
    assert (f"{weight.bytes:,}" if weight.bytes else "about") in rows[0]


def test_a_page_that_lacks_a_block_is_refused():
    with pytest.raises(StableIdentityError, match="optional"):
        updated(PAGE.replace("<!-- weights: optional -->", ""))


def test_the_page_names_the_terms_of_the_face_networks():
    assert "This release has none" not in PAGE
    for words in (
        "WIDER FACE",
        "CC BY-NC-ND 4.0",
        "CelebAMask-HQ",
        "non-commercial research",
        "CC BY-NC-SA 4.0",
        "MS1M",
    ):
        assert words in PAGE, words


# Finding files.


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    return path


@each_weight
def test_a_file_in_its_place_is_found(weight, tmp_path):
    path = put(weight.path(tmp_path))
    assert find(weight.name, [tmp_path / "empty", tmp_path]) == path


@pytest.mark.parametrize(
    "place",
    [
        "stableidentity/face_detection/detection_Resnet50_Final.pth",
        "face_detection/detection_Resnet50_Final.pth",
        "facexlib/detection_Resnet50_Final.pth",
        "facedetection/detection_Resnet50_Final.pth",
        "detection_Resnet50_Final.pth",
    ],
)
def test_a_file_that_another_pack_or_a_second_folder_has_is_found(place, tmp_path):
    path = put(tmp_path / place)
    assert find("retinaface_resnet50", [tmp_path]) == path


def test_the_proper_place_comes_first_and_then_the_first_root(tmp_path):
    later = put(tmp_path / "b" / "stableidentity/face_parsing/parsing_bisenet.pth")
    other = put(tmp_path / "a" / "facexlib/parsing_bisenet.pth")
    assert find("bisenet", [tmp_path / "a", tmp_path / "b"]) == other
    assert find("bisenet", [tmp_path / "b", tmp_path / "a"]) == later
    proper = put(tmp_path / "a" / "stableidentity/face_parsing/parsing_bisenet.pth")
    assert find("bisenet", [tmp_path / "a", tmp_path / "b"]) == proper


def test_a_name_that_says_nothing_is_not_taken_from_a_plain_folder(tmp_path):
    put(tmp_path / "model.safetensors")
    assert locate("fr_vit", [tmp_path]) is None and locate("timm_vit_small", [tmp_path]) is None
    path = put(tmp_path / "vit-base-patch16-224-in21k-face-recognition" / "model.safetensors")
    assert locate("fr_vit", [tmp_path]) == path and locate("timm_vit_small", [tmp_path]) is None


def test_a_folder_of_the_files_name_is_no_file(tmp_path):
    get_weight("bisenet").path(tmp_path).mkdir(parents=True)
    assert locate("bisenet", [tmp_path]) is None


@each_weight
def test_no_place_serves_two_entries(weight):
    others = {place for other in WEIGHTS.values() if other != weight for place in places(other)}
    assert not others & set(places(weight))


@each_weight
def test_a_missing_file_is_told_with_all_that_helps(weight, tmp_path):
    with pytest.raises(MissingFileError) as caught:
        find(weight.name, [tmp_path, tmp_path / "other"])
    said = str(caught.value)
    assert str(weight.path(tmp_path)) in said and weight.urls[0] in said
    assert weight.licence in said and weight.size in said
    assert f"python -m stableidentity_core download {weight.name} --models {tmp_path}`" in said


def test_several_missing_files_are_told_with_one_command(tmp_path):
    path = put(get_weight("bisenet").path(tmp_path))
    assert find_all(["bisenet"], [tmp_path]) == {"bisenet": path}
    with pytest.raises(MissingFileError) as caught:
        find_all(["alexnet", "bisenet", "lpips_alex"], [tmp_path])
    said = str(caught.value)
    assert f"python -m stableidentity_core download alexnet lpips_alex --models {tmp_path}`" in said
    assert f"2 files are missing in {tmp_path}" in said and "lpips/alex.pth (6,009 bytes)" in said
    with pytest.raises(MissingFileError, match=re.escape(str(get_weight("alexnet").path(tmp_path)))):
        find_all(["alexnet", "bisenet"], [tmp_path])  # a single one as `find` tells it


def test_a_path_with_a_blank_is_quoted_in_the_command(tmp_path):
    with pytest.raises(MissingFileError, match=re.escape(f'--models "{tmp_path / "my models"}"`')):
        find("bisenet", [tmp_path / "my models"])


def test_what_real_photos_need_is_enough_to_find_parse_encode_and_train():
    folders = {get_weight(name).folder.split("/")[1] if "/" in get_weight(name).folder else "model" for name in NEEDED}
    assert folders == {"model", "face_detection", "face_parsing", "face_encoders"}


def test_facexlibs_own_folder_is_known_without_importing_it():
    pytest.importorskip("facexlib", reason="facexlib is not installed; its folder was not looked for")
    folder = facexlib_folder()
    assert folder is not None and folder.name == "weights" and (folder.parent / "detection").is_dir()

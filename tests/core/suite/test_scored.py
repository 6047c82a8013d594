"""One person's pictures measured and compared, with a recogniser whose values can be computed by hand."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from stableidentity_core.errors import ShapeError, StableIdentityError
from stableidentity_core.evaluate.metrics.instruments import FoundFaces, Instruments, PicturesAndTexts
from stableidentity_core.evaluate.networks.aligned import aligned_already
from stableidentity_core.suite.scored import (
    PictureScores,
    compare,
    comparison_sheet,
    contact_sheet,
    prompts_of_pictures,
    report,
    score_pictures,
    with_slot,
    write_comparison,
)
from stableidentity_core.suite.scored.sheet import BEST, SHOWN, WORST

SIDE = 16
PROMPTS = ("a photo of {}", "{} in the snow", "{} | as <b>bold</b>")
RED, GREEN, MIXED = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.6, 0.8, 0.0)


class ColourEncoder:
    """The mean colour of a portrait, so that similarities are cosines of colours."""

    name, width, licence, model = "colours:1", 3, "", None

    def __call__(self, portraits: Tensor, mirrored: bool = False) -> Tensor:
        return portraits.mean((2, 3))


def plain(colour: tuple[float, float, float], side: int = SIDE) -> Tensor:
    return torch.tensor(colour)[:, None, None].expand(3, side, side)


def words(prompts: list[str]) -> Tensor:
    """The direction of red for prompts of snow, else of green."""
    return torch.tensor([RED if "snow" in prompt else GREEN for prompt in prompts])


CLIP = PicturesAndTexts(name="clip", pictures=ColourEncoder(), texts=words)


def scored(*colours: tuple[float, float, float], photo: tuple[float, float, float] = RED, **changes) -> PictureScores:
    given = {"person": "anna", "method": "fast", "others": Instruments(clips=(CLIP,)), "looked": False, **changes}
    pictures = torch.stack([plain(colour) for colour in colours])
    find = given.pop("find", aligned_already(8))
    return score_pictures(
        pictures, PROMPTS[: len(colours)], [plain(photo, 32)], recogniser=ColourEncoder(), find=find, side=8, **given
    )


def test_values_are_those_computed_by_hand():
    scores = scored(RED, MIXED, GREEN)
    assert scores.each("face_similarity") == pytest.approx([1, 0.6, 0], abs=1e-6)
    assert scores.mean("face_similarity") == pytest.approx(1.6 / 3, abs=1e-6)
    assert scores.each("clip_t") == pytest.approx([0, 0.6, 1], abs=1e-6)
    assert scores.each("clip_i") == pytest.approx([1, 0.6, 0], abs=1e-6)
    assert scores.prompt_score == "clip_t" and scores.networks == ("colours:1", "clip")
    assert {"rank_1", "fid", "other_people_similarity", "detection_rate"}.isdisjoint(scores.metrics)
    text = report(scores)
    assert "0.533 in the mean of 3 pictures; best 1.000 (picture 1), worst 0.000 (picture 3)" in text
    assert "| 2 | a person in the snow | 0.600 | 0.600 | 0.600 |" in text
    assert r"| 3 | a person \| as <b>bold</b> |" in text


def test_several_photos_count_by_their_mean():
    both = score_pictures(
        plain(RED)[None],
        PROMPTS[:1],
        [plain(RED), plain(GREEN)],
        recogniser=ColourEncoder(),
        find=aligned_already(8),
        side=8,
        person="anna",
        method="fast",
    )
    assert both.mean("face_similarity") == pytest.approx(math.sqrt(0.5), abs=1e-6)
    assert both.prompt_score is None and "Prompts" not in report(both)


def without_second(pictures: Tensor) -> FoundFaces:
    faces = aligned_already(8)(pictures)
    boxes = faces.boxes.clone()
    boxes[1] = torch.nan
    return FoundFaces(crops=faces.crops, boxes=boxes)


def test_a_picture_without_a_face_counts_0_and_is_named():
    scores = scored(RED, RED, MIXED, find=without_second, looked=True)
    assert scores.each("face_similarity") == pytest.approx([1, 0, 0.6], abs=1e-6)
    assert scores.mean("found_similarity") == pytest.approx(0.8, abs=1e-6)
    text = report(scores)
    assert "No face in 1 of 3 pictures, which count 0: 2" in text and "found faces only: 0.800" in text
    assert contact_sheet(scores).isfinite().all()


def test_of_one_picture_none_is_the_best_and_no_pair_is_measured():
    text = report(scored(MIXED))
    assert "0.600, of 1 picture" in text and "best" not in text
    assert "the same for all" in report(scored(MIXED, MIXED))


def test_sheets_show_every_picture_and_mark_two():
    def frames(sheet: Tensor, colour: tuple[int, int, int]) -> int:
        return int((sheet[0] * 255).round().eq(torch.tensor(colour, dtype=torch.float32)).all(-1).sum())

    scores, one = scored(RED, MIXED, GREEN), scored(RED)
    sheet = contact_sheet(scores)
    assert sheet.shape[0] == 1 and sheet.shape[-1] == 3 and sheet.min() >= 0 and sheet.max() <= 1
    for colour, shown in (((255, 0, 0), 2), ((153, 204, 0), 1), ((0, 255, 0), 1)):  # the photo is red too
        assert frames(sheet, colour) > shown * 190**2
    assert all(frames(sheet, colour) > 4 * 5 * 190 for colour in ((0, 114, 178), (213, 94, 0)))
    assert frames(contact_sheet(one), (0, 114, 178)) == 0
    rows = comparison_sheet(compare([scores, replace(scores, method="paper")]))
    assert rows.shape[1] > 1.7 * sheet.shape[1] and frames(rows, (255, 0, 0)) > 4 * 190**2


def test_a_sheet_of_many_pictures_shows_some_and_both_ends():
    """All alike but the best and the worst, which lie where no even choice would fall."""
    colours = [MIXED] * 1000
    colours[501], colours[777] = RED, GREEN
    scores = score_pictures(
        torch.stack([plain(colour) for colour in colours]),
        PROMPTS[:1] * 1000,
        [plain(RED, 32)],
        recogniser=ColourEncoder(),
        find=aligned_already(8),
        side=8,
        person="anna",
        method="fast",
        looked=False,
    )
    sheet = contact_sheet(scores)
    for colour in (BEST, WORST):
        assert (sheet[0] * 255).round().eq(torch.tensor(colour, dtype=torch.float32)).all(-1).sum() > 4 * 5 * 190
    whole = contact_sheet(replace(scores, prompts=scores.prompts[:SHOWN], metrics=first_of(scores, SHOWN)))
    assert sheet.shape[1] == pytest.approx(whole.shape[1], rel=0.1) and sheet.shape[2] == whole.shape[2]


def first_of(scores: PictureScores, count: int) -> dict:
    return {
        name: {**metric, "pictures": [metric["pictures"][0][:count]]}
        for name, metric in scores.metrics.items()
        if metric["pictures"]
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a photo of <anna> smiling", "a photo of {} smiling"),
        ("a photo of (<anna>:1.2), smiling", "a photo of {}, smiling"),
        ("embedding:anna-2 and embedding:<ben>", "{} and {}"),
        (r"((old)) \(photo\) of <anna>", "old (photo) of {}"),
        ("Emma Stone's hat, emma stoneware", "{}'s hat, emma stoneware"),
        ("a {red} hat", "a red hat"),
    ],
)
def test_prompts_are_measured_without_names_and_weights(given: str, expected: str):
    assert with_slot(given, "emma stone") == expected


def test_prompts_fit_batches_of_pictures():
    assert prompts_of_pictures(["a", "b"], [1, 1]) == ["a", "b"]
    assert prompts_of_pictures(["a", "b"], [2, 2]) == ["a", "a", "b", "b"]
    assert prompts_of_pictures(["a", "b"], [1, 3]) == ["a", "b", "b", "b"]
    assert prompts_of_pictures(["a", "b"], [4]) == ["a", "a", "b", "b"]
    assert prompts_of_pictures(["a"], [1, 1]) == ["a", "a"]
    for prompts, batches, said in (
        (["a", "b"], [3], "3 pictures and 2 prompts"),
        ([], [1], "1 pictures and 0 prompts"),
        (["a", " "], [1, 1], "Prompt 2 of 2 is empty"),
    ):
        with pytest.raises(StableIdentityError, match=said):
            prompts_of_pictures(prompts, batches)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(StableIdentityError, match="20x16, needed squares"):
        aligned_already(8)(torch.zeros(1, 3, 16, 20))
    with pytest.raises(StableIdentityError, match="without a direction"):
        scored(RED, photo=(0.0, 0.0, 0.0))
    with pytest.raises(ShapeError):
        score_pictures(
            torch.zeros(2, 3, 8, 8),
            PROMPTS[:1],
            [plain(RED)],
            recogniser=ColourEncoder(),
            find=aligned_already(8),
            side=8,
            person="anna",
            method="fast",
        )


def test_methods_and_people_are_told_apart():
    anna, ben = scored(RED, MIXED), scored(GREEN, MIXED, photo=GREEN)
    same_name = compare([anna, ben, replace(anna, method="paper")])
    assert same_name.methods == ["fast", "paper"] and same_name.people == ["anna", "anna-2"]
    fast, paper = same_name.found()
    assert fast.people == ["anna", "anna-2"] and paper.people == ["anna"]
    assert fast.values("face_similarity", ["anna-2"]) == pytest.approx([0.9], abs=1e-6)
    assert compare([anna, anna]).methods == ["fast", "fast-2"]
    assert "| b | 1 | 0.800 |" in compare([anna, anna], ["a", "b"]).table()


def test_what_does_not_compare_is_refused():
    one = scored(RED, MIXED)
    for others, names, said in (
        ([], (), "nothing to compare"),
        ([one, one], ("a",), "1 names .a. for 2 measurements"),
        ([one, one], ("a", "A"), "have the name 'a'"),
        ([one, one], ("a", "../b"), "contains '/'"),
        ([one, scored(RED)], (), "it has 1 pictures, there 2 pictures"),
        ([one, replace(one, prompts=("{} smiling", PROMPTS[1]))], (), r"prompt 1 is '\{\} smiling', there 'a photo"),
        ([one, replace(one, networks=("other:2",))], (), "made by other networks .other:2. than"),
    ):
        with pytest.raises(StableIdentityError, match=said):
            compare(others, names)


def test_the_page_is_one_folder_without_addresses(tmp_path: Path):
    anna = scored(RED, MIXED, GREEN, notes=("<i>not</i> checked",))
    made = compare([anna, replace(anna, method="paper")])
    path = write_comparison(made, tmp_path / "one", "Is it <good>?")
    text = path.read_text("utf-8")
    assert "Is it &lt;good&gt;?" in text and "<i>not" not in text and "http" not in text.replace("http-equiv", "")
    assert "<b>bold" not in text and "Of one person there are no intervals" in text
    with Image.open(tmp_path / "one" / "methods" / "paper" / "pictures" / "anna" / "002-1.png") as picture:
        assert picture.size == (SIDE, SIDE) and picture.getpixel((3, 3)) == (153, 204, 0)
        assert picture.text["prompt"] == PROMPTS[1]
    with (tmp_path / "one" / "people.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["face_similarity"]) for row in rows] == [("fast", "0.533333"), ("paper", "0.533333")]
    content = json.loads(text.partition('id="content">')[2].partition("</script>")[0])
    assert [one["name"] for one in content["methods"]] == ["fast", "paper"] and len(content["rows"]) == 3
    assert write_comparison(made, tmp_path / "two", "Is it <good>?").read_bytes() == path.read_bytes()

"""Running a suite: each piece of work once, by content; what fails is tried again, named, and stops nothing else."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from helpers.make import rand
from helpers.suites import SIDE, Brightness, Colours, FakeBench, engine_of, paint_suite
from stableidentity_core.errors import DamagedFileError, StableIdentityError
from stableidentity_core.files.locked import locked
from stableidentity_core.suite import methods
from stableidentity_core.suite.add import add_pictures, added_methods
from stableidentity_core.suite.failures import read_failures
from stableidentity_core.suite.folder import Folder
from stableidentity_core.suite.people import seed_of_name
from stableidentity_core.suite.results.found import find_results
from stableidentity_core.suite.results.tables import write_tables
from stableidentity_core.suite.runner import Run, run_suite
from stableidentity_core.suite.spec import MethodSpec, Suite
from stableidentity_core.suite.stored import with_added
from stableidentity_core.suite.tasks import Plan
from stableidentity_core.suite.work import png


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(methods.KINDS, "colours", Colours)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "out")


def run(folder: Folder, suite: Suite | None = None, bench: FakeBench | None = None, **options: Any) -> Run:
    suite = suite or paint_suite()
    with engine_of(bench or FakeBench(), suite) as engine:
        return run_suite(suite, folder, engine, **options)


SCORING = ("score", "measure")


def content(folder: Folder) -> dict[str, bytes]:
    """All files but the times."""
    files = [path for path in folder.root.rglob("*") if path.is_file() and path.parent.name != "times"]
    return {path.relative_to(folder.root).as_posix(): path.read_bytes() for path in files}


def brightness(folder: Folder, suite: Suite | None = None) -> dict[str, list[float | None]]:
    found = find_results(folder, suite or paint_suite())
    return {each.spec.name: each.values("brightness", ["ann", "ben", "cem"]) for each in found}


def test_everything_is_learned_painted_and_measured(folder):
    bench = FakeBench()
    done = run(folder, bench=bench)
    assert done.ok and done.done == 2 * 3 * 3 + 2 and done.kept == 0
    assert Counter(bench.painted) == {(method, person): 1 for method in ("bright", "dark") for person in bench.people}
    # Pictures of the two prompts have the half and the whole of the level, in steps of 1/255.
    assert brightness(folder)["bright"] == pytest.approx([0.6] * 3, abs=0.002)
    assert brightness(folder)["dark"] == pytest.approx([0.15] * 3, abs=0.002)
    names = {path.name for path in folder.pictures("bright", "ann").iterdir()}
    assert names == {"001-1.png", "001-2.png", "002-1.png", "002-2.png"}
    with Image.open(folder.picture("dark", "ben", 1, 2)) as picture:
        assert picture.text["prompt"] == "{} in the snow" and picture.text["seed"] == "2"


def test_what_is_done_is_not_done_again(folder):
    run(folder)
    before, bench = content(folder), FakeBench()
    again = run(folder, bench=bench)
    assert again.done == 0 and again.kept == 20 and not bench.learned and not bench.painted
    assert content(folder) == before


@pytest.mark.parametrize(
    ("change", "learned", "painted"),
    [
        ({"methods": [{"name": "bright", "kind": "colours", "level": 0.5}]}, 3, 3),
        ({"sampling": {"size": SIDE, "seeds": [3]}}, 0, 6),
        ({"prompts": ["{} at night"]}, 0, 6),
        ({"threads": 2}, 6, 6),
    ],
)
def test_a_change_does_again_what_depends_on_it_and_no_more(folder, change, learned, painted):
    run(folder)
    bench, suite = FakeBench(), paint_suite(**change)
    assert run(folder, suite, bench).ok
    assert (len(bench.learned), len(bench.painted)) == (learned, painted)
    names = {path.name for path in folder.pictures("bright", "ann").iterdir()}
    assert len(names) == suite.pictures, "no picture of the earlier suite is left"


def test_another_model_does_everything_again(folder):
    run(folder)
    bench = FakeBench(model="another")
    run(folder, bench=bench)
    assert len(bench.learned) == 6 and len(bench.painted) == 6


def test_one_more_person_changes_nothing_for_the_others(folder):
    run(folder)
    bench = FakeBench(people=["abe", "ann", "ben", "cem"])
    assert run(folder, paint_suite(people=4), bench).ok
    assert bench.learned == [("abe",)] * 2 and bench.painted == [("bright", "abe"), ("dark", "abe")]
    fewer = FakeBench(people=["ben", "cem"])
    assert run(folder, paint_suite(people=2), fewer).ok and not fewer.learned and not fewer.painted


def test_pictures_of_a_name_are_painted_again_where_somebody_gets_another_name():
    suite = paint_suite(methods=[{"name": "names", "kind": "names"}])
    facts = {**FakeBench().facts(), **FakeBench().model_facts()}

    def painting(*names: str) -> list[str]:
        content = {"names": dict(zip(("a", "b"), names, strict=True))}
        plan = Plan(suite, facts, {"a": "1", "b": "2"}, {}, content)
        return [task.key for task in plan.tasks() if task.stage == "paint"]

    first, second = painting("Anne Hall", "Tom Hill")
    assert painting("Anne Hall", "Jane Ford")[0] == first and painting("Anne Hall", "Jane Ford")[1] != second


def test_seeds_of_people_are_their_own():
    seeds = [seed_of_name(f"person {number}") for number in range(1000)]
    assert len({*seeds}) == 1000 and min(seeds) >= 0 and seed_of_name("ann") == seed_of_name("ann") != 0


def test_a_lost_or_changed_picture_is_painted_again(folder):
    run(folder)
    before = content(folder)
    folder.picture("dark", "ann", 0, 1).unlink()
    damaged = folder.picture("dark", "cem", 1, 1)
    damaged.write_bytes(damaged.read_bytes()[:50])
    bench = FakeBench()
    assert run(folder, bench=bench).ok and sorted(bench.painted) == [("dark", "ann"), ("dark", "cem")]
    assert content(folder) == before


def test_other_content_of_a_file_is_another_file(folder):
    suite = paint_suite(
        methods=[{"name": "bright", "kind": "colours", "file": "p"}, {"name": "dark", "kind": "colours"}]
    )
    run(folder, suite, FakeBench(files={"p": "content"}))
    bench = FakeBench(files={"p": "content"})
    assert run(folder, suite, bench).done == 0
    bench = FakeBench(files={"p": "trained on"})
    assert run(folder, suite, bench).ok and {method for method, _person in bench.painted} == {"bright"}
    assert len(bench.learned) == 3


def test_what_is_made_of_something_that_is_made_again_is_made_again(folder):
    run(folder)
    before, bench = content(folder), FakeBench()
    folder.learned("dark", "ben").unlink()
    again = run(folder, bench=bench)
    assert bench.learned == [("ben",)] and bench.painted == [("dark", "ben")]
    assert again.done == 4 and content(folder) == before, "learned, painted, scored, and the method measured"


def test_a_method_compares_again_when_the_other_one_is_complete(folder):
    broken = {"name": "dark", "kind": "colours", "fails_to_paint": "cem"}
    suite = paint_suite(methods=[{"name": "bright", "kind": "colours"}, broken], scoring={"compared": "dark"})
    run(folder, suite)
    # Nothing but the pictures of the other method is missing.
    assert run(folder, suite).done == 2, "both methods are measured"


def test_pictures_are_measured_again_with_other_networks(folder):
    run(folder)
    bench = FakeBench(measuring="others")
    again = run(folder, bench=bench, stages=SCORING)
    assert again.ok and again.done == 8 and not bench.learned and not bench.painted


def test_pictures_of_another_model_are_not_taken_for_its_own(folder):
    run(folder)
    before = content(folder)
    with pytest.raises(StableIdentityError, match=r"None of the pictures in .*evaluate run"):
        run(folder, bench=FakeBench(model="another"), stages=SCORING)
    after = content(folder)
    assert after == before
    assert run(folder, bench=FakeBench(model="another")).done == 20


def test_a_model_whose_files_have_not_changed_is_not_loaded_to_measure(folder):
    run(folder, bench=FakeBench(stamp="its files"))
    bench = FakeBench(stamp="its files", measuring="others")
    assert run(folder, bench=bench, stages=SCORING).done == 8 and bench.loads == 0
    again = FakeBench(stamp="its files", measuring="a third")
    assert run(folder, bench=again, stages=SCORING).done == 8 and again.loads == 0, "it is still noted"
    painting = FakeBench(stamp="its files")
    assert run(folder, bench=painting).ok and painting.loads == 1
    with pytest.raises(StableIdentityError, match="None of the pictures"):
        run(folder, bench=FakeBench(stamp="other files", model="another"), stages=SCORING)


def test_of_some_pictures_that_are_not_there_the_others_are_measured(folder):
    run(folder)
    folder.picture("dark", "ann", 0, 1).unlink()
    ended = run(folder, stages=SCORING, bench=FakeBench(measuring="others"))
    assert [str(task) for task in ended.left_out] == ["score dark, ann"] and not ended.ok
    assert brightness(folder)["dark"][0] is None and None not in brightness(folder)["bright"]


def test_failures_of_other_stages_stay_until_they_are_mended(folder):
    suite = paint_suite(methods=[{"name": "bright", "kind": "colours", "fails": "ben"}])
    run(folder, suite)
    run(folder, suite, stages=SCORING)
    assert read_failures(folder) == {"learn bright, ben": "nothing to be learned of ben"}
    run(folder, paint_suite(methods=[{"name": "bright", "kind": "colours"}]))
    assert read_failures(folder) == {}


def test_nothing_changes_when_the_disk_is_found_too_small(folder):
    run(folder)
    before = content(folder)

    def too_small(plan: Any, left: Any) -> None:
        raise StableIdentityError("the disk is too small")

    with pytest.raises(StableIdentityError, match="too small"):
        run(folder, paint_suite(prompts=["{} at night"]), prepare=too_small)
    assert content(folder) == before


def test_one_process_at_a_time_works_in_a_folder(folder):
    run(folder)
    with locked(folder.lock, "taken"), pytest.raises(StableIdentityError, match="Another process works in"):
        run(folder)
    assert run(folder).kept == 20


def test_times_are_those_of_the_suite_as_it_is_now(folder):
    run(folder)
    for path in (folder.root / "times").glob("*.json"):
        path.write_text(path.read_text().replace('"seconds": ', '"seconds": 1000'))
    suite = paint_suite(prompts=["{} at night"])
    run(folder, suite)
    seconds = find_results(folder, suite)[0].seconds
    assert seconds["learn"] >= 1000 > seconds["paint"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"files": 3}', b"\xff\xfe"])
def test_a_damaged_record_is_as_if_it_were_not_there(folder, damage):
    run(folder)
    before = content(folder)
    for path in (folder.root / "records").glob("*.json"):
        path.write_bytes(damage)
    assert run(folder).done == 20 and content(folder) == before


def test_people_learned_together_are_one_task(folder):
    bench = FakeBench()
    run(folder, paint_suite(at_once=2), bench)
    assert bench.learned == [("ann", "ben"), ("cem",)] * 2


def test_every_task_is_called_otherwise(folder):
    suite = paint_suite(at_once=2)
    plan = Plan(
        suite, {**FakeBench().facts(), **FakeBench().model_facts()}, {name: name for name in ("a", "b", "c", "d")}, {}
    )
    names = [str(task) for task in plan.tasks()]
    assert len({*names}) == len(names) and "learn dark, c and 1 more" in names


def test_who_cannot_be_learned_is_named_and_the_others_are_measured(folder):
    suite = paint_suite(
        methods=[{"name": "bright", "kind": "colours", "fails": "ben"}, {"name": "dark", "kind": "colours"}]
    )
    bench = FakeBench()
    ended = run(folder, suite, bench)
    assert [str(task) for task in ended.failed] == ["learn bright, ben"]
    assert [str(task) for task in ended.left_out] == ["paint bright, ben", "score bright, ben"]
    assert bench.learned.count(("ben",)) == 3, "tried twice by one method, once by the other"
    values = brightness(folder, suite)
    assert values["bright"][1] is None and None not in values["dark"]
    assert json.loads((folder.root / "failures.json").read_text()) == {
        "learn bright, ben": "nothing to be learned of ben"
    }
    write_tables(folder, suite, find_results(folder, suite))
    assert "| bright | **2 of 3** |" in (folder.root / "table-methods.md").read_text()
    # Once it works, the holes are filled, and nothing else is done again.
    mended = run(
        folder, paint_suite(methods=[{"name": "bright", "kind": "colours"}, {"name": "dark", "kind": "colours"}])
    )
    assert mended.ok and None not in brightness(folder)["bright"]


def test_what_fails_half_way_leaves_no_half_work(folder):
    suite = paint_suite(methods=[{"name": "bright", "kind": "colours", "fails_to_paint": "cem"}])
    ended = run(folder, suite)
    assert list(ended.failed.values()) == ["RuntimeError: no paint left"]
    assert brightness(folder, suite)["bright"][2] is None


def test_a_photo_that_cannot_be_used_is_named_and_the_others_go_on(folder):
    ended = run(folder, bench=FakeBench(refused="ann"))
    assert ended.refused == {"ann": "no face in it"} and not ended.ok
    assert brightness(folder)["bright"][0] is None and None not in brightness(folder)["bright"][1:]


def test_no_usable_photo_at_all(folder):
    with pytest.raises(StableIdentityError, match="None of the 1 photos can be used:\nno face in it"):
        run(folder, bench=FakeBench(people=["ann"], refused="ann"))


def test_a_folder_of_something_else_is_left_alone(folder):
    folder.root.mkdir()
    (folder.root / "holiday.txt").write_text("x")
    with pytest.raises(StableIdentityError, match="holds other files and no evaluation"):
        run(folder)
    assert [path.name for path in folder.root.iterdir()] == ["holiday.txt"]


ADDED = MethodSpec(name="other", kind="added", options={"base": "SD1.5", "source": "its own program"})


def picture_file(path: Path, level: float = 0.4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(rand(3, SIDE, SIDE) * 0 + level, {}))


def test_pictures_of_another_program_are_measured_with_the_rest(folder, tmp_path):
    run(folder)
    made = tmp_path / "made"
    for person in ("ann", "cem"):
        for name in ("001-1", "001-2", "002-1", "2-2"):
            picture_file(made / person / f"{name}.png")
    picture_file(made / "ben" / "001-1.png")
    picture_file(made / "dora" / "001-1.png")
    picture_file(made / "ann" / "009-1.png")
    picture_file(made / "ann" / "picture.png")
    (made / "ann" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nxx")
    added = add_pictures(folder, paint_suite(), FakeBench().people, ADDED, made)
    assert added.pictures == {"ann": 4, "ben": 1, "cem": 4} and added.incomplete == ["ben"]
    reasons = dict(added.left_out)
    assert "'dora' is not a person" in reasons["dora/001-1.png"] and "no prompt 9" in reasons["ann/009-1.png"]
    assert "its name is not PROMPT-SEED" in reasons["ann/picture.png"]
    suite = with_added(paint_suite(), folder)
    assert suite.method("other").options["base"] == "SD1.5"
    assert run(folder, suite).ok
    assert brightness(folder, suite)["other"] == [pytest.approx(0.4, abs=0.002), None, pytest.approx(0.4, abs=0.002)]
    write_tables(folder, suite, find_results(folder, suite))
    assert "other,SD1.5,its own program,ann,1,1," in (folder.root / "pictures.csv").read_text()


def test_pictures_that_belong_to_nobody(folder, tmp_path):
    run(folder)
    picture_file(tmp_path / "made" / "dora" / "001-1.png")
    with pytest.raises(
        StableIdentityError, match=r"No picture in .* belongs to the suite\.\ndora/001-1\.png: its folder"
    ):
        add_pictures(folder, paint_suite(), FakeBench().people, ADDED, tmp_path / "made")


@pytest.mark.parametrize("name", ["dark", "Dark"])
def test_pictures_are_not_added_to_a_method_of_the_suite(folder, tmp_path, name):
    run(folder)
    before = content(folder)
    picture_file(tmp_path / "made" / "ann" / "001-1.png")
    taken = MethodSpec(name=name, kind="added", options={"base": "x", "source": ""})
    with pytest.raises(StableIdentityError, match=r"paints 'dark' itself|a method 'dark' already"):
        add_pictures(folder, paint_suite(), FakeBench().people, taken, tmp_path / "made")
    assert content(folder) == before


def test_pictures_are_added_in_parts_and_twice_only_once(folder, tmp_path):
    run(folder)
    people = FakeBench().people
    first, second = tmp_path / "first", tmp_path / "second"
    for name in ("001-1.png", "1-1.png", "001-2.png"):
        picture_file(first / "ann" / name)
    picture_file(second / "ann.jpg" / "002-1.png")
    picture_file(second / "Ann" / "002-2.png")
    added = add_pictures(folder, paint_suite(), people, ADDED, first)
    assert added.pictures == {"ann": 2} and added.incomplete == people
    assert added.left_out == [("ann/1-1.png", "ann/001-1.png is of the same person, prompt and seed")]
    assert add_pictures(folder, paint_suite(), people, ADDED, second).incomplete == ["ben", "cem"]


def test_a_folder_named_as_a_photo_with_dots_is_of_its_person(folder, tmp_path):
    suite, people = paint_suite(), ["j", "j-smith"]
    picture_file(tmp_path / "made" / "j.smith" / "001-1.png")
    assert add_pictures(folder, suite, people, ADDED, tmp_path / "made").pictures == {"j-smith": 1}


def test_pictures_of_several_sizes_are_refused_in_a_sentence(folder, tmp_path):
    run(folder)
    for name in ("001-1", "001-2", "002-1"):
        picture_file(tmp_path / "made" / "ann" / f"{name}.png")
    (tmp_path / "made" / "ann" / "002-2.png").write_bytes(png(rand(3, 24, SIDE), {}))
    add_pictures(folder, paint_suite(), FakeBench().people, ADDED, tmp_path / "made")
    ended = run(folder, with_added(paint_suite(), folder))
    assert "are of 16 x 16 and 16 x 24 pixels, needed all of one size" in next(iter(ended.failed.values()))


@pytest.mark.parametrize("damage", [b"\xff", b"[]", b'{"a": 3}', b'{"a": {"base": 3}}', b'{"../a": {}}'])
def test_a_damaged_list_of_added_methods(folder, damage):
    folder.root.mkdir()
    (folder.root / "added.json").write_bytes(damage)
    with pytest.raises(DamagedFileError, match=r"added\.json cannot be used: "):
        added_methods(folder)


def test_measurements_of_other_prompts_are_not_shown(folder):
    run(folder)
    for change in ({"prompts": ["{} at night", "{}"]}, {"sampling": {"size": SIDE, "seeds": [1]}}):
        with pytest.raises(DamagedFileError, match=r"bright\.json is of other prompts or seeds"):
            find_results(folder, paint_suite(**change))


def test_two_metrics_of_one_name_are_refused(folder):
    bench = FakeBench()
    bench.metrics = lambda compared: [Brightness(), Brightness()]  # type: ignore[method-assign]
    assert "Several metrics have the name 'brightness'" in next(iter(run(folder, bench=bench).failed.values()))


def test_a_damaged_added_picture_stops_its_person_only(folder, tmp_path):
    run(folder)
    for person in ("ann", "ben"):
        for name in ("001-1", "001-2", "002-1", "002-2"):
            picture_file(tmp_path / "made" / person / f"{name}.png")
    add_pictures(folder, paint_suite(), FakeBench().people, ADDED, tmp_path / "made")
    folder.picture("other", "ann", 0, 1).write_bytes(b"no picture")
    ended = run(folder, with_added(paint_suite(), folder))
    assert [str(task) for task in ended.failed] == ["score other, ann"]
    assert "cannot be read" in ended.failed[next(iter(ended.failed))]
    assert brightness(folder, with_added(paint_suite(), folder))["other"][1] is not None

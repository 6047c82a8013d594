"""Suite files: what they say, and a sentence for everything that they cannot say."""

from __future__ import annotations

from pathlib import Path

import pytest

from stableidentity_core.errors import DamagedFileError, MissingFileError, StableIdentityError
from stableidentity_core.suite.folder import Folder
from stableidentity_core.suite.methods import method_of
from stableidentity_core.suite.people import people_in, person_of
from stableidentity_core.suite.read import find_suite, read_suite, shipped_suites, suite_of
from stableidentity_core.suite.stored import store_suite, stored_suite
from stableidentity_core.train.presets import PRESETS

METHODS = [{"name": "ours"}]
PROMPTS = ["a photo of {}"]


def suite(**changes):
    return suite_of({"prompts": PROMPTS, "methods": METHODS, **changes}, Path())


def test_shipped_suites_can_be_read():
    assert {"mini_world", "paper", "ablations", "smoke"} <= {*shipped_suites()}
    for name in shipped_suites():
        read = read_suite(name)
        assert read.prompts and read.methods and read == read_suite(f"{name}.toml")


def test_the_papers_suite_has_its_size():
    paper = read_suite("paper")
    assert (paper.people, len(paper.prompts)) == (70, 40)
    assert {"learn", "names"} <= {method.kind for method in paper.methods}
    alphas = [
        method.options["settings"]["alpha"] for method in read_suite("ablations").methods if method.group == "alpha"
    ]
    assert alphas == sorted(alphas) and alphas[0] == 0 and alphas[-1] == 1


def test_a_file_of_the_users_goes_before_a_shipped_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "paper.toml").write_text('prompts = ["{} here"]\n[[methods]]\nname = "mine"\n')
    assert read_suite("paper.toml").methods[0].name == "mine"
    assert find_suite("paper") != Path("paper.toml")
    with pytest.raises(MissingFileError, match=r"There is no suite file nosuch.*mini_world"):
        read_suite("nosuch")


def test_prompts_from_a_file_beside_the_suite(tmp_path):
    (tmp_path / "mine.txt").write_text("# comment\n\n a photo of {} \r\n{} again\n{} again\n")
    (tmp_path / "suite.toml").write_text('prompts = "mine.txt"\n[[methods]]\nname = "x"\n')
    # The published list has one prompt twice; each has noise of its own.
    assert read_suite(tmp_path / "suite.toml").prompts == ("a photo of {}", "{} again", "{} again")
    (tmp_path / "suite.toml").write_text('prompts = "nosuch.txt"\n[[methods]]\nname = "x"\n')
    with pytest.raises(StableIdentityError, match=r"suite\.toml: .*nosuch\.txt"):
        read_suite(tmp_path / "suite.toml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompts": ["no slot"]}, "'no slot' has 0 slots"),
        ({"prompts": ["{} and {}"]}, "has 2 slots"),
        ({"prompts": []}, "There are no prompts"),
        ({"prompts": 3}, "prompts is 3, needed a list or a text"),
        ({"methods": []}, "There are no methods"),
        ({"methods": ["ours"]}, r"needed a table \[\[methods\]\]"),
        ({"methods": [{"name": "a"}, {"name": "A"}]}, "Two methods are called 'a'"),
        ({"methods": [{"name": "a/b"}]}, "contains '/'"),
        ({"methods": [{"name": "a", "kind": "lern"}]}, "did you mean 'learn'"),
        ({"methods": [{"name": "a", "steps": 3}]}, "unknown option 'steps'"),
        ({"methods": [{"name": "a", "settings": {"nosuch": 1}}]}, "nosuch"),
        ({"methods": [{"name": "a", "settings": {"steps": "many"}}]}, "steps is 'many'"),
        ({"methods": [{"name": "a", "method": "dreambooth"}]}, "dreambooth"),
        ({"methods": [{"name": "a", "preset": "slow"}]}, "preset is 'slow'"),
        ({"methods": [{"name": "a", "seed": 1.5}]}, "option seed of 'a' is 1.5, needed such as 0"),
        ({"methods": [{"name": "a", "mask": "no"}]}, "option mask of 'a' is 'no', needed such as True"),
        ({"methods": [{"name": "a", "kind": "projector", "steps": True}]}, "option steps of 'a' is True"),
        ({"world": "moon"}, "world is 'moon'"),
        ({"people": 0}, "people is 0"),
        ({"people": True}, "people is True"),
        ({"poeple": 3}, "unknown entry 'poeple'"),
        ({"sampling": {"size": 100}}, "multiple of 8"),
        ({"sampling": {"size": "large"}}, "sampling.size is 'large'"),
        ({"sampling": {"cfg": True}}, "sampling.cfg is True"),
        ({"sampling": {"seeds": []}}, "sampling.seeds"),
        ({"sampling": {"seeds": [1, 1]}}, "different whole numbers"),
        ({"sampling": {"sampler": "euler"}}, "unknown entry 'sampler'"),
        ({"sampling": {"cfg": float("nan")}}, "sampling.cfg is nan, needed a finite number"),
        ({"sampling": {"steps": 1001}}, "sampling.steps is 1001, needed a whole number from 1 to 1,000"),
        ({"sampling": {"size": 99_992}}, "from 1 to 4,096"),
        ({"threads": 1_000_000}, "threads is 1000000"),
        ({"prompts": ["{}"] * 1001}, "1,001 prompts, needed at most 1,000"),
        ({"methods": [{"name": "a", "group": "../../elsewhere"}]}, "contains '/'"),
        ({"scoring": {"compared": 3}}, "scoring.compared is 3, needed such as 'a method'"),
        ({"scoring": {"compared": "nobody"}}, "compared is 'nobody'"),
        ({"scoring": {"recognisers": "arcface"}}, "scoring.recognisers is 'arcface'"),
    ],
)
def test_what_a_suite_cannot_say(changes, message):
    with pytest.raises(StableIdentityError, match=message):
        suite(**changes)


@pytest.mark.parametrize("name", shipped_suites())
def test_a_stored_suite_is_the_suite(tmp_path, name):
    folder, read = Folder(tmp_path), read_suite(name)
    store_suite(folder, read)
    assert stored_suite(folder) == read


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        b"{",
        b"[]",
        b"{}",
        b'{"methods": 3}',
        b'{"methods": [3]}',
        b'{"methods": [{"options": 3, "name": "a"}]}',
    ],
)
def test_a_stored_suite_that_was_damaged(tmp_path, text):
    (tmp_path / "suite.json").write_bytes(text)
    with pytest.raises(DamagedFileError, match=r"suite\.json cannot be used: .*Run the suite again"):
        stored_suite(Folder(tmp_path))


def test_paths_of_a_suite_file_are_relative_to_it_and_stay_what_they_are(tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text(
        'prompts = ["{}"]\nworld_options = { photos = "faces", models = "~/models", dtype = "bf16" }\n'
        'scoring = { recognisers = ["arcface_ir_se50", "other"] }\n'
        '[[methods]]\nname = "a"\nkind = "projector"\nprojector = "p.safetensors"\nencoder = "clip"\n'
    )
    read = read_suite(tmp_path / "mine.toml")
    assert read.world_options == {
        "photos": str(tmp_path / "faces"),
        "models": str(Path.home() / "models"),
        "dtype": "bf16",
    }
    assert read.scoring.recognisers == ("arcface_ir_se50", str(tmp_path / "other"))
    assert read.methods[0].options == {"projector": str(tmp_path / "p.safetensors"), "encoder": str(tmp_path / "clip")}
    store_suite(Folder(tmp_path / "out"), read)
    assert stored_suite(Folder(tmp_path / "out")) == read


def test_a_file_of_prompts_is_no_suite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError, match=r"There is no suite file paper\.txt"):
        read_suite("paper.txt")


@pytest.mark.parametrize("text", ["= 3", "[", "prompts = [1", "\x00", "[[[[" * 5000])
def test_no_toml(tmp_path, text):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(StableIdentityError, match=r"s\.toml"):
        read_suite(tmp_path / "s.toml")


def test_presets_and_settings_come_together():
    method = suite(methods=[{"name": "a", "preset": "fast", "settings": {"steps": 7}}]).methods[0]
    config = method_of(method).config
    assert config.steps == 7 and config.learning_rate == PRESETS["fast"]["learning_rate"]


def test_people_are_named_as_their_photos(tmp_path):
    photos = [tmp_path / name for name in ("anna.jpg", "Ben 2024 (1).png", "çem.webp", "....jpg")]
    assert list(people_in(photos, 9)) == ["person", "Ben-2024-1", "anna", "çem"]
    assert list(people_in(photos, 2)) == ["person", "Ben-2024-1"]
    with pytest.raises(StableIdentityError, match=r"Anna\.png and anna\.jpg are both photos"):
        people_in([tmp_path / "anna.jpg", tmp_path / "a" / "Anna.png"], 9)
    assert person_of(Path("con.jpg")) != "con"

"""The report of a made-up evaluation: what it says, that no text breaks it, that it needs nothing from elsewhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from helpers.made_evaluation import ADDED, damage, make_evaluation
from helpers.make import randn
from stableidentity_core.suite.folder import Folder, write_json
from stableidentity_core.suite.results.bootstrap import difference
from stableidentity_core.suite.results.found import find_results
from stableidentity_core.suite.results.report import chooser, write_report
from stableidentity_core.suite.results.report.axes import ticks
from stableidentity_core.suite.results.report.curve import find_curves
from stableidentity_core.suite.results.report.extremes import Chosen, picked
from stableidentity_core.suite.results.report.html import element
from stableidentity_core.suite.stored import stored_suite
from stableidentity_core.suite.world import keep_names, names_are_kept, names_key, read_names
from stableidentity_core.text.names import NameSpace

EVIL = "<script>alert('1')</script>\" & </title>"


class Page(HTMLParser):
    """Elements, attributes and texts of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}  # all text within each section
        self._open: list[str] = []
        self.json, self._json = "", False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "section":
            self._open.append(dict(attrs)["id"] or "")
        self._json = dict(attrs).get("type") == "application/json"

    def handle_endtag(self, tag):
        if tag == "section":
            self._open.pop()

    def handle_data(self, data):
        if self._json:
            self.json += data
        for section in self._open:
            self.texts[section] = self.texts.get(section, "") + " " + data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def write(folder: Folder) -> str:
    suite = stored_suite(folder)
    return write_report(folder, suite, find_results(folder, suite)).read_text("utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Folder:
    return make_evaluation(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def text(folder) -> str:
    return write(folder)


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def test_it_has_all_sections(page):
    assert [one["id"] for one in page.named("section")] == [
        "missing",
        "results",
        "curves",
        "extremes",
        "people",
        "map",
        "setup",
        "times",
        "limits",
    ]
    linked = {one["href"] for one in page.named("a") if (one.get("href") or "").startswith("#")}
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {link[1:] for link in linked if "=" not in link} <= ids


def test_its_means_and_differences_are_those_of_the_values(page, folder):
    first, *_, names, _added = find_results(folder, stored_suite(folder))
    shown = page.texts["results"].replace("−", "-")
    assert f"{np.mean(first.metrics['face_similarity']['people']):.3f}" in shown
    people = list(first.people)
    one = difference(names.values("face_similarity", people), first.values("face_similarity", people))
    assert f"{one.mean:+.3f}" in shown and f"{one.low:+.3f} to {one.high:+.3f}" in shown


def test_what_is_missing_is_named_and_what_was_added_is_marked(page):
    assert f"{ADDED}: nothing of carl" in page.texts["missing"]
    assert "the picture is damaged" in page.texts["missing"]
    assert "2 of 3" in page.texts["results"] and "n too small" in page.texts["results"]
    assert "added, SDXL, PhotoMaker v1" in page.texts["results"]
    assert "other programs" in page.texts["limits"]


def test_it_names_no_folder_of_the_machine(text, page):
    assert "secret" not in text and "sd15" in page.texts["setup"]


def test_it_asks_for_nothing_from_elsewhere(text, page):
    addresses = [one.get(name) for _, one in page.elements for name in ("src", "href") if name in one]
    assert len(addresses) > 20
    assert {re.match(r"data:image/webp|#|\./", str(address)) is not None for address in addresses} == {True}
    assert not re.search(r"https?:|//|@import|url\(|fetch|XMLHttp", re.sub(r"(?m)//.*$|data:[^\"]*|\d+//\d+", "", text))
    assert not page.named("link") and all("src" not in one for one in page.named("script"))


def test_every_picture_has_a_text_and_every_plot_a_label(page):
    assert all(one.get("alt") for one in page.named("img"))
    assert all(one.get("aria-label") or one.get("aria-hidden") for one in page.named("svg"))


def test_names_and_texts_cannot_break_it(tmp_path):
    folder = make_evaluation(tmp_path, title=EVIL, prompts=(f"{{}} {EVIL}", "{} \u2028 here"), alphas=(0.5,))
    write_json(tmp_path / "failures.json", {EVIL: EVIL})
    write_json(tmp_path / "added.json", {ADDED: {"base": EVIL, "source": EVIL}})
    page = Page(write(folder))
    assert len(page.named("script")) == 2  # the data and the code
    assert page.texts["missing"].count(EVIL) == 2 and EVIL in page.texts["results"]
    assert json.loads(page.json)["prompts"][0] == f"… {EVIL}"
    assert not page.named("b")[0].keys()  # no attribute came out of a text


def test_it_is_the_same_again_but_for_times(folder, text):
    assert write(folder) == text
    times = folder.times("time-names")
    before = times.read_bytes()
    write_json(times, {"stage": "paint", "method": "names", "people": 1, "seconds": 1000.0})
    try:
        other = write(folder)
    finally:
        times.write_bytes(before)
    without = [re.sub(r'<section id="times".*?</section>', "", one, flags=re.DOTALL) for one in (text, other)]
    assert other != text and without[0] == without[1]


def test_damaged_and_missing_pictures_are_remarks(tmp_path):
    folder = make_evaluation(tmp_path)
    for person in ("anna", "bert", "carl"):
        damage(folder, "alpha-0", person)
        folder.picture("alpha-0", person, 1, 1).unlink()
    folder.photo("anna").unlink()
    page = Page(write(folder))
    assert page.texts["extremes"].count("missing or damaged") >= 4
    content = json.loads(page.json)
    assert content["methods"][0]["inside"] == [[None, None]] * 3 and content["people"][0]["photo"] is None


def test_the_folder_of_pictures_is_needed_only_beyond_the_limit(folder, monkeypatch):
    monkeypatch.setattr(chooser, "INSIDE", 10)  # a person has 2 pictures by each of 5 methods
    page = Page(write(folder))
    content = json.loads(page.json)
    assert [len(method["inside"]) for method in content["methods"]] == [1] * 5
    assert content["methods"][0]["folders"][2] == "./methods/alpha-0/pictures/carl"
    assert "of the first 1 of 3 people" in page.texts["people"]


def test_it_is_written_without_what_the_run_notes(tmp_path):
    """As an evaluation of nobody's words, or from an incomplete copy."""
    folder = make_evaluation(tmp_path, people=("anna",))
    write_json(folder.values(ADDED), {"people": [], "prompts": stored_suite(folder).prompts, "metrics": {}})
    for name in ("world.json", "failures.json", "names.safetensors"):
        (tmp_path / name).write_bytes(b"damaged")
    assert read_names(folder) == []
    page = Page(write(folder))
    assert f"{ADDED}: nothing of anna" in page.texts["missing"]
    assert "map" not in page.texts and "Of one person there are no intervals" in page.texts["limits"]


def test_a_method_without_words_is_not_on_the_map(folder, page):
    assert {"alpha-0", "alpha-1"} <= set(re.findall(r"alpha-\d", page.texts["map"]))
    assert ADDED not in page.texts["map"] and "40 names" in page.texts["map"]
    points = [one for one in page.named("circle") if re.fullmatch(r"c\d", one.get("class") or "")]
    assert len(points) >= 3 * 3 * 2  # methods, people, and words


def test_curves_are_of_methods_that_differ_in_one_setting(tmp_path):
    found = find_results(made := make_evaluation(tmp_path, alphas=(1.0, 0.0, 0.5)), stored_suite(made))
    ((setting, points),) = find_curves(found)
    assert setting == "alpha" and [(value, one.spec.name) for value, one in points] == [
        (0.0, "alpha-0"),
        (0.5, "alpha-0.5"),
        (1.0, "alpha-1"),
    ]
    assert find_curves(found[:2]) == []
    found[0].spec.options["settings"]["steps"] = 7  # now it differs in two
    assert find_curves(found) == []


def test_best_median_and_worst():
    values = [Chosen(1 - row / 10, person, row) for row, person in enumerate("aabbccddee")]
    best, median, worst = ([(one.person, one.row) for one in chosen] for chosen in picked(values))
    assert best == [("a", 0), ("b", 2)]
    assert median == [("c", 5), ("d", 6)]  # the middle, then the nearest of another person that is in no other group
    assert worst == [("e", 9), ("d", 7)]
    assert [len(chosen) for chosen in picked(values[:1])] == [1, 0, 0]
    assert picked(values[:2]) == [[values[0]], [], [values[1]]]


def test_round_numbers_stand_at_axes():
    assert ticks(-0.04, 1.04) == pytest.approx([0, 0.5, 1])
    assert ticks(0.31, 0.33) == pytest.approx([0.31, 0.315, 0.32, 0.325, 0.33])


def test_attributes_and_texts():
    assert element("td", "<", element("b", "&"), None, x=0, hidden=True, title=None, off=False, class_='"') == (
        '<td x="0" hidden class="&quot;">&lt;<b>&amp;</b></td>'
    )


def test_names_are_kept_for_the_model_they_were_read_from(tmp_path):
    folder = Folder(tmp_path)
    facts = {"model": "a", "names": "n", "measuring": "m"}
    space = NameSpace(space="clip_l", names=("Zoë Ärmel", "Tom Cruise"), embeddings=randn(2, 2, 8, seed=1))
    keep_names(folder, names_key(facts), [space])
    (read,) = read_names(folder)
    assert read.names == space.names and read.embeddings.equal(space.embeddings)
    assert names_are_kept(folder, names_key({**facts, "measuring": "other"}))
    assert not names_are_kept(folder, names_key({**facts, "model": "other"}))
    (tmp_path / "names.safetensors").write_bytes(b"damaged")
    assert not names_are_kept(folder, names_key(facts))

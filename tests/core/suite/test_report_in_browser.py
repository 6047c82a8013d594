"""The report in a real browser, opened from the disk: no error, no request, nothing too wide, a chooser that works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.frontend import ARGUMENTS, browser_path
from helpers.made_evaluation import make_evaluation
from stableidentity_core.suite.results.found import find_results
from stableidentity_core.suite.results.report import chooser, write_report
from stableidentity_core.suite.stored import stored_suite

PROMPTS = ("a photo of {}", "{} as a pirate <b>&", f"{{}} {'beside a very long wall ' * 8}".strip())


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The pictures of the last person are not part of the file."""
    folder = make_evaluation(tmp_path_factory.mktemp("made"), people=("anna", "bért", "carl"), prompts=PROMPTS)
    folder.picture("names", "carl", 0, 1).unlink()
    suite = stored_suite(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chooser, "INSIDE", 30)
        return write_report(folder, suite, find_results(folder, suite))


@pytest.fixture(scope="module")
def browser() -> Iterator:
    if browser_path() is None:
        pytest.skip("NO CHROMIUM: install the system package chromium to test the report in a browser")
    sync = pytest.importorskip("playwright.sync_api", reason="PLAYWRIGHT IS NOT INSTALLED: the report was not opened")
    with sync.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser_path(), args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture
def page(browser, report) -> Iterator:
    context = browser.new_context(viewport={"width": 400, "height": 800}, color_scheme="dark")
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request", lambda request: said.append(request.url) if not request.url.startswith(("file:", "data:")) else 0
    )
    page.goto(report.as_uri())
    yield page
    assert [text for text in said if "ERR_FILE_NOT_FOUND" not in text] == []
    context.close()


def loaded(page) -> int:
    page.wait_for_function("[...document.querySelectorAll('#chosen img')].every((one) => one.complete)")
    return page.evaluate("[...document.querySelectorAll('#chosen img')].filter((one) => one.naturalWidth).length")


def too_wide(page) -> list[str]:
    return page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((one) => !one.closest(".scroll"))
        .filter((one) => one.getBoundingClientRect().right > innerWidth)
        .map((one) => `${one.tagName} ${one.className} ${one.id}`)"""
    )


def test_nothing_is_wider_than_the_window(page):
    for width in (400, 1400):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width, too_wide(page)


def test_people_and_prompts_are_chosen(page):
    assert page.locator("#chosen h3").inner_text() == "anna" and loaded(page) == 1 + 3 * 5
    page.click("#next")
    assert page.locator("#chosen h3").inner_text() == "bért" and page.locator("#next").is_enabled()
    page.select_option("#prompt", "1")
    assert page.locator("#chosen .sheet tbody tr").count() == 1
    page.select_option("#person", "")  # everybody
    assert page.locator("#chosen .sheet tbody tr").count() == 3
    assert page.locator("#chosen h3").inner_text() == "… as a pirate <b>&"
    page.select_option("#prompt", "")  # all, which is for one person
    assert page.locator("#person").input_value() == "anna"


def test_an_address_names_what_is_shown_and_files_beside_it_are_found(page):
    page.evaluate("location.hash = '#person=carl&prompt=1'")
    page.wait_for_function("document.querySelector('#chosen h3').textContent === 'carl'")
    page.wait_for_selector("#chosen .gone >> text=missing or damaged")  # the one picture that is not there
    assert page.locator("#chosen .gone >> text=not measured").count() == 1
    assert loaded(page) == 1 + 3
    assert page.locator("#chosen td a").first.evaluate("(one) => one.href").endswith("/carl/001-1.png")


def test_a_method_can_be_hidden_on_the_map(page):
    assert page.locator(".s0").first.is_visible()
    page.locator(".legend input").first.uncheck()
    assert not page.locator(".s0").first.is_visible() and page.locator(".s1").first.is_visible()

"""No link in any document is dead, in the repository and in the registry's archive."""

from __future__ import annotations

import os
import re

import pytest

from helpers.archive import archive_files, repository_files
from helpers.documents import anchors, documents, links, text_of

# Help pages are shown by the frontend, where relative links lead nowhere.
HELP = "web/docs/"


def resolved(name: str, target: str) -> tuple[str, str]:
    """The file that a link in a document leads to, relative to the root, and the anchor there."""
    path, _, anchor = target.partition("#")
    return os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name, anchor


def dead(files: tuple[str, ...]) -> list[str]:
    there = {*files, *(os.path.dirname(name) for name in files)}
    found = []
    for name in files:
        for target in links(name) if name.endswith(".md") else ():
            path, anchor = resolved(name, target)
            if path not in there or (anchor and anchor not in anchors(path)):
                found.append(f"{name}: {target}")
    return found


def test_the_reader_finds_links_pictures_and_anchors():
    assert "docs/methods.md#how-well-it-works-in-the-mini-world" in [*links("README.md")]
    assert "align.svg" in [*links("docs/photos.md")]
    assert resolved("docs/photos.md", "../MODELS.md#a") == ("MODELS.md", "a")
    assert "sd21-which-file" in anchors("MODELS.md")


def test_no_link_is_dead_in_the_repository():
    assert dead(repository_files()) == []


def test_no_link_is_dead_in_the_archive():
    assert "README.md" in archive_files() and "tests/conftest.py" not in archive_files()
    assert dead(archive_files()) == []


@pytest.mark.parametrize("name", [name for name in documents() if name.startswith(HELP)])
def test_help_pages_link_only_to_their_pictures(name):
    """The frontend opens them where the repository's files are not."""
    assert [target for target in links(name) if not target.startswith(("#", "pictures/"))] == []


@pytest.mark.parametrize("name", documents())
def test_no_address_is_made_up(name):
    placeholder = r"ADDRESS_OF|\bOWNER/|your[-_]?name|example\.com|git clone (?!https)|TODO|FIXME"
    allowed = {"https://your.server/path"}
    found = [match[0] for match in re.finditer(placeholder, text_of(name), re.IGNORECASE)]
    assert [text for text in found if text not in allowed] == []

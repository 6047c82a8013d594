"""The README is short, and what it lists is what there is."""

from __future__ import annotations

import re

import pytest

from helpers.archive import ROOT, repository_files
from helpers.documents import links, nodes, prose, table, text_of
from stableidentity_core.weights import WEIGHTS

README = "README.md"


def test_it_is_short():
    text = text_of(README)
    assert len(text.splitlines()) <= 200
    assert len(text.split()) <= 2000


def test_every_document_can_be_found_from_it():
    pages = {name for name in repository_files() if re.fullmatch(r"(docs/)?[\w-]+\.(md|cff)|LICENSE", name)}
    assert {target.partition("#")[0] for target in links(README)} >= pages - {README}


@pytest.mark.parametrize("name", [name for name in repository_files() if re.fullmatch(r"docs/\w+\.md", name)])
def test_a_page_of_docs_begins_with_what_one_gets_from_it(name):
    title, empty, first = text_of(name).splitlines()[:3]
    assert title.startswith("# ") and empty == "" and re.match(r"[A-Z]", first)


def test_the_table_of_workflows_is_the_folder():
    told = [row[0].strip("`") for row in table(README, "| Workflow |")]
    assert len(set(told)) == len(told)
    assert set(told) == {path.stem for path in (ROOT / "workflows").glob("*.json")}


def test_the_table_of_nodes_is_the_menu():
    rows = {row[0]: re.findall(r"\[([^\]]+)\]\(web/docs/(\w+)\.md\)", row[1]) for row in table(README, "| Menu |")}
    told = {node: (title, menu) for menu, cells in rows.items() for title, node in cells}
    assert told == nodes()
    assert [*rows] == sorted(rows)


def test_the_sizes_of_weights_are_those_of_the_table():
    text = prose(README)
    nets = WEIGHTS["retinaface_resnet50"].bytes + WEIGHTS["bisenet"].bytes
    assert f"{WEIGHTS['sd21_base'].bytes / 1e9:.1f} GB" in text
    assert f"masks, {nets / 1e6:.0f} MB" in text
    assert f"face encoder, {WEIGHTS['fr_vit'].about}" in text

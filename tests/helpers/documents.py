"""Markdown of this repository as the tests of documents read it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from helpers.archive import ROOT, repository_files

_FENCE = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\]\(([^)\s]+)\)|<img[^>]*\ssrc=\"([^\"]+)\"")


class Node(NamedTuple):
    title: str
    menu: str  # such as "1 Photo"


@cache
def documents() -> tuple[str, ...]:
    """All Markdown files, relative to the root."""
    return tuple(name for name in repository_files() if name.endswith(".md"))


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def prose(name: str) -> str:
    """The text without code blocks."""
    return _FENCE.sub("", text_of(name))


def code_blocks(name: str) -> list[str]:
    return [found[0] for found in _FENCE.finditer(text_of(name))]


def code_spans(name: str) -> list[str]:
    return [found[1] for found in _CODE.finditer(prose(name))]


def links(name: str) -> Iterator[str]:
    """Targets of links and pictures, without those to other sites."""
    for found in _LINK.finditer(_CODE.sub("", prose(name))):
        target = found[1] or found[2]
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(name: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    titles = re.findall(r"^#+ (.+)$", prose(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def table(name: str, header: str) -> list[list[str]]:
    """The cells of the table whose header line begins with `header`."""
    lines = text_of(name).splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith(header))
    rows = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


@cache
def nodes() -> dict[str, Node]:
    """Title and menu of every node by its id, read from the code without a host."""
    menus = _constants(ROOT / "nodes" / "categories.py")
    found = {}
    for path in sorted((ROOT / "nodes").glob("*.py")):
        constants = _constants(path)
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "Schema":
                given = {keyword.arg: keyword.value for keyword in call.keywords}
                title = given["display_name"]
                found[given["node_id"].value] = Node(
                    title.value if isinstance(title, ast.Constant) else constants[title.id],
                    menus[given["category"].attr].partition("/")[2],
                )
    return found


def _constants(path: Path) -> dict[str, str]:
    return {
        target.id: statement.value.value
        for statement in ast.parse(path.read_text("utf-8")).body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }

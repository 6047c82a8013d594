"""The nodes' help pages can be read in a panel of 220 pixels, and quote messages that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "web" / "docs").glob("*.md"))
PICTURES = ROOT / "web" / "docs" / "pictures"
MOST_WORDS = 450  # before anything is unfolded
FOLD = re.compile(r"<details>\n<summary><b>[^<]+</b></summary>\n\n.*?\n\n</details>", re.DOTALL)
CODE = re.compile(r"`([^`]+)`|<code>(.+?)</code>")
SHOWN = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")
# Sections whose entries are no messages.
ENTRIES = ("Inputs", "Outputs", "Which files", "Methods", "Kinds", "Further inputs and widgets")

pytestmark = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem.removeprefix("StableIdentity"))


@cache
def texts_of_the_code() -> str:
    """All texts in the code; what is filled in is an ellipsis."""
    found = []
    for folder in ("nodes", "stableidentity_core", "mini_world"):
        for file in (ROOT / folder).rglob("*.py"):
            found += [text for text in map(_text, ast.walk(ast.parse(file.read_text("utf-8")))) if text]
    return "\n".join(found)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "…" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def sections(text: str) -> list[tuple[str, str]]:
    """Title and content of each section, folded ones included."""
    parts = re.split(r"^(?:## (.+)|<summary><b>(.+)</b></summary>)$", text, flags=re.MULTILINE)[1:]
    return [(parts[at] or parts[at + 1], parts[at + 2]) for at in range(0, len(parts), 3)]


def messages(text: str) -> list[str]:
    lines = [line for title, content in sections(text) if title not in ENTRIES for line in content.splitlines()]
    heads = [line.rstrip("\\") for line in lines if line.startswith("**") and line.endswith("\\")]
    return [message for head in heads for message in re.findall(r"\*\*(.+?)\*\*", head)]


def test_it_begins_with_what_most_people_need(page: Path) -> None:
    text = page.read_text("utf-8")
    titles = [title for title, _content in sections(text)]
    assert text.startswith("## In short\n\n") and titles.index("Inputs") < titles.index("Outputs")
    assert len(FOLD.sub("", text).split()) <= MOST_WORDS
    assert len(SHOWN.sub("", sections(text)[0][1]).split()) <= 100


def test_what_is_folded_is_still_markdown(page: Path) -> None:
    """Without the empty lines, the frontend shows it as it is written."""
    text = page.read_text("utf-8")
    assert len(FOLD.findall(text)) == text.count("<details>") == text.count("</details>")


def test_nothing_is_wider_than_the_panel(page: Path) -> None:
    text = page.read_text("utf-8")
    assert [row for row in re.findall(r"^\|.+\|$", text, re.MULTILINE) if row.count("|") > 3] == []
    assert "```" not in text


def test_no_word_is_wider_than_the_panel(page: Path) -> None:
    """24 letters of code fit, 20 in a list; a line may break at spaces, hyphens and <wbr>."""
    for line in page.read_text("utf-8").splitlines():
        code = " ".join(one or other for one, other in CODE.findall(line))
        longest = max((len(word) for word in re.split(r"[ -]|<wbr>", code)), default=0)
        assert longest <= (20 if line.startswith("- ") else 24), line


def test_its_pictures_are_there(page: Path) -> None:
    for told, name in SHOWN.findall(page.read_text("utf-8")):
        file = page.parent / name
        width, _height = Image.open(file).size
        assert len(told) > 10 and not {*told} & {*'"<>'}, "the frontend writes it into HTML as it is"
        assert width <= 600 and file.stat().st_size < 80_000, name


def test_it_refers_to_files_that_exist(page: Path) -> None:
    for path in re.findall(r"`((?:docs|workflows)/[\w./]+|[A-Z]+\.md)`", page.read_text("utf-8")):
        assert (ROOT / path).is_file(), path


def test_the_messages_are_those_of_the_code(page: Path) -> None:
    unknown = []
    for message in messages(page.read_text("utf-8")):
        plain = message.replace("\\<", "<").replace("\\>", ">").replace("`", "")
        parts = [part.strip(" .,:;") for part in re.split("…", plain)]
        wanted = [part for part in parts if len(part) > 3]
        if any(part not in texts_of_the_code() for part in wanted):
            unknown.append(message)
    assert unknown == []

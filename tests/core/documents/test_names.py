"""What documents mention exists: nodes, widgets, files, commands and their options."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from functools import cache

import pytest

import tasks
from helpers.archive import ROOT, repository_files
from helpers.documents import code_blocks, code_spans, documents, nodes, prose
from mini_world.cli import parser as demo_parser
from stableidentity_core.cli import parser as cli_parser

# Documents of this version; help pages have tests of their own against the live nodes.
PAGES = [name for name in documents() if not name.startswith("web/")]
USED = [name for name in PAGES if re.fullmatch(r"README\.md|docs/\w+\.md", name)]
# Nodes of the host, and what else is written like a name.
OTHERS = {
    "Load Checkpoint",
    "Load CLIP",
    "Load Image",
    "Load Video",
    "Save Image",
    "CLIP Text Encode",
    "VAE Encode",
    "Preview Image",
    "Preview as Text",
    *(
        "Create Video",
        "Preview Splat",
        "Create 3D File",
        "Render Splat",
        "Extract Mesh from Splat",
        "Transform Splat",
        "Save Animated WEBP",
    ),
} | {
    *("Custom Nodes Manager", "Browse Templates", "Report a vulnerability"),
}
SMALL = {"a", "as", "of", "the", "to", "with"}
SOURCES = (".py", ".js", ".toml", ".json", ".yml", ".ini")
# Words of other programs and of published files that look like ours.
FOREIGN = {"load_ip_adapter", "ip_adapter_image", "http_get", "load_textual_inversion", "weight_dtype", "malloc_trim"}


@cache
def words_of_the_code() -> frozenset[str]:
    texts = ((ROOT / name).read_text("utf-8") for name in repository_files() if name.endswith(SOURCES))
    return frozenset(word for text in texts for word in re.findall(r"\w+", text))


@pytest.mark.parametrize("name", USED)
def test_nodes_are_called_by_their_names(name):
    titles = {node.title for node in nodes().values()}
    known = titles | {title.partition(" (")[0] for title in titles} | OTHERS
    bold = [text for text in re.findall(r"\*\*([^*\n]+)\*\*", prose(name)) if is_title(text)]
    assert [text for text in bold if text not in known and text.partition(" (")[0] not in known] == []


def is_title(text: str) -> bool:
    words = text.partition(" (")[0].split()
    return len(words) > 1 and words[-1][0].isupper() and all(word[0].isupper() or word in SMALL for word in words)


@pytest.mark.parametrize("name", PAGES)
def test_widgets_and_settings_exist(name):
    told = {span for span in code_spans(name) if re.fullmatch(r"[a-z]+\d*(_[a-z0-9]+)+", span)}
    assert sorted(told - words_of_the_code() - FOREIGN - {path.stem for path in (ROOT / "workflows").iterdir()}) == []


@pytest.mark.parametrize("name", PAGES)
def test_files_exist(name):
    """Paths in code spans, relative to the root, to the document's folder or to the core."""
    there = {*repository_files()}
    folders = {"/".join(file.split("/")[:depth]) for file in there for depth in range(1, file.count("/") + 1)}
    tops = {path.split("/")[0] for path in folders}
    for span in code_spans(name):
        path = span.rstrip("/")
        # Names of workflows have spaces; NAME stands for any name.
        if not re.fullmatch(r"[\w./ -]+\.\w+|[\w./-]+", path) or path.split("/")[0] not in tops or "/" not in path:
            continue
        if "NAME" in path:
            continue
        assert path in there | folders, f"{name}: {span}"


def commands(name: str) -> Iterator[str]:
    blocks = "\n".join(code_blocks(name)).replace("\\\n", " ")
    spans = "\n".join(code_spans(name))
    for line in (blocks + "\n" + spans).splitlines():
        found = re.search(r"python\S* (?:-s )?(?:tasks\.py|-m (?:stableidentity_core|mini_world)(?![\w.])).*", line)
        if found:
            yield re.split(r"\s{3,}|  #| #|&&", found[0])[0]


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Of a command, and of the actions that it may have."""
    own = {option for action in parser._actions for option in action.option_strings}
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return own.union(*(options_of(one) for action in actions for one in action.choices.values()))


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    action = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return action.choices


@cache
def programs() -> dict[str, dict[str, argparse.ArgumentParser]]:
    made = {}
    real = argparse.ArgumentParser.parse_known_args
    with pytest.MonkeyPatch.context() as patch:  # tasks.py makes its parser and uses it in one function
        patch.setattr(argparse.ArgumentParser, "parse_known_args", lambda self, *_a: made.setdefault("tasks", self))
        tasks.parse([])
    assert argparse.ArgumentParser.parse_known_args is real
    return {
        "tasks.py": subparsers(made["tasks"]),
        "stableidentity_core": subparsers(cli_parser()),
        "mini_world": {"": demo_parser()},
    }


@pytest.mark.parametrize("name", documents())
def test_commands_and_their_options_exist(name):
    for command in commands(name):
        program = next(program for program in programs() if program in command)
        words = shlex.split(command.partition(program)[2].replace("[", " ").replace("]", " ").replace("|", " "))
        parsers = programs()[program]
        chosen = "" if "" in parsers else next((word for word in words if not word.startswith("-")), None)
        if chosen is None:
            continue
        assert chosen in parsers, f"{name}: {command}"
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        forwarded = program == "tasks.py" and chosen in ("test", "campaign", "gpu")  # to pytest and the program itself
        assert forwarded or given <= options_of(parsers[chosen]), f"{name}: {command}"


def test_commands_are_found():
    found = [command for name in documents() for command in commands(name)]
    assert any("tasks.py demo --person 7" in command for command in found)
    assert any("download --all-needed --models" in command for command in found) and len(found) > 30

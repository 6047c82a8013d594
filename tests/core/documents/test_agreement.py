"""Documents do not contradict each other or what was measured."""

from __future__ import annotations

import re

import pytest

from helpers.documents import prose, table, text_of
from stableidentity_core import __version__

MEASURED = "benchmarks/README.md"
FIGURES = ("README.md", "docs/methods.md")
VERSION = r"\b0\.\d+\.\d+\b"


def section(name: str, start: str, end: str) -> str:
    text = text_of(name)
    return text[text.index(start) :].partition(end)[0]


def test_readme_and_changelog_name_the_same_hosts():
    readme = re.findall(VERSION, section("README.md", "**Tested with** ComfyUI", "\n"))
    changelog = re.findall(VERSION, section("CHANGELOG.md", "### Tested with", "numpy 1.26"))
    assert readme == changelog and len(readme) == len(set(readme)) > 1


def test_the_oldest_host_is_the_one_that_is_required():
    oldest = re.search(r"ComfyUI (0\.\d+\.\d+) or newer", text_of("README.md"))[1]
    assert f'requires-comfyui = ">={oldest}"' in text_of("pyproject.toml")
    assert oldest in section("README.md", "**Tested with** ComfyUI", "\n")


@pytest.mark.parametrize("name", FIGURES)
def test_similarities_are_given_with_three_digits_as_they_were_measured(name):
    """With two, three measures that have nothing to do with each other were all 0.69."""
    assert re.findall(r"similarity of (0\.\d{1,2})\b(?!\d)", prose(name)) == []
    figures = set(re.findall(r"(?<![\d.])0\.\d{3}(?!\d)", prose(name)))
    assert figures and figures <= set(re.findall(r"0\.\d{3}(?!\d)", text_of(MEASURED)))


def test_figures_of_the_closed_world_are_the_measured_rows():
    measured = {row[0]: row[1] for row in table(MEASURED, "| what | face similarity | rank-1")}
    told = {row[0]: row[1] for row in table("docs/methods.md", "| What | Face similarity |")}
    of = {
        "people with a name that the model knows": "people with a name",
        "the demo's settings: `fast`, `hair_weight` 1.0": next(row for row in measured if "demo's preset" in row),
        "the paper's settings": "the paper's settings (450 steps at 5e-5)",
    }
    assert {ours: told[ours] for ours in of} == {ours: measured[theirs] for ours, theirs in of.items()}
    for row, figure in told.items():
        assert figure in text_of(MEASURED), row


def test_the_memory_of_a_training_is_the_counted_one():
    rows = {row[0]: row[3].strip("*") for row in table(MEASURED, "| | weights | beside |")}
    low = [row[3].strip("*") for row in table(MEASURED, "| | weights | beside |") if row[0] == "with `low_memory`"]
    sd21 = next(value for row, value in rows.items() if row.startswith("SD2.1, 512 pixels, 16 bits"))
    needed = [sd21, rows["SDXL, 1024 pixels, 16 bits"], low[0], low[-1]]
    a, b, c, d = (f"{float(value):.1f}" for value in needed)
    told = f"{a} GB for SD2.1 at 512 pixels and {b} GB for SDXL at 1024, or {c} and {d} GB"
    for name in ("README.md", "CHANGELOG.md"):
        assert told in " ".join(text_of(name).split()), name


def test_the_times_of_the_demo_are_the_measured_ones():
    whole = re.search(r"the demo took (\d+) s \(a Xeon\) and (\d+) s \(an EPYC\)", text_of("README.md")).groups()
    assert re.search(rf"62 and {whole[0]} s in total; on the EPYC [\d.]+ and {whole[1]} s", text_of(MEASURED))


def test_the_version_is_the_same_everywhere():
    version = re.search(r'^version = "(.+)"', text_of("pyproject.toml"), re.MULTILINE)[1]
    assert f"\n## [{version}]" in text_of("CHANGELOG.md")
    assert f"\nversion: {version}\n" in text_of("CITATION.cff")
    assert f"({version})" in text_of("README.md")
    assert version == __version__


def test_the_packages_are_the_same_everywhere():
    listed = [line for line in text_of("requirements.txt").splitlines() if not line.startswith("#")]
    project = re.search(r"^dependencies = \[(.*)\]", text_of("pyproject.toml"), re.MULTILINE)[1]
    assert re.findall(r'"([^"]+)"', project) == listed


def test_the_licence_of_every_package_is_told():
    """Those of all lists in pyproject.toml: required, optional and for development."""
    text = re.sub(r"\{ include-group .*", "", text_of("pyproject.toml"))
    kinds = "dependencies|headless|evaluate|cluster|demo|dev"
    lists = re.findall(rf"^(?:{kinds}) = \[(.*?)\]\n", text, re.MULTILINE | re.DOTALL)
    packages = {re.match(r"[\w-]+", name)[0] for names in lists for name in re.findall(r'"([^"]+)"', names)}
    assert len(lists) == 6 and {"einops", "diffusers", "pyright"} <= packages
    told = prose("THIRD_PARTY_LICENSES.md")
    assert [name for name in packages if not re.search(rf"(?<![\w-]){name}(?![\w-])", told)] == []

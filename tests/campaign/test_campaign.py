"""A short campaign of each part that needs no server; and each part finds what is wrong on purpose."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from campaign import children, inputs, kills, races
from campaign.__main__ import main
from campaign.acts import left_over
from campaign.broken import Careless, Dying, Foreign, HalfWriter, Litterer, Stubborn
from campaign.generated import CATEGORIES
from campaign.outcome import Fault, Row, exit_code, faults_text, markdown, plain, written
from campaign.plan import Plan

KILLED = 6  # times at lines, most of which are within the write


@pytest.fixture
def plan(tmp_path) -> Plan:
    return Plan(tmp_path, seconds=3000)  # a bound for a hang; the goals end it


def found(rows: list[Row]) -> set[tuple[str, str]]:
    return {(row.what, fault.kind) for row in rows for fault in row.faults}


def test_generated_input_is_accepted_or_refused_in_our_words(plan):
    """Six of each kind; the same seed makes the same."""
    rows = inputs.run(replace(plan, goal=6 * len(CATEGORIES)))
    assert [row.what for row in rows] == list(CATEGORIES)
    for row in rows:
        assert row.tried == 6 == (row.refused or 0) + (row.accepted or 0) + row.happened
    assert sum(row.refused or 0 for row in rows) > 30 and sum(row.accepted or 0 for row in rows) > 6
    assert not faults_text(rows)


def test_foreign_exceptions_and_escape_sequences_are_found_and_can_be_seen_again(plan):
    (row,) = inputs.run(replace(plan, goal=40), {Foreign.name: Foreign})
    assert row.tried == 40 and row.refused and row.accepted
    roots = {fault.root.partition(" in ")[0] for fault in row.faults}
    assert len(row.faults) == 2 and "JSONDecodeError" in roots, "two causes, each counted"
    assert row.happened == 40 - row.refused - row.accepted and exit_code([row]) == 1
    (number,) = [int(one.reproduce.rpartition(" ")[2]) for one in row.faults if one.root.startswith("JSON")]
    again = inputs.case_of(Foreign, plan.folder, Foreign.name, plan.seed, number)
    assert again.kind == "foreign exception" and "json.loads" in again.trace


def test_a_dead_process_a_hang_and_hunger_for_memory_are_found(plan):
    (row,) = inputs.run(replace(plan, goal=12), {Dying.name: Dying}, hang_seconds=2)
    assert row.tried == 12 and row.accepted == 9
    assert found([row]) == {("dying", "crash"), ("dying", "hang"), ("dying", "memory")}


def test_kills_lose_nothing_and_leave_nothing(plan):
    """Saving, storing, downloading and training, each killed at least once."""
    rows = kills.run(replace(plan, goal=5))
    assert len(rows) == 5 and all(row.tried for row in rows)
    assert not faults_text(rows)


@pytest.mark.full_size
def test_kills_find_writers_that_are_wrong(plan):
    """What the campaign itself would find, half a minute for three writers made for this."""
    wrong = {HalfWriter: "half file", Litterer: "left over", Stubborn: "cannot go on"}
    acts = [kind(plan.folder / kind.__name__) for kind in wrong]
    rows = kills.run(replace(plan, goal=KILLED * len(wrong)), lambda _folder, _url: acts)
    assert {(act.what, fault) for act, fault in zip(acts, wrong.values(), strict=True)} <= found(rows), rows
    assert exit_code(rows) == 1


def test_several_processes_at_once(plan):
    rows = races.run(replace(plan, goal=1))
    assert len(rows) == 5 and all(row.tried == 1 for row in rows)
    assert not faults_text(rows)


def test_a_race_is_found(plan):
    rows = races.run(replace(plan, goal=1), lambda folder, _url: [Careless(folder / "race")])
    assert found(rows) == {(Careless.what, "race")} and exit_code(rows) == 1


def test_what_is_left_over(tmp_path):
    for name in ("anna.safetensors", "a/.si-x.part", "a/b.part", ".lock", "c.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert left_over(tmp_path) == [".lock", "a/.si-x.part", "a/b.part", "c.lock"]


def test_a_child_is_killed():
    child, line = children.start(_sleep)
    assert line.recv() == "there"
    children.kill(child)
    assert child.exitcode == -9


def _sleep(line) -> None:
    line.send("there")
    line.recv()


def test_the_table_in_its_forms():
    good, bad = (
        Row("inputs", "triggers", 5, refused=3, accepted=2),
        Row("soak", "prompts", missing="there is no ComfyUI"),
    )
    assert exit_code([good, bad]) == 0
    for _ in range(2):
        good.blame(Fault("foreign exception", "KeyError in x", "a | b", "python3 tasks.py campaign --case 7"))
    rows = [good, bad]
    assert good.happened == 2 and len(good.faults) == 1 and exit_code(rows) == 1
    assert "NOT RUN: there is no ComfyUI" in plain(rows) and "NOT RUN" in markdown(rows)
    assert "foreign exception (2 x) KeyError in x" in faults_text(rows) and "--case 7" in faults_text(rows)
    assert json.loads(written(rows, "t.json"))[0]["faults"][0]["times"] == 2
    assert written(rows, "t.md").startswith("| part |") and "--case 7" in written(rows, "t.md")


def test_as_it_is_started(tmp_path, monkeypatch, capsys):
    """Without a ComfyUI, what needs one is said loudly to have been left out."""
    monkeypatch.setenv("COMFYUI_PATH", "none")
    out = tmp_path / "table.json"
    code = main(["--only", "soak", "--minutes", "1", "--out", str(out)])
    said = capsys.readouterr().out
    assert code == 0 and "NOT RUN: there is no ComfyUI" in said and "NO COMFYUI: THE PARTS" in said
    assert json.loads(out.read_text("utf-8"))[0]["missing"]
    assert main(["--category", "triggers", "--goal", "5", "--seed", "3"]) == 0
    assert "triggers" in capsys.readouterr().out
    assert main(["--category", "triggers", "--case", "4", "--seed", "3"]) == 0
    kept = Path(capsys.readouterr().out.rpartition("Its files: ")[2].strip())
    assert kept.is_dir()

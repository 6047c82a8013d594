"""Workers in processes of their own: one that dies takes its task with it and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.suites import ask_what_fails, ask_what_fits, paint_suite, work_that_may_die
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.suite.engines import Failure, Processes
from stableidentity_core.suite.tasks import Task


@pytest.fixture(scope="module")
def engine() -> Iterator[Processes]:
    suite = paint_suite(methods=[{"name": "ours"}], sampling={"size": 128}, world="mini world", threads=1)
    with Processes(suite, ["cpu", "cpu"]) as made:
        yield made


def tasks(*names: str) -> list[Task]:
    return [Task("paint", name, ("ann",), name) for name in names]


def test_a_process_that_dies_takes_one_task_with_it(engine):
    outcomes = {
        task.method: outcome for task, outcome in engine.run(work_that_may_die, tasks("a", "dies", "b", "fails", "c"))
    }
    assert outcomes.pop("dies") == Failure("its process died; was there enough memory?")
    assert outcomes.pop("fails") == Failure("ValueError: no such thing")
    assert outcomes == {"a": 1.0, "b": 1.0, "c": 1.0}


def test_what_runs_beside_a_process_that_dies_is_done(engine, tmp_path):
    both = [Task("paint", name, ("ann",), str(tmp_path / "begun")) for name in ("is beside", "dies beside")]
    outcomes = {task.method: outcome for task, outcome in engine.run(work_that_may_die, both)}
    assert outcomes == {"is beside": 1.0, "dies beside": Failure("its process died; was there enough memory?")}


def test_questions_are_answered_or_refused_in_a_sentence(engine):
    assert engine.ask(ask_what_fits) == ["person-1001", "person-1002", "person-1003"]
    with pytest.raises(StableIdentityError, match="RuntimeError: cannot be"):
        engine.ask(ask_what_fails)

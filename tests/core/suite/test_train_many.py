"""`train-many`: identity files side by side, its notes in a hidden folder, and the files of others left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.suites import Colours, FakeBench, engine_of, paint_suite
from stableidentity_core.cli.train_many import WORK, PeopleFolder, check_own
from stableidentity_core.errors import FileTakenError
from stableidentity_core.suite import methods
from stableidentity_core.suite.runner import Run, run_suite


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(methods.KINDS, "colours", Colours)


def learn(out: Path, bench: FakeBench, level: float = 0.5) -> Run:
    folder = PeopleFolder(out / WORK, people=out)
    suite = paint_suite(methods=[{"name": "people", "kind": "colours", "level": level}])
    with engine_of(bench, suite) as engine:
        return run_suite(suite, folder, engine, ("learn",), prepare=lambda _plan, left: check_own(folder, left))


def test_everybody_gets_a_file_and_what_is_done_is_not_done_again(tmp_path):
    assert learn(tmp_path, FakeBench()).ok
    assert sorted(path.stem for path in tmp_path.glob("*.safetensors")) == FakeBench().people
    again = FakeBench()
    assert learn(tmp_path, again).kept == 3 and not again.learned
    (tmp_path / "ben.safetensors").unlink()
    assert learn(tmp_path, again).done == 1 and again.learned == [("ben",)]
    assert learn(tmp_path, again, level=0.7).done == 3, "its own files are replaced"


def test_a_file_that_somebody_else_has_written_is_left_alone(tmp_path):
    (tmp_path / "ben.safetensors").write_text("years of work")
    with pytest.raises(FileTakenError, match=r"ben\.safetensors is there already, and `train-many` has not written it"):
        learn(tmp_path, FakeBench())
    assert (tmp_path / "ben.safetensors").read_text() == "years of work"
    assert not (tmp_path / "ann.safetensors").exists()

"""Progress: a bar that moves in a terminal, and lines where stderr is a file or a pipe."""

from __future__ import annotations

import ast
import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from stableidentity_core.console import progress
from stableidentity_core.console.progress import progress_bar, quiet_loaders, write_beside_bar

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("stableidentity_core", "nodes", "mini_world", "benchmarks")
SOURCES = [ROOT / "tasks.py", *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))]


class Stream(io.StringIO):
    terminal = False

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def err(monkeypatch) -> Stream:
    stream = Stream()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))  # pytest sets the real one when it likes
    return stream


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """What the lines take for the time."""
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def work(clock, steps: int, seconds: float, **options) -> None:
    with progress_bar(total=steps, unit="step", mininterval=0, miniters=1, **options) as bar:
        for _ in range(steps):
            clock.seconds += seconds
            bar.update()


def counts(stream: Stream) -> list[str]:
    assert "\r" not in stream.getvalue() and stream.getvalue().endswith("\n")
    return re.findall(r"^(?:learning: )? *\d+% (\d+)/\d+ \[.*step/s\]$", stream.getvalue(), re.MULTILINE)


def test_a_file_gets_the_first_state_one_every_few_seconds_and_the_last(err, clock):
    work(clock, steps=1000, seconds=0.011, desc="learning")
    assert counts(err) == ["0", "455", "910", "1000"]  # 5 s are 454.5 steps


def test_slow_steps_get_a_line_each(err, clock):
    work(clock, steps=3, seconds=60)
    assert counts(err) == ["0", "1", "2", "3", "3"]


def test_work_that_breaks_off_has_a_last_line_too(err, clock):
    with pytest.raises(KeyboardInterrupt), progress_bar(total=9, unit="step", mininterval=0, miniters=1) as bar:
        bar.update(4)
        raise KeyboardInterrupt
    assert counts(err) == ["0", "4"]


def test_quick_work_may_go_without_a_word_and_a_total_may_come_late(err, clock):
    assert list(progress_bar(iter("abc"), unit="frame", delay=60)) == ["a", "b", "c"]
    assert err.getvalue() == ""
    with progress_bar(unit="B", unit_scale=True, desc="weights", mininterval=0) as bar:
        bar.total = 10**7
        clock.seconds += 60
        bar.update(2 * 10**6)
    first, *others = err.getvalue().splitlines()
    assert first.startswith("weights: 0.00B") and all("20% 2.00M/10.0M" in line for line in others) and others


def test_a_line_beside_the_bar_is_a_line_in_a_file_and_above_the_bar_in_a_terminal(err, clock):
    with progress_bar(total=2, unit="step"):
        write_beside_bar("Left out: anna.jpg")
    assert "Left out: anna.jpg" in err.getvalue().splitlines()
    err.terminal = True
    with progress_bar(total=2, unit="step"):
        err.truncate(err.seek(0))
        write_beside_bar("Left out: anna.jpg")
        cleared, line, redrawn = err.getvalue().partition("Left out: anna.jpg\n")
    assert cleared.strip("\r ") == "" and line and "0/2" in redrawn


def test_in_a_terminal_the_bar_moves(err, clock):
    err.terminal = True
    work(clock, steps=3, seconds=0.01)
    assert err.getvalue().count("\r") >= 4 and err.getvalue().count("\n") == 1


def test_libraries_draw_no_bars_into_files_and_theirs_in_terminals(err):
    from transformers.utils import logging

    before = logging.is_progress_bar_enabled()
    try:
        logging.enable_progress_bar()
        err.terminal = True
        quiet_loaders("transformers", "a_package_that_nobody_has")
        assert logging.is_progress_bar_enabled()
        err.terminal = False
        quiet_loaders("transformers", "a_package_that_nobody_has")
        assert not logging.is_progress_bar_enabled()
    finally:
        (logging.enable_progress_bar if before else logging.disable_progress_bar)()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_else_makes_bars(path):
    """Then each would have to know where its output goes."""
    if path == ROOT / "stableidentity_core" / "console" / "progress.py":
        return
    called = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    names = {part.id for function in called for part in ast.walk(function) if isinstance(part, ast.Name)}
    assert not names & {"tqdm", "trange", "track"}

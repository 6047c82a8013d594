"""How often a node says how far it is."""

from __future__ import annotations

from types import ModuleType

import pytest

from helpers.pack import pack_module
from stableidentity_core.console.time_left import TimeLeft

pytestmark = pytest.mark.host


@pytest.fixture
def texts(comfyui) -> ModuleType:
    return pack_module("nodes.host.progress_text", comfyui)


def test_the_first_count_is_told_at_once_and_then_two_a_second(texts, monkeypatch):
    """Also right after a stage, and by work that is done before half a second is over."""
    clock = [100.0]
    monkeypatch.setattr(texts, "time", type("Clock", (), {"monotonic": staticmethod(lambda: clock[0])}))
    told: list[str] = []
    teller = texts.Teller(TimeLeft({}, {}), told.append)
    teller.now("loading")
    teller.count("step 1")
    teller.now("measuring")
    for number in range(2, 7):
        clock[0] += 0.25  # exact in binary
        teller.count(f"step {number}")
    assert told == ["loading", "step 1", "measuring", "step 3", "step 5"]
    teller.begin()
    teller.count("another's step 1")
    assert told[-1] == "another's step 1"

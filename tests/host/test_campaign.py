"""A short campaign of each part that needs a server; and each part finds what is wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from campaign import cancels, fields, server_kills, server_races, soak
from campaign.cancels import Long
from campaign.outcome import Row, faults_text
from campaign.plan import Plan
from campaign.server_world import saving, with_people
from helpers.prompts import Json
from helpers.refusal import node
from helpers.world import World

MB = 1 << 20


@pytest.fixture
def plan(tmp_path) -> Plan:
    return Plan(tmp_path, seconds=3000)  # a bound for a hang; the goals end it


@pytest.fixture(scope="module")
def peopled(world: World) -> World:
    with_people(world)
    return world


def soaked(plan: Plan, world: World, prompts: soak.Prompts, every: int, rounds: int, warm_up: int) -> Row:
    row = Row(soak.PART, "short")
    plan.goal = every * rounds
    soak.judge(row, soak.soak(plan, row, world, prompts, every), warm_up, plan)
    return row


def test_prompts_of_all_kinds_leave_nothing_in_memory(plan, peopled):
    """One round of each kind, and after that tensors and handles stay."""
    row = soaked(plan, peopled, soak.mixed, soak.ROUND, rounds=3, warm_up=1)
    assert row.tried == 3 * soak.ROUND and "live tensors" in row.figures
    assert not [fault for fault in row.faults if "memory" not in fault.root], faults_text([row])  # which wavers


@pytest.mark.parametrize(
    "kind, found", [("tensor", "live tensors"), ("handle", "file handles"), ("memory", "memory in use")]
)
def test_a_node_that_keeps_something_is_found(plan, peopled, kind, found):
    def leaking(_world: World, number: int) -> Json:
        return {"leak": node("SITestLeak", kind=kind, number=number)}

    row = soaked(plan, peopled, leaking, every=20 if kind == "memory" else 3, rounds=4, warm_up=1)
    assert [fault.root for fault in row.faults] == [found], row


def test_memory_may_waver_and_not_grow(plan):
    def judged(memory: Callable[[int], float], in_use: Callable[[int], float] | None = None) -> list[str]:
        row = Row(soak.PART, "made up")
        looks = [
            soak.Look(
                prompts=soak.ROUND * place,
                tensors=9,
                tensor_bytes=0,
                memory=int(memory(place) * MB),
                handles=5,
                in_use=int(in_use(place) * MB) if in_use else None,
            )
            for place in range(41)
        ]
        soak.judge(row, looks, 1, plan)
        return [fault.root for fault in row.faults]

    def wavering(place: int) -> float:
        return 1000 + 30 * (place % 3)

    assert judged(wavering) == [] == judged(wavering, lambda place: 300 + 0.3 * (place % 2) + 0.02 * soak.ROUND * place)
    assert judged(lambda place: 1000 + 6 * (place % 3) + 2 * place) == ["memory"]
    assert judged(lambda place: 1000 + 6 * (place % 3) + 2 * place, lambda place: 300) == ["memory"]
    assert judged(wavering, lambda place: 300 + 0.1 * soak.ROUND * place) == ["memory in use"]


def test_cancel_comes_within_two_seconds(plan, peopled):
    plan.goal = 1
    training = Long("training", lambda number: saving(peopled, "never", 900, "replace", steps=100_000), "train")
    (row,) = cancels.cancel(plan, peopled, [training])
    assert row.tried == 1 and not row.faults, row


def test_a_node_that_does_not_hear_is_found(plan, peopled):
    plan.goal = 1
    deaf = Long("deaf", lambda number: {"deaf": node("SITestDeaf", seconds=4.5, number=number)}, "deaf")
    (row,) = cancels.cancel(plan, peopled, [deaf])
    assert [fault.kind for fault in row.faults] == ["slow cancel"], row


def test_odd_values_in_fields(plan, peopled):
    plan.goal = 15
    row = Row(fields.PART, fields.WHAT, refused=0, accepted=0)
    fields.fill(plan, row, peopled)
    assert row.tried == 15 == (row.refused or 0) + (row.accepted or 0) and not row.faults, row


def test_two_servers_on_one_folder(plan, peopled):
    plan.goal = 1
    row = Row(server_races.PART, server_races.WHAT)
    server_races.race(plan, row, peopled)
    assert row.tried == 1 and not row.faults, row


def test_a_killed_server_goes_on(plan, peopled):
    plan.goal = 1
    row = Row(server_kills.PART, server_kills.WHAT)
    server_kills.kill(plan, row, peopled)
    assert row.tried == 1 and row.figures and not row.faults, row

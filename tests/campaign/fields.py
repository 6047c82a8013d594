"""Odd values in the text and number fields of the pack's nodes, in a real ComfyUI."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from campaign.judge import CONTROL
from campaign.mutate import ODD_NUMBERS, odd_text, odd_value
from campaign.outcome import Fault, Row
from campaign.plan import Plan
from campaign.server_world import (
    drawn,
    encoding,
    folder_of_people,
    mixing,
    moving,
    running,
    saving,
    scoring,
    with_people,
)
from helpers.prompts import Json
from helpers.refusal import OURS
from helpers.world import World
from stableidentity_core.comfyui import RunResult
from stableidentity_core.errors import HostError

PART = "inputs"
WHAT = "fields of nodes in ComfyUI"
GOAL = 500
COSTLY = {"steps", "batch_size", "resolution", "cached_views", "width", "height", "length", "at_most", "preview_every"}


def run(plan: Plan) -> list[Row]:
    row = Row(PART, WHAT, refused=0, accepted=0)
    if plan.host is None:
        row.missing = "there is no ComfyUI"
        return [row]
    with running(plan.host, plan.folder) as world:
        with_people(world)
        fill(plan, row, world)
    return [row]


def fill(plan: Plan, row: Row, world: World) -> None:
    """Odd values in this server, until the goal or the time is reached."""
    while row.tried < (plan.goal or GOAL) and plan.left:
        _one(plan, row, world)
        plan.tell(f"{WHAT}: {row.tried} of {plan.goal or GOAL}, {row.happened} faults")


def _one(plan: Plan, row: Row, world: World) -> None:
    random = plan.random(PART, WHAT, row.tried)
    prompt, label = changed(good(world, random), random)
    row.tried += 1
    try:
        result = world.server.run(prompt, timeout=120)
    except HostError as error:
        _blame(plan, row, "hang", label, str(error))
        world.server.restart()
        return
    kind, text = verdict(result)
    if kind == "accepted":
        row.accepted = (row.accepted or 0) + 1
    elif kind == "refused":
        row.refused = (row.refused or 0) + 1
    else:
        _blame(plan, row, kind, label, text)


def good(world: World, random: Random) -> Json:
    """A prompt that works; each is of another seed, so that the host's cache does not answer."""
    seed = random.randrange(1, 1 << 30)
    ways: tuple[Callable[[], Json], ...] = (
        lambda: saving(world, "field", seed, "replace", steps=1),
        lambda: encoding(world, f"a photo of <anna> {seed}"),
        lambda: mixing(world, seed, "field"),
        lambda: folder_of_people(world, seed=seed),
        lambda: scoring(world, 2 + seed % 5),
        lambda: moving(world, 2, 1, seed),
        lambda: drawn(random),
    )
    return random.choice(ways)()


def changed(prompt: Json, random: Random) -> tuple[Json, str]:
    """The same with an odd value in one widget of one of the pack's nodes, sometimes past the widget's own check."""
    places = [
        (key, name)
        for key, entry in prompt.items()
        for name, value in entry["inputs"].items()
        if entry["class_type"].startswith("StableIdentity") and not isinstance(value, list)
    ]
    key, name = random.choice(places)
    entry = prompt[key]
    before = entry["inputs"][name]
    value: Any = _odd(before, name, random)
    new = {**prompt, key: {**entry, "inputs": {**entry["inputs"], name: value}}}
    return new, f"{entry['class_type']}.{name} = {ascii(value)[:80]}"


def _odd(before: Any, name: str, random: Random) -> Any:
    if isinstance(before, str) and random.random() < 0.9:
        return odd_text(random)[:2000]
    if random.random() < 0.2:
        return odd_value(random)
    value = random.choice(ODD_NUMBERS)
    return -value if name in COSTLY and value > 3 else value


def verdict(result: RunResult) -> tuple[str, str]:
    """accepted, refused, or the fault and its text; the host's own check is a refusal, also where it runs the rest."""
    if result.status == "success" and not result.refused:
        return "accepted", ""
    if result.refused:
        reasons = [reason for node in result.node_errors.values() for reason in node["errors"]]
        raised = [reason for reason in reasons if reason["type"].startswith("exception_during")]
        return ("foreign exception", f"in a check: {raised[0]['details']}") if raised else ("refused", "")
    kind, _, said = result.error.partition(": ")
    if kind.rpartition(".")[2] not in OURS:
        return "foreign exception", result.error
    return ("control characters in the message", repr(said)) if CONTROL & set(said) else ("refused", "")


def _blame(plan: Plan, row: Row, kind: str, label: str, text: str) -> None:
    again = f"queue any prompt with {label}"
    place = label.partition(" = ")[0]
    root = text.partition(":")[0].rpartition(".")[2] if kind == "foreign exception" else kind
    fault = row.blame(Fault(kind, f"{root} at {place}", f"{label}: {text[:300]}", again))
    if fault.times == 1:
        plan.say(f"  FAULT in {WHAT}: {kind}: {label}: {text[:300]}")

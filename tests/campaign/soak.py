"""One real ComfyUI and many prompts of all kinds: tensors, memory and file handles stay as after the warm-up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from random import Random
from statistics import mean, median

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
from helpers.prompts import Json, node, sample
from helpers.world import World
from stableidentity_core.errors import HostError

PART = "soak"
GOAL = 500
ROUND = 11  # prompts between two looks
WARM_UP = 3  # rounds
MB = 1 << 20
NOTED = 48 << 10  # bytes a prompt: logs, a seed that torch queues for GPUs, numbers that safetensors keeps of a tensor
_LOOKS = count(1)

Prompts = Callable[[World, int], Json]


@dataclass(frozen=True)
class Look:
    """What the server holds when all caches of the host are emptied."""

    prompts: int
    tensors: int
    tensor_bytes: int
    memory: int  # resident bytes, after the allocator gave back what it keeps
    handles: int
    in_use: int | None = None  # bytes; None where the system does not tell


def run(plan: Plan) -> list[Row]:
    row = Row(PART, "prompts to one ComfyUI")
    if plan.host is None:
        row.missing = "there is no ComfyUI"
        return [row]
    with running(plan.host, plan.folder) as world:
        with_people(world)
        looks = soak(plan, row, world, mixed, ROUND)
    judge(row, looks, WARM_UP, plan)
    return [row]


def soak(plan: Plan, row: Row, world: World, prompts: Prompts, every: int) -> list[Look]:
    """Queue prompts, and look at the server after each round."""
    goal, looks = plan.goal or GOAL, []
    while row.tried < goal and plan.left:
        for number in range(row.tried, row.tried + every):
            _queue(plan, row, world, prompts(world, number), number)
        row.tried += every
        looks.append(look(world, row.tried))
        plan.tell(f"soak: {row.tried} of {goal} prompts, {looks[-1]}")
    return looks


def judge(row: Row, looks: Sequence[Look], warm_up: int, plan: Plan) -> None:
    """Blame what grows after the warm-up; the first rounds fill what is kept on purpose."""
    later = looks[warm_up:]
    if len(later) < 2:
        row.figures = f"too few rounds to judge: {len(looks)}, needed {warm_up + 2}"
        return
    again = f"python3 tasks.py campaign --only soak --seed {plan.seed}"
    for what, grown in (("live tensors", _growth(later, "tensors")), ("file handles", _growth(later, "handles"))):
        if grown > 0:
            row.blame(Fault("leak", what, f"{grown:.0f} more {what} at the end than after the warm-up: {later}", again))
    measured = {"memory": "memory"} if later[0].in_use is None else {"in_use": "memory in use", "memory": "memory"}
    for what, name in measured.items():
        steady, allowed = _steady_growth(later, what), _wavering(later, what)
        if steady > allowed:
            text = f"{steady / MB:.1f} MB more {name} in each third, allowed {allowed / MB:.1f} MB: {later}"
            row.blame(Fault("leak", name, text, again))
            break  # what is in use is resident, too
    bytes_seen = [
        f"{name} {median(_values(later, what)) / MB:.0f} MB {_growth(later, what) / MB:+.1f}"
        for what, name in measured.items()
    ]
    row.figures = ", ".join(
        [f"live tensors {_range(later, 'tensors')}", *bytes_seen, f"handles {_range(later, 'handles')}"]
    )


def _values(looks: Sequence[Look], what: str) -> list[int]:
    return [getattr(look, what) for look in looks]


def _thirds(looks: Sequence[Look], what: str) -> tuple[float, float, float]:
    """The middle of the first, second and last third."""
    values = _values(looks, what)
    third = max(1, len(values) // 3)
    return median(values[:third]), median(values[third:-third] or values), median(values[-third:])


def _growth(looks: Sequence[Look], what: str) -> float:
    """How much more the last third has than the first."""
    first, _second, last = _thirds(looks, what)
    return last - first


def _steady_growth(looks: Sequence[Look], what: str) -> float:
    """Bytes from third to third, the less of both: what grows once and then stays is no leak."""
    first, second, last = _thirds(looks, what)
    return min(second - first, last - second)


def _wavering(looks: Sequence[Look], what: str) -> float:
    """Bytes by which thirds may differ: how they waver from look to look, and what the host notes of prompts."""
    steps = [later - earlier for earlier, later in pairwise(_values(looks, what))]
    usual = mean(steps)  # what is lost at each round is no wavering
    return 1.5 * median(abs(step - usual) for step in steps) + NOTED * (looks[-1].prompts - looks[0].prompts) / 3


def _range(looks: Sequence[Look], what: str) -> str:
    values = _values(looks, what)
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"


def look(world: World, prompts: int) -> Look:
    """Empty the host's caches and history, then count."""
    for path, body in (("/free", {"unload_models": True, "free_memory": True}), ("/history", {"clear": True})):
        world.server.client.post(path, body)
    for counted in (False, True):  # the host empties its caches after the first
        result = world.server.run({"count": node("SITestMemory", look=next(_LOOKS), count=counted)})
        assert result.status == "success", result.error
    seen = {name: values[0] for name, values in result.outputs["count"].items()}
    return Look(prompts=prompts, **seen)


def _queue(plan: Plan, row: Row, world: World, prompt: Json, number: int) -> None:
    stopped = number % ROUND == ROUND - 1
    try:
        if stopped:
            queued = world.server.submit(prompt)
            queued.wait_for("progress", "execution_success")
            time.sleep(0.1)
            world.server.interrupt()
            result = queued.finish(60)
        else:
            result = world.server.run(prompt, timeout=300)
    except HostError as error:
        row.blame(Fault("hang", "a prompt did not end", f"prompt {number}: {error}"))
        raise
    if result.status not in ("success", "interrupted") and "StableIdentityError" not in result.error:
        kind = "foreign exception" if result.status == "error" else "refused prompt"
        row.blame(Fault(kind, result.error[:80], f"prompt {number}: {result.error} {result.node_errors}"))
        plan.say(f"  FAULT in soak: prompt {number}: {result.error[:300]}")


def mixed(world: World, number: int) -> Json:
    """All kinds of prompts in turn, each with a seed of its own."""
    seed = 1 + number
    ways: tuple[Callable[[], Json], ...] = (
        lambda: saving(world, "soak", seed, "replace", force_retrain=True, preview_every=1),
        lambda: sample(world.eps, "a photo of embedding:anna", seed),
        lambda: encoding(world, f"a photo of <anna> number {seed}"),
        lambda: mixing(world, seed, "mixed"),
        lambda: folder_of_people(world, seed=seed),
        lambda: scoring(world, 4 + number % 7),
        lambda: encoding(world, f"nobody is in prompt {seed}"),  # refused
        lambda: drawn(Random(seed)),
        lambda: moving(world, 6, 1, seed),
        lambda: saving(world, "soak", 1 + number % 3, "replace"),  # from the store
        lambda: saving(world, "never", seed, "replace", steps=5000),  # interrupted
    )
    return ways[number % len(ways)]()

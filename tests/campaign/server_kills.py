"""A real ComfyUI killed in the midst of a training or of saving it."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from campaign.acts import left_over, same
from campaign.outcome import Fault, Row
from campaign.plan import Plan
from campaign.server_world import running, saving, whole_identities
from helpers.world import World
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.identity import Identity

PART = "kills"
WHAT = "a ComfyUI that trains and saves"
GOAL = 10
NAME = "killed"
SEEDS = (1, 2)  # of the person that was there, and of the one that is learned over it


def run(plan: Plan) -> list[Row]:
    """Kill, look, start again, queue the same, and look again."""
    row = Row(PART, WHAT)
    if plan.host is None:
        row.missing = "there is no ComfyUI"
        return [row]
    with running(plan.host, plan.folder) as world:
        kill(plan, row, world)
    return [row]


def kill(plan: Plan, row: Row, world: World) -> None:
    """Kill this server until the goal or the time is reached."""
    killing = _Killing(plan, row, world)
    while row.tried < (plan.goal or GOAL) and plan.left:
        killing.kill()
        plan.tell(f"{WHAT}: {row.tried} of {plan.goal or GOAL} kills, {row.happened} faults")
    row.figures = ", ".join(f"{count} x {state}" for state, count in killing.states.most_common())


class _Killing:
    def __init__(self, plan: Plan, row: Row, world: World):
        self.plan, self.row, self.world = plan, row, world
        self.random = plan.random(PART, "server")
        self.states: Counter[str] = Counter()
        self.seconds = 0.0
        self.names = {*self._people(), NAME}
        self.wanted = [self._learned(seed) for seed in SEEDS]

    def kill(self) -> None:
        self._learned(SEEDS[0])
        run = self.world.server.submit(self._prompt(SEEDS[1]))
        after = self.random.uniform(0, 1.1 * self.seconds)
        time.sleep(after)
        process = self.world.server.process
        assert process is not None
        process.kill()
        process.wait()
        run.socket.close()
        self.row.tried += 1
        self._check(after, "half file", self._state)
        self.world.server.restart()
        self._check(after, "cannot go on", self._again)
        self._check(after, "left over", self._nothing_left)

    def _prompt(self, seed: int) -> dict:
        return saving(self.world, NAME, seed, "replace", force_retrain=True)

    def _learned(self, seed: int) -> Identity:
        started = time.monotonic()
        result = self.world.server.run(self._prompt(seed))
        self.seconds = time.monotonic() - started
        assert result.status == "success", result.error
        return self._people()[NAME]

    def _people(self) -> dict[str, Identity]:
        return whole_identities(self.world.server.models / "embeddings")

    def _state(self) -> None:
        found = [number for number, one in enumerate(self.wanted) if same(one, self._people()[NAME])]
        assert found, "the identity is neither the old nor the new one"
        self.states["new file" if found == [1] else "old file"] += 1

    def _again(self) -> None:
        assert same(self._learned(SEEDS[1]), self.wanted[1]), "queued again, it gives other words"
        unforced = self.world.server.run(saving(self.world, NAME, SEEDS[1], "replace"))
        assert unforced.status == "success", f"the stored training cannot be used: {unforced.error}"
        trained = [event for event in unforced.of("progress") if event.data.get("max") == 3]
        assert not trained, "the training was not found in the store"

    def _nothing_left(self) -> None:
        folders: list[Path] = [self.world.server.models / "embeddings", self.world.server.user / "stableidentity"]
        found = [name for folder in folders for name in left_over(folder)]
        assert not found, f"left over: {found}"
        strangers = sorted(self._people().keys() - self.names)
        assert not strangers, f"other files were saved: {strangers}"

    def _check(self, after: float, kind: str, look) -> None:
        try:
            look()
        except (AssertionError, StableIdentityError) as error:
            text = f"killed {after:.2f} s after queueing: {error}"
            again = f"python3 tasks.py campaign --only kills --seed {self.plan.seed}"
            if self.row.blame(Fault(kind, str(error).partition(":")[0], text, again)).times == 1:
                self.plan.say(f"  FAULT in {WHAT}: {kind}: {text}")

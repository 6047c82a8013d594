"""Two ComfyUI on one base folder: the same name and the same training at the same time."""

from __future__ import annotations

from campaign.acts import left_over, same
from campaign.outcome import Fault, Row
from campaign.plan import Plan
from campaign.server_world import running, saving, whole_identities
from helpers.server import ComfyServer
from helpers.world import World
from stableidentity_core.errors import StableIdentityError

PART = "races"
WHAT = "two ComfyUI on one folder"
GOAL = 10
SEEDS = (1, 2)


class _Beside(ComfyServer):
    """In folders that are there already."""

    def _make_folders(self) -> None:
        pass


def run(plan: Plan) -> list[Row]:
    row = Row(PART, WHAT)
    if plan.host is None:
        row.missing = "there is no ComfyUI"
        return [row]
    with running(plan.host, plan.folder) as world:
        race(plan, row, world)
    return [row]


def race(plan: Plan, row: Row, world: World) -> None:
    """A second server in the folder of this one, and rounds until the goal or the time is reached."""
    second = _Beside(world.server.comfyui, world.server.base).start()
    try:
        known = _known(world)
        while row.tried < (plan.goal or GOAL) and plan.left:
            row.tried += 1
            _round(plan, row, world, second, known)
            plan.tell(f"{WHAT}: {row.tried} rounds, {row.happened} faults")
    finally:
        second.stop()


def _known(world: World) -> dict[int, object]:
    """Who comes of each seed, from a server by itself."""
    for seed in SEEDS:
        result = world.server.run(saving(world, f"alone-{seed}", seed, "replace"))
        assert result.status == "success", result.error
    people = whole_identities(world.server.models / "embeddings")
    return {seed: people[f"alone-{seed}"] for seed in SEEDS}


def _round(plan: Plan, row: Row, world: World, second: ComfyServer, known: dict[int, object]) -> None:
    """Different people under one name, then the same training twice."""
    name = f"round-{row.tried}"
    try:
        told = _both(world, second, name, SEEDS)
        assert len(set(told)) == 2, f"two people were told the same name: {told}"
        people = whole_identities(world.server.models / "embeddings")
        for seed, saved in zip(SEEDS, told, strict=True):
            assert same(people[saved], known[seed]), f"{saved} is not who was saved there"  # type: ignore[arg-type]
        told = _both(world, second, f"{name}-same", (SEEDS[0], SEEDS[0]))
        assert set(told) == {f"{name}-same"}, f"one person was saved under two names: {told}"
        folders = world.server.models / "embeddings", world.server.user / "stableidentity"
        found = [one for folder in folders for one in left_over(folder)]
        assert not found, f"left over: {found}"
    except (AssertionError, StableIdentityError) as error:
        again = f"python3 tasks.py campaign --only races --seed {plan.seed}"
        fault = Fault("race", str(error).partition(":")[0], f"round {row.tried}: {error}", again)
        if row.blame(fault).times == 1:
            plan.say(f"  FAULT in {WHAT}: {fault.message}")


def _both(world: World, second: ComfyServer, name: str, seeds: tuple[int, int]) -> list[str]:
    """Queue in both at once; the names that each says to type."""
    servers = (world.server, second)
    prompts = [saving(world, name, seed, "add a number", force_retrain=True) for seed in seeds]
    runs = [server.submit(prompt) for server, prompt in zip(servers, prompts, strict=True)]
    results = [run.finish(120) for run in runs]
    for result in results:
        assert result.status == "success", f"a prompt failed: {result.error}"
    return [result.outputs["save"]["text"][0].partition(".safetensors")[0] for result in results]

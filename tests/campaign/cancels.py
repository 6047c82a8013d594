"""Cancel in a real ComfyUI: seconds from the interrupt to the end of the prompt, for everything that takes long."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from campaign.long_prompts import asking_for_names, heading, scoring_pictures
from campaign.outcome import Fault, Row
from campaign.plan import Plan
from campaign.server_world import (
    folder_of_people,
    many_photos,
    mixing,
    moving,
    running,
    saving,
    scoring,
    with_people,
)
from helpers.prompts import Json, node
from helpers.world import World
from stableidentity_core.errors import HostError

PART = "cancels"
GOAL = 5  # cancels of each
LIMIT = 2.0  # seconds
HANG = 60.0
NEVER = 1_000_000  # steps
DETECTOR = "retinaface_mobile0.25"
STALLS: Mapping[str, bytes] = {
    "before its answer": b"",
    "after its headers": b"HTTP/1.1 200 OK\r\nContent-Length: 1789735\r\n\r\n",
    "in the middle": b"HTTP/1.1 200 OK\r\nContent-Length: 1789735\r\n\r\n" + bytes(500_000),
    "in its headers": b"HTTP/1.1 200 OK\r\nContent-Le",
}


@dataclass(frozen=True)
class Long:
    """Something that takes long: its prompt, the node to wait for, and what to do to the server before."""

    what: str
    prompt: Callable[[int], Json]
    node: str
    prepare: Callable[[], None] = lambda: None


def run(plan: Plan) -> list[Row]:
    if plan.host is None:
        return [Row(PART, "prompts of one ComfyUI", missing="there is no ComfyUI")]
    with stalling() as addresses, running(plan.host, plan.folder) as world:
        with_people(world)
        return cancel(plan, world, everything(world, addresses))


def cancel(plan: Plan, world: World, longs: list[Long]) -> list[Row]:
    """Cancel each so often in turn."""
    rows = [Row(PART, long.what) for long in longs]
    times: list[list[float]] = [[] for _ in longs]
    for number in range(plan.goal or GOAL):
        for long, row, taken in zip(longs, rows, times, strict=True):
            if plan.left:
                _cancel(plan, world, long, row, taken, number)
                plan.tell(f"{long.what}: cancelled {row.tried} times, slowest {max(taken, default=0):.2f} s")
    for row, taken in zip(rows, times, strict=True):
        row.figures = f"slowest {max(taken):.2f} s of {LIMIT:.0f} s" if taken else "ended before it was cancelled"
    return rows


def everything(world: World, addresses: list[str]) -> list[Long]:
    many_photos(world, "many", 600)

    def download(number: int) -> Json:
        return {
            "image": node("LoadImage", image="astronaut.png"),
            "face": node(
                "StableIdentityPrepareFace",
                image=["image", 0],
                find_face=DETECTOR,
                parse_face="off",
                download=True,
                face_number=1 + number,
            ),
            "shown": node("PreviewImage", images=["face", 1]),
        }

    def weights_at(url: str) -> Callable[[], None]:
        def prepare() -> None:
            result = world.server.run({"at": node("SITestWeightAddress", name=DETECTOR, url=url)})
            assert result.status == "success", result.error

        return prepare

    def together(number: int) -> Json:
        prompt = mixing(world, number, "mixed")
        prompt["map"]["inputs"]["method"] = "t-SNE"
        del prompt["save"]
        return prompt

    return [
        Long("training", lambda number: saving(world, "never", number, "replace", steps=100_000), "train"),
        Long("training a projector", lambda number: folder_of_people(world, seed=number, steps=NEVER), "train"),
        Long("a folder of photos", lambda number: _folder(world, number), "folder"),
        Long("the score of a clip", lambda number: scoring(world, 1500 + number), "score"),
        Long("the score of pictures", scoring_pictures, "score"),
        Long("asking a model for names", asking_for_names, "ask"),
        Long("a head in 3D", heading, "head"),
        Long("a video", lambda number: moving(world, 48, 1000, number), "sampler"),
        Long("a map by t-SNE", together, "map"),
        *(
            Long(f"a download that stalls {when}", download, "face", weights_at(address))
            for when, address in zip(STALLS, addresses, strict=True)
        ),
    ]


def _folder(world: World, number: int) -> Json:
    prompt = folder_of_people(world, "many", seed=number)
    prompt["folder"]["inputs"]["at_most"] = 1000 + number
    return prompt


def _cancel(plan: Plan, world: World, long: Long, row: Row, taken: list[float], number: int) -> None:
    """One cancel at a random moment of the node."""
    long.prepare()
    seed = 1 + number + 1000 * plan.seed % 1_000_000
    run = world.server.submit(long.prompt(seed))
    again = f"python3 tasks.py campaign --only cancels --seed {plan.seed}"
    try:
        while (event := run.wait_for("executing", timeout=HANG)) and event.data.get("node") != long.node:
            pass
        time.sleep(plan.random(PART, long.what, number).uniform(0, 1.5))
        asked = time.monotonic()
        world.server.interrupt()
        result = run.finish(HANG)
    except HostError as error:
        row.tried += 1
        row.blame(Fault("hang", long.what, f"it had not ended {HANG:.0f} s after the interrupt: {error}", again))
        plan.say(f"  FAULT in cancels: {long.what}: {error}")
        world.server.restart()
        return
    seconds = time.monotonic() - asked
    if result.status == "success" and seconds <= LIMIT:
        return  # done before it was cancelled, which says nothing
    row.tried += 1
    taken.append(seconds)
    if seconds > LIMIT:
        fault = Fault("slow cancel", long.what, f"it ended {seconds:.2f} s after the interrupt: {result.status}", again)
    elif result.status != "interrupted":
        fault = Fault("no cancel", long.what, f"{result.status} in place of an interrupt: {result.error}", again)
    else:
        return
    if row.blame(fault).times == 1:
        plan.say(f"  FAULT in cancels: {long.what}: {fault.message}")


@contextmanager
def stalling() -> Iterator[list[str]]:
    """Servers that say so much to everyone, and then nothing; gives their addresses."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in STALLS]
    held: list[socket.socket] = []

    def serve(listener: socket.socket, said: bytes) -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            held.append(connection)
            threading.Thread(target=_say, args=(connection, said), daemon=True).start()

    for listener, said in zip(listeners, STALLS.values(), strict=True):
        threading.Thread(target=serve, args=(listener, said), daemon=True).start()
    try:
        yield [f"http://127.0.0.1:{listener.getsockname()[1]}/weights.pth" for listener in listeners]
    finally:
        for open_one in (*listeners, *held):
            open_one.close()


def _say(connection: socket.socket, said: bytes) -> None:
    try:
        connection.recv(65536)
        connection.sendall(said)
    except OSError:  # the client went away
        return

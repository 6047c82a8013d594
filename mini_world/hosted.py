"""The demo in a real ComfyUI server, which is started and stopped for it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .core import ComfyServer, Event, HostError, Json, Run, RunResult, load_identity
from .graph import LARGEST, UPLOADS, demo_graph, picture_id, sampler_id
from .look import PROMPTS
from .outcome import ROWS, Outcome, Progress, Task
from .painter import paint
from .person import unseen_person
from .preset import SAMPLING_STEPS

PACK = Path(__file__).resolve().parents[1]
SILENCE = 300  # seconds without any event after which the demo gives up


def run_hosted(task: Task, comfyui: Path, log: Path, port: int | None, progress: Progress, cpu: bool = True) -> Outcome:
    """Start ComfyUI, queue the demo's prompt, collect the results, stop ComfyUI.

    Args:
        log: where the server's log is saved, also on failure.
        cpu: compute on the CPU; otherwise on the device that ComfyUI chooses.

    Raises:
        HostError: the server did not start, crashed, or could not run the prompt; with the end of its log.
    """
    graph, training = demo_graph(task, PACK)
    with tempfile.TemporaryDirectory(prefix="stableidentity-demo-") as folder:
        server = ComfyServer(comfyui, Path(folder), {"ComfyUI-StableIdentity": PACK}, port=port, cpu=cpu)
        try:
            if abs(task.person) > LARGEST:
                _upload(task.person, server.input)
            progress("starting ComfyUI", 0)
            server.start()
            result, train_seconds = _work(server, graph, training, task, progress)
            return _collected(server, result, task, train_seconds)
        except OSError as error:
            raise HostError(f"ComfyUI could not be used: {error}. {server.condition()}") from error
        finally:
            server.stop()
            if server.log_file.is_file():
                log.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(server.log_file, log)


def _upload(person: int, folder: Path) -> None:
    drawn = paint(unseen_person(person))
    masks = [(mask * 255).round().astype(np.uint8) for mask in (drawn.face_mask, drawn.hair_mask)]
    for name, pixels in zip(UPLOADS, [drawn.image, *masks], strict=True):
        Image.fromarray(pixels).convert("RGB").save(folder / name)


def _work(server: ComfyServer, graph: Json, training: str, task: Task, progress: Progress) -> tuple[RunResult, float]:
    units = {sampler_id(row, number): SAMPLING_STEPS for row in ROWS for number in range(len(PROMPTS))}
    watch = _Watch(training, {training: task.steps, **units}, progress)
    try:
        run = server.submit(graph)
        _follow(run, watch)
    except (HostError, OSError) as error:
        raise HostError(f"The demo failed: {error} {server.condition()}") from error
    if run.result.status != "success":
        why = run.result.error or run.result.status
        details = f" {run.result.node_errors}" if run.result.node_errors else ""
        raise HostError(f"ComfyUI could not run the demo: {why}{details}\n{server.condition()}")
    return run.result, watch.train_seconds


def _follow(run: Run, watch: Callable[[Event], None]) -> None:
    while event := run.wait_for("progress", "executing", timeout=SILENCE):
        watch(event)


class _Watch:
    """Turns the server's events into progress, and measures the training time.

    Newer servers omit some events of a node, so a finished node counts in full.
    """

    def __init__(self, training: str, units: dict[str, int], progress: Progress):
        self.training, self.units, self.progress = training, units, progress
        self.done = dict.fromkeys(units, 0)
        self.current, self.since = "", 0.0
        self.train_seconds = 0.0

    def __call__(self, event: Event) -> None:
        node = event.data.get("node") or ""
        if event.kind == "progress":
            self._reach(node, event.data["value"] / max(1, event.data["max"]))
            return
        self._reach(self.current, 1.0)
        if self.current == self.training:
            self.train_seconds = event.at - self.since
        self.current, self.since = node, event.at

    def _reach(self, node: str, share: float) -> None:
        if node in self.units:
            units = round(share * self.units[node])
            self.progress("learning" if node == self.training else "painting", max(0, units - self.done[node]))
            self.done[node] = max(units, self.done[node])


def _collected(server: ComfyServer, result: RunResult, task: Task, train_seconds: float) -> Outcome:
    def picture(row: str, number: int) -> Tensor:
        (image,) = result.outputs[picture_id(row, number)]["images"]
        path = server.output / image.get("subfolder", "") / image["filename"]
        with Image.open(path) as opened:
            return torch.from_numpy(np.array(opened.convert("RGB"))).movedim(-1, 0) / 255

    try:
        pictures = {row: torch.stack([picture(row, number) for number in range(len(PROMPTS))]) for row in ROWS}
        identity = load_identity(server.models / "embeddings" / "mini_world" / f"{task.trigger}.safetensors")
    except (KeyError, OSError) as error:
        raise HostError(
            f"ComfyUI reported success, but its results are not where they belong ({error}). {server.condition()}"
        ) from error
    return Outcome(host=_host_name(server), identity=identity, pictures=pictures, train_seconds=train_seconds)


def _host_name(server: ComfyServer) -> str:
    system = server.client.get("/system_stats").get("system", {})
    return f"ComfyUI {system.get('comfyui_version', 'of unknown version')}"

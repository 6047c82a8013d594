"""A workflow queued in the real ComfyUI: a checkpoint file of full size, a photo, StableIdentity Train."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from helpers.peak import Peak
from helpers.prompts import learn, node
from helpers.server import ROOT, ComfyServer
from mini_world.painter import paint
from mini_world.person import unseen_person
from stableidentity_core.comfyui import RunResult
from stableidentity_core.errors import HostError
from stableidentity_core.identity import load_identity
from stableidentity_core.train import TrainConfig

from .job import Row, Setting
from .models import tiny_folder

CHECKPOINT, ENCODER, PHOTO = "random_sd21.safetensors", "full", "person.png"
STEPS = TrainConfig().steps
LIMIT = 600  # seconds of a workflow; the part's own limit is what counts
GB = 10**9


def measure(setting: Setting) -> Iterator[Row]:
    """The same workflow twice, with different seeds: the first loads and warms up, the second does not."""
    if setting.host is None:
        raise HostError("There is no ComfyUI. Set COMFYUI_PATH to one.")
    with tempfile.TemporaryDirectory(prefix="stableidentity-gpu-") as folder:
        server = ComfyServer(setting.host, Path(folder) / "server", cpu=setting.device == "cpu")
        prompt = _prompt(setting, server, Path(folder))
        try:
            server.start()
            for name, seed in (("first", 0), ("again", 1))[: 1 if setting.short else 2]:
                prompt["train"]["inputs"]["seed"] = seed
                yield _row(setting, server, prompt, name)
        finally:
            server.stop()


def _prompt(setting: Setting, server: ComfyServer, folder: Path) -> dict[str, Any]:
    """The workflow, whose files lie where the server looks for them."""
    from helpers.full_size import write_face_vit
    from helpers.tiny import tiny_face_vit

    Image.fromarray(paint(unseen_person(1)).image).save(server.input / PHOTO)
    encoder = server.models / "stableidentity" / "face_encoders" / ENCODER
    if setting.short:
        tiny_face_vit(encoder)
        return learn(tiny_folder(folder, "sd21"), image=PHOTO, encoder=ENCODER, steps=3)
    write_face_vit(encoder)
    checkpoint = server.models / "checkpoints" / CHECKPOINT
    checkpoint.parent.mkdir(exist_ok=True)
    _write_checkpoint(setting, checkpoint)
    prompt = learn(folder, image=PHOTO, encoder=ENCODER, steps=STEPS, resolution=512, preview_every=0)
    return {**prompt, "trio": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)}


def _write_checkpoint(setting: Setting, path: Path) -> None:
    """In a process of its own, so that nothing of it is left on the device."""
    script = ROOT / "tests" / "helpers" / "full_size.py"
    command = [sys.executable, str(script), str(setting.comfyui), str(path), setting.device]
    done = subprocess.run(command, cwd=setting.comfyui, capture_output=True, text=True)
    if done.returncode:
        raise HostError(f"No checkpoint could be written: {done.stderr.strip().splitlines()[-1:]}")


def _row(setting: Setting, server: ComfyServer, prompt: dict[str, Any], name: str) -> Row:
    with Peak(lambda: _memory(setting, server), 0.2) as memory:
        result = server.run(prompt, LIMIT)
    if result.status != "success":
        raise HostError(f"{name}: {result.error or result.status} {result.node_errors or ''}; {server.log_end()}")
    (file,) = (server.models / "embeddings").glob(f"anna{'' if name == 'first' else '*[0-9]'}.safetensors")
    steps = load_identity(file).header["steps"]
    training, whole = _seconds(result, "train"), result.events[-1].at - result.events[0].at
    what = "in the process" if setting.device == "cpu" else "on the device, before it"
    return Row(
        what=f"{name}: {steps} steps",
        measured=f"{training:.1f} s in StableIdentity Train, {whole:.1f} s in all; {memory.value / GB:.1f} GB at most, "
        f"{memory.first / GB:.1f} {what} (read five times a second)",
        figures={
            "steps": int(steps),
            "train_seconds": training,
            "seconds": whole,
            "peak": memory.value,
            "before": memory.first,
            "training_takes": _said(server),
        },
    )


def _memory(setting: Setting, server: ComfyServer) -> float:
    """Bytes in use: of the server's process, or what the device has not free for its torch."""
    if setting.device == "cpu":
        assert server.process is not None
        return psutil.Process(server.process.pid).memory_info().rss
    (device, *_others) = server.client.get("/system_stats")["devices"]
    return device["vram_total"] - device["vram_free"]


def _seconds(result: RunResult, node_id: str) -> float:
    """From the start of a node to the next event about another."""
    moments = [(event.at, event.data.get("node")) for event in result.of("executing")]
    starts = [index for index, (_at, node) in enumerate(moments) if node == node_id]
    if not starts:
        return float("nan")
    later = [at for at, node in moments[starts[0] + 1 :] if node != node_id]
    return (later[0] if later else result.events[-1].at) - moments[starts[0]][0]


def _said(server: ComfyServer) -> str:
    """What the log says of the memory that the training takes."""
    lines = [line for line in server.log_tail(10**6).splitlines() if "training takes" in line]
    return lines[-1] if lines else ""

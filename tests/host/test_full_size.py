"""SD2.1 in its true size, of random weights, through the stock loader. Opt-in: --full-size."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from helpers.full_size import write_face_vit
from helpers.peak import Peak
from helpers.prompts import learn, node
from helpers.world import World
from stableidentity_core.cli import main
from stableidentity_core.identity import load_identity
from stableidentity_core.train.presets import PRESETS

CHECKPOINT = "random_sd21.safetensors"
pytestmark = [pytest.mark.full_size, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def checkpoint(world: World, comfyui: Path) -> Path:
    path = world.server.models / "checkpoints" / CHECKPOINT
    path.parent.mkdir(exist_ok=True)
    script = Path(__file__).resolve().parents[1] / "helpers" / "full_size.py"
    subprocess.run([sys.executable, script, comfyui, path], check=True, cwd=comfyui)
    write_face_vit(world.server.models / "stableidentity" / "face_encoders" / "full")
    return path


@pytest.mark.parametrize(
    "name,settings,steps",
    [
        ("full-paper", {"steps": 3, "resolution": 128}, 3),
        ("full-fast", {"preset": "fast", **PRESETS["fast"], "resolution": 64, "low_memory": True}, 100),
    ],
)
def test_full_size_checkpoint_trains(world: World, checkpoint: Path, capsys, name, settings, steps):
    prompt = learn(Path(), encoder="full", name=name, **settings)
    prompt["trio"] = node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    started = time.monotonic()
    assert world.server.process is not None
    process = psutil.Process(world.server.process.pid)
    with Peak(lambda: process.memory_info().rss) as memory:
        result = world.server.run(prompt, timeout=1200)
    assert result.status == "success", result.error
    identity = load_identity(world.embedding(name))
    assert identity.words["clip_h"].shape == (2, 1024)
    assert identity.words["clip_h"].isfinite().all() and identity.header["steps"] == str(steps)
    with capsys.disabled():
        seconds = time.monotonic() - started
        print(f"\n{name}, {steps} steps at {settings['resolution']}: {seconds:.0f} s, peak {memory.value / 1e9:.1f} GB")


def test_full_size_single_file_trains_without_a_host(world: World, checkpoint: Path, tmp_path: Path):
    out = tmp_path / "headless.safetensors"
    encoder = world.server.models / "stableidentity" / "face_encoders" / "full"
    words = ["train", "--device", "cpu", "--steps", "2", "--resolution", "128", "--trigger", "anna"]
    paths = ["--model", checkpoint, "--encoder", encoder, "--photo", world.server.input / "astronaut.png", "--out", out]
    assert main([*words, *map(str, paths)]) == 0
    assert load_identity(out).words["clip_h"].shape == (2, 1024)

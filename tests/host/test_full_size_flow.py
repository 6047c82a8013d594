"""Wan 2.1 1.3B in its true size, of random weights, by the shipped workflow and stock loaders. Opt-in: --full-size."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from helpers.peak import Peak
from helpers.workflows import api_workflow
from helpers.world import World
from stableidentity_core.identity import load_identity

pytestmark = [pytest.mark.full_size, pytest.mark.timeout(3600)]
WRITER = Path(__file__).resolve().parents[1] / "helpers" / "flow_files.py"
SMALLER = {
    "StableIdentityTrain": {"preset": "custom", "steps": 2, "resolution": 64, "pictures": 0},
    "StableIdentityLoadFaceEncoder": {"encoder_name": "tiny"},
    "StableIdentityPrepareFace": {"find_face": "off", "parse_face": "off"},
    "EmptyHunyuanLatentVideo": {"width": 64, "height": 64, "length": 5},
    "KSampler": {"steps": 1},
    "LoadImage": {"image": "astronaut.png"},
}


def test_full_size_files_go_from_the_photo_to_the_video(world: World, comfyui: Path, capsys):
    """The text encoder in scaled fp8, in the layout that people have, which the host converts as it loads it."""
    subprocess.run([sys.executable, WRITER, comfyui, world.server.models], check=True, cwd=comfyui)
    prompt = api_workflow(23)
    for entry in prompt.values():
        entry["inputs"].update(SMALLER.get(entry["class_type"], {}))
    assert world.server.process is not None
    process, started = psutil.Process(world.server.process.pid), time.monotonic()
    with Peak(lambda: process.memory_info().rss) as memory:
        result = world.server.run(prompt, timeout=3000)
    assert result.status == "success", result.error
    identity = load_identity(world.embedding("person-1-wan"))
    assert identity.words["umt5xxl"].shape == (2, 4096) and identity.words["umt5xxl"].isfinite().all()
    assert any(".mp4" in str(output) for output in result.outputs.values())
    with capsys.disabled():
        print(f"\nWan 1.3B, 2 steps: {time.monotonic() - started:.0f} s, peak {memory.value / 1e9:.1f} GB")

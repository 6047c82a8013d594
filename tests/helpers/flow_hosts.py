"""Hosts that have what learning on flow models needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

OLDEST = (0, 26)


def needs_flow(comfyui: Path) -> None:
    """Skip a test in an older ComfyUI, where the pack refuses to learn on these models."""
    (version,) = re.findall(r'__version__ = "([^"]+)"', (comfyui / "comfyui_version.py").read_text("utf-8"))
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        pytest.skip(f"THIS COMFYUI IS {version}: people are learned on flow models with 0.26 or newer")

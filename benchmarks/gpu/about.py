"""The machine and the versions."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from .job import Setting

ROCM_DRIVER = Path("/sys/module/amdgpu/version")


def about(setting: Setting) -> Iterator[dict[str, Any]]:
    """One dictionary; `setting.device` may be `auto`, which is a GPU where torch finds one."""
    import torch

    from stableidentity_core import __version__

    found = torch.cuda.is_available()
    device = ("cuda" if found else "cpu") if setting.device == "auto" else setting.device
    if device == "cuda" and not found:
        raise RuntimeError(f"torch {torch.__version__} finds no GPU {driver() and f'(driver {driver()})'}")
    yield {
        **(_gpu(torch) if device == "cuda" else _cpu(torch)),
        "computes on": device,
        "driver": driver(),
        "CUDA": torch.version.cuda or "",
        "ROCm": torch.version.hip or "",
        "torch": torch.__version__,
        **{name: _version(name) for name in ("diffusers", "transformers")},
        "ComfyUI": _comfyui(setting.host),
        "pack": f"{__version__} {_commit()}".strip(),
        "Python": platform.python_version(),
    }


def _gpu(torch: Any) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(0)
    return {
        "device": properties.name,
        "memory": f"{properties.total_memory / 1e9:.1f} GB",
        "capability": getattr(properties, "gcnArchName", "") or f"{properties.major}.{properties.minor}",
    }


def _cpu(torch: Any) -> dict[str, Any]:
    from training_speed import _processor

    return {"device": _processor(), "threads": torch.get_num_threads()}


def driver() -> str:
    """Of the GPU, as its own tools tell it; empty where there is none."""
    if shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True)
        return f"NVIDIA {done.stdout.split()[0]}" if done.returncode == 0 and done.stdout.strip() else ""
    return f"amdgpu {ROCM_DRIVER.read_text().strip()}" if ROCM_DRIVER.exists() else ""


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _comfyui(folder: Path | None) -> str:
    if folder is None:
        return "none"
    file = folder / "comfyui_version.py"
    parts = file.read_text("utf-8").split('"') if file.exists() else []
    return parts[1] if len(parts) > 1 else "of unknown version"


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""

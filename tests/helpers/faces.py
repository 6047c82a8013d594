"""Photos of real people and a trained detector for tests; most of it is in no repository."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("STABLEIDENTITY_TEST_FACES") or ROOT.parent / "shared" / "faces")
WEIGHTS = Path(os.environ.get("STABLEIDENTITY_TEST_WEIGHTS") or ROOT.parent / "shared" / "weights")
NAMES = ("00059.png", "00790.png")  # FFHQ's numbers


def real_portrait(name: str) -> Path:
    """The file of one of NAMES, 512 x 512; the test is skipped where it is not at hand."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"NO PHOTO {path.name} IN {FOLDER}: STABLEIDENTITY_TEST_FACES names the folder of FFHQ portraits")
    return path


def trained_detector() -> Path:
    """The file of a trained RetinaFace mobile0.25; the test is skipped where it is not at hand."""
    path = WEIGHTS / "retinaface_mobilenet0.25.pth"
    if not path.is_file():
        pytest.skip(f"NO {path.name} IN {WEIGHTS}: STABLEIDENTITY_TEST_WEIGHTS names the folder of trained weights")
    return path


def real_photo(name: str) -> torch.Tensor:  # [3, H, W] in 0..1
    """`astronaut`, `grace_hopper`, or one of NAMES without its ending; the test is skipped where it is not at hand."""
    if name == "astronaut":
        data = pytest.importorskip("skimage.data", reason="SCIKIT-IMAGE IS NOT INSTALLED: no photo of the astronaut")
        pixels = data.astronaut()
    else:
        pixels = np.array(Image.open(_file_of(name)).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1) / 255


def _file_of(name: str) -> Path:
    if name != "grace_hopper":
        return real_portrait(f"{name}.png")
    cbook = pytest.importorskip("matplotlib.cbook", reason="MATPLOTLIB IS NOT INSTALLED: no photo of Grace Hopper")
    return Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))

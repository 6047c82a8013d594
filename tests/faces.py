"""Two aligned portraits of real people for tests; they are in no repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("STABLEIDENTITY_TEST_FACES") or ROOT.parent / "shared" / "faces")
NAMES = ("00059.png", "00790.png")  # FFHQ's numbers


def real_portrait(name: str) -> Path:
    """The file of one of NAMES, 512 x 512; the test is skipped where it is not at hand."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"NO PHOTO {path.name} IN {FOLDER}: STABLEIDENTITY_TEST_FACES names the folder of FFHQ portraits")
    return path

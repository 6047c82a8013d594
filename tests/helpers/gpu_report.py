"""What `tasks.py gpu` writes. Needs the benchmarks on sys.path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PARTS = ["memory, SD2.1", "gradients", "speed", "ComfyUI", "demo", "memory, SDXL", "people"]


def files_in(folder: Path) -> tuple[dict[str, Any], str]:
    """What was written, which must be the same in both files."""
    from gpu.report import markdown

    found, text = json.loads((folder / "gpu.json").read_text("utf-8")), (folder / "gpu.md").read_text("utf-8")
    assert text == markdown(found)
    table = text.partition("|---")[2]
    for job in found["jobs"]:
        for row in job["rows"]:
            assert any(
                job["part"] in line and row["what"] in line and row["measured"] in line for line in table.splitlines()
            )
    return found, text

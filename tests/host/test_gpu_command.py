"""`tasks.py gpu` on the CPU with a ComfyUI: each part gives its rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.gpu_report import PARTS, files_in

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


ROWS = dict(zip(PARTS, [4, 2, 4, 1, 1, 4, 2], strict=True))
DAILY = ("memory, SD2.1", "ComfyUI", "people")  # each part is a process; these have most of ComfyUI in them


@pytest.mark.parametrize("parts", [DAILY, pytest.param(PARTS, marks=pytest.mark.full_size)], ids=["daily", "all"])
def test_parts_give_rows_in_comfyui(tmp_path, comfyui, monkeypatch, parts):
    """All but the demo in ComfyUI, which has tests of its own."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from gpu.__main__ import main

    monkeypatch.setenv("COMFYUI_PATH", str(comfyui))
    assert main(["--device", "cpu", "--out", str(tmp_path), "--only", *parts]) == 0
    found, text = files_in(tmp_path)
    rows = {job["part"]: job["rows"] for job in found["jobs"]}
    assert list(rows) == [*parts] and all(job["state"] == "measured" for job in found["jobs"])
    assert {part: len(of_part) for part, of_part in rows.items()} == {part: ROWS[part] for part in parts}
    assert all(row["met"] is None for of_part in rows.values() for row in of_part), "goals are of full size"
    memory = [row for part, of_part in rows.items() if part.startswith("memory") for row in of_part]
    assert memory and all(row["figures"]["estimate"] > 0 for row in memory)
    assert all(0.9 < row["figures"]["cosine"] <= 1 for row in rows.get("gradients", ()))
    assert rows["ComfyUI"][0]["figures"]["train_seconds"] > 0 and rows["ComfyUI"][0]["figures"]["steps"] == 3
    assert all(-1 <= row["figures"]["face_similarity"] <= 1 for row in rows.get("demo", ()))
    assert found["about"]["computes on"] == "cpu" and text.startswith("# Tried without a GPU")

"""`tasks.py gpu` on the CPU with a ComfyUI: each part gives its rows."""

from __future__ import annotations

from pathlib import Path

from helpers.gpu_report import PARTS, files_in

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_all_parts_give_rows_in_comfyui(tmp_path, comfyui, monkeypatch):
    """Everything is tried, but the demo in ComfyUI, which has tests of its own."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from gpu.__main__ import main

    monkeypatch.setenv("COMFYUI_PATH", str(comfyui))
    assert main(["--device", "cpu", "--out", str(tmp_path)]) == 0
    found, text = files_in(tmp_path)
    rows = {job["part"]: job["rows"] for job in found["jobs"]}
    assert list(rows) == PARTS and all(job["state"] == "measured" for job in found["jobs"])
    assert [len(of_part) for of_part in rows.values()] == [4, 2, 4, 1, 1, 4, 2]
    assert all(row["met"] is None for of_part in rows.values() for row in of_part), "goals are of full size"
    assert all(row["figures"]["estimate"] > 0 for row in rows["memory, SD2.1"] + rows["memory, SDXL"])
    assert all(0.9 < row["figures"]["cosine"] <= 1 for row in rows["gradients"])
    assert rows["ComfyUI"][0]["figures"]["train_seconds"] > 0 and rows["ComfyUI"][0]["figures"]["steps"] == 3
    assert -1 <= rows["demo"][0]["figures"]["face_similarity"] <= 1
    assert found["about"]["computes on"] == "cpu" and text.startswith("# Tried without a GPU")

"""The tables of a speed run, printed and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tables import Results

from stableidentity_core.train import TrainConfig

MB = 1 << 20
STEPS = TrainConfig().steps


def write(path: Path, conditions: dict[str, Any], found: dict[str, Any]) -> None:
    """Print the tables and keep them beside the raw numbers."""
    results = Results(path, conditions)
    results.put("figures", found)
    text = "\n".join(tables({**part.conditions, **part.rows["figures"]}) for part in results.parts())
    path.with_suffix(".md").write_text(text, "utf-8")
    print(tables({**conditions, **found}))


def tables(found: dict[str, Any]) -> str:
    """All figures of one machine."""
    parts = [_speed(found), _profile(found), _memory(found), _people(found), _host(found)]
    return "\n\n".join([f"## {_title(found)}", *("\n".join(part) for part in parts if part)]) + "\n"


def _title(found: dict[str, Any]) -> str:
    return (
        f"{found['size']} at {found['resolution']} pixels, batch 1, {found['device']}, {found['threads']} threads, "
        f"torch {found['torch']}, diffusers {found['diffusers']}"
    )


def _speed(found: dict[str, Any]) -> list[str]:
    seconds = found["seconds_per_step"]
    lines = [
        "| | ms a step | steps a second |",
        "|---|---|---|",
        *(f"| {name} | {1e3 * value:.1f} | {1 / value:.2f} |" for name, value in seconds.items()),
        "",
        f"{STEPS} steps of ours: {STEPS * seconds['ours']:.0f} s, and {found['pool_seconds']:.1f} s for the pool. "
        f"Ratio {found['ratio']:.2f}, with the pool {found['ratio_of_450_steps_with_the_pool']:.2f}. "
        f"{found['tflop_per_step']:.4f} TFLOP a step in ours.",
    ]
    if "share_of_the_limit" in found:
        lines.append(
            f"{found['share_of_the_limit']:.1%} of the {found['peak_tflops']:.0f} TFLOP/s that a bf16 product reaches."
        )
    return lines


def _profile(found: dict[str, Any]) -> list[str]:
    before, after = found["profile_ms"]["published"], found["profile_ms"]["ours"]
    sums = sum(before.values()), sum(after.values())
    parts = list(dict.fromkeys([*before, *after]))
    rows = [f"| {part} | {_cell(before.get(part), sums[0])} | {_cell(after.get(part), sums[1])} |" for part in parts]
    head = ["| part | published, ms | share | ours, ms | share |", "|---|---|---|---|---|"]
    return [*head, *rows, f"| all | {sums[0]:.1f} | | {sums[1]:.1f} | |"]


def _cell(value: float | None, total: float) -> str:
    return "– | –" if value is None else f"{value:.1f} | {value / total:.0%}"


def _memory(found: dict[str, Any]) -> list[str]:
    lines = [
        "| variant | before the steps | peak | of the steps | kept for the backward pass |",
        "|---|---|---|---|---|",
    ]
    for variant, row in found["memory"].items():
        if "failed" in row:
            lines.append(f"| {variant} | {row['failed']} | | | |")
            continue
        kept = f"{row['kept_for_backward'] / MB:.0f} MiB" if "kept_for_backward" in row else "–"
        lines.append(
            f"| {variant} | {row['before'] / MB:.0f} MiB | {row['peak'] / MB:.0f} MiB "
            f"| {(row['peak'] - row['before']) / MB:.0f} MiB | {kept} |"
        )
    return lines


def _people(found: dict[str, Any]) -> list[str]:
    if "people" not in found:
        return []
    seconds = {int(count): value for count, value in found["people"].items()}
    of_each = {count: value / count for count, value in seconds.items()}
    return [
        "| people in one training | ms a step | of that for each | of a training alone |",
        "|---|---|---|---|",
        *(
            f"| {count} | {1e3 * seconds[count]:.1f} | {1e3 * each:.1f} | {each / of_each[1]:.2f} |"
            for count, each in of_each.items()
        ),
    ]


def _host(found: dict[str, Any]) -> list[str]:
    if "host" not in found:
        return []
    host = found["host"]
    seconds = host["seconds_per_step"]
    core, hosted = host["profile_ms"]["core"], host["profile_ms"]["host"]
    parts = dict.fromkeys([*core, *hosted])
    return [
        f"ComfyUI's adapter {1e3 * seconds['host']:.1f} ms a step, the core {1e3 * seconds['core']:.1f}: "
        f"{seconds['host'] / seconds['core'] - 1:+.1%}.",
        "",
        "| part | core, ms | host, ms |",
        "|---|---|---|",
        *(f"| {part} | {core.get(part, 0):.1f} | {hosted.get(part, 0):.1f} |" for part in parts),
    ]

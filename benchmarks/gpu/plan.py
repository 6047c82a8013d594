"""What is measured, in the order of what matters most when time is short."""

from __future__ import annotations

from .job import Job, Setting

# The rows of tests/helpers/memory_rows.py, and with SDXL the other types too: base, type, low memory.
SD21 = [("sd21", "bf16", False), ("sd21", "fp16", False), ("sd21", "fp32", False), ("sd21", "bf16", True)]
SDXL = [("sdxl", *row[1:]) for row in SD21]
SHORT_SECONDS = 2  # a short job is begun with so much left


def plan(setting: Setting) -> list[Job]:
    """All jobs; the seconds of full size are guesses for a large GPU."""
    jobs = [
        *_memory("memory, SD2.1", SD21, 25),
        Job(part="gradients", what="16 bits against fp32", work="gpu.gradients:measure", seconds=45),
        Job(part="speed", what="against the published loop", work="gpu.speed:measure", seconds=75),
        Job(part="ComfyUI", what="a queued workflow", work="gpu.server:measure", seconds=90),
        Job(part="demo", what="the mini world", work="gpu.demo:measure", seconds=60),
        *_memory("memory, SDXL", SDXL, 45),
        Job(part="people", what="several in one training", work="gpu.people:measure", seconds=60),
    ]
    return _shortened(jobs) if setting.short else jobs


def _memory(part: str, rows: list[tuple[str, str, bool]], seconds: float) -> list[Job]:
    """A process for each row, whose peak and whose lack of memory are then its own."""
    return [
        Job(
            part=part,
            what=dtype + (", low memory" if low_memory else ""),
            work="gpu.memory:measure",
            seconds=seconds,
            arguments={"rows": [(base, dtype, low_memory)]},
        )
        for base, dtype, low_memory in rows
    ]


def _shortened(jobs: list[Job]) -> list[Job]:
    """One process for all rows of a part: starting it is what takes long."""
    parts: dict[str, list[Job]] = {}
    for job in jobs:
        parts.setdefault(job.part, []).append(job)
    return [
        Job(
            part=part,
            what="all rows" if len(same) > 1 else same[0].what,
            work=same[0].work,
            seconds=SHORT_SECONDS,
            arguments={name: [row for job in same for row in job.arguments[name]] for name in same[0].arguments},
        )
        for part, same in parts.items()
    ]

"""`python3 tasks.py gpu`: all that a GPU can tell, in one table.

PYTHONPATH=.:benchmarks:tests python -m gpu [--minutes N] [--device auto|cuda|cpu] [--out FOLDER] [--only PART ...]

The parts, in this order: memory and speed of training SD2.1 at 512 pixels, with random weights of full size, against
the estimate; the precision of gradients in 16 bits; speed against the published loop; a workflow queued in the real
ComfyUI (COMFYUI_PATH); the mini world's demo; memory of SDXL at 1024 pixels; several people in one training. Each
job has a process of its own. What failed, or was not begun because the time was up, is in the table with the reason.
Without a GPU, or with --device cpu, all is shortened: tiny networks, to see that the command works.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .job import Done, Job, Setting
from .plan import plan
from .report import write_report
from .run import run_job, run_jobs

RESULTS = Path(__file__).parents[1] / "results"
TRIED = Path(__file__).parents[2] / "out" / "gpu"  # what was only tried must not replace what was measured
ABOUT = Job(part="about", what="the machine", work="gpu.about:about", seconds=0)
ABOUT_SECONDS = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; 1 if anything failed or is missing, 2 if there is no such device."""
    options = _parser().parse_args(arguments)
    host = os.environ.get("COMFYUI_PATH", "none")
    short = options.device == "cpu"  # otherwise known when the machine was looked at
    setting = Setting(device=options.device, short=short, comfyui="" if host.lower() == "none" else host)
    started = time.monotonic()
    about = run_job(ABOUT, setting, ABOUT_SECONDS)  # in a process too: a look at a GPU takes some of its memory
    if about.state != "measured":
        print(f"gpu: {about.reason}", file=sys.stderr)
        return 2
    device = about.rows[0]["computes on"]
    setting = replace(setting, device=device, short=device == "cpu")
    jobs = [job for job in plan(setting) if not options.only or any(job.part.startswith(part) for part in options.only)]
    facts = {**about.rows[0], "time": f"{options.minutes:g} minutes at most", "short": setting.short}
    out = options.out or (TRIED if setting.short else RESULTS)
    done = measure(jobs, setting, options.minutes * 60 - (time.monotonic() - started), facts, out)
    print((out / "gpu.md").read_text("utf-8"), end="")
    print(f"\nTable and figures: {out / 'gpu.md'}, {out / 'gpu.json'}")
    return 0 if all(one.state == "measured" and not any(row["reason"] for row in one.rows) for one in done) else 1


def measure(jobs: Sequence[Job], setting: Setting, seconds: float, about: dict, out: Path) -> list[Done]:
    """Run the jobs and write the report after each of them."""
    done: list[Done] = []
    write_report(out, about, done)
    for one in run_jobs(jobs, setting, seconds, lambda text: print(text, flush=True)):
        done.append(one)
        write_report(out, about, done)
    return done


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="at most (default: %(default)g)")
    parser.add_argument("--device", choices=["auto", "cuda", "cpu"], default="auto", help="(default: a GPU if any)")
    parser.add_argument("--only", nargs="+", metavar="PART", help="parts whose names begin so, such as memory")
    where = "(default: benchmarks/results; shortened, out/gpu)"
    parser.add_argument("--out", type=Path, metavar="FOLDER", help=where)
    return parser


if __name__ == "__main__":
    sys.exit(main())

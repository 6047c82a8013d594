"""`evaluate names`: whether the model of a suite knows names."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..console.progress import progress_bar, quiet_loaders
from ..files.atomic import write_atomically
from ..suite.engines.base import open_bench
from ..suite.known_names import CELEBRITIES, NamesKnown, name_groups, names_sheet, report
from ..suite.known_names.of_model import ask_bench, names_of
from ..suite.read import read_suite, shipped_suites
from .arguments import count, usable_device
from .engine_options import add_world, with_world_options
from .outputs import add_replace, check_out_folder
from .photos import save_picture
from .say import say

NAMES = 12
FILES = ("names.md", "names.json", "names.png")


def add_names(actions: Any) -> None:
    command = actions.add_parser("names", help="ask a model whether it knows names (experimental)")
    command.set_defaults(run=_run, interrupted="no answer was written")
    add = command.add_argument
    add("suite", help=f"whose model, sampling and recogniser to use: a file, or one of {', '.join(shipped_suites())}")
    add("--out", type=Path, required=True, metavar="DIR", help=f"folder for {', '.join(FILES)}")
    add_replace(command)
    add("--count", type=count, default=NAMES, metavar="N", help="names of each kind, 4 to 100 (default: %(default)s)")
    add("--seed", type=int, default=0, help="which names are drawn (default: %(default)s)")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add("--device", type=usable_device, default=device, help="cpu, cuda, mps (default: %(default)s)")
    add_world(command)


def _run(options: argparse.Namespace) -> None:
    """Write the answer, and say it."""
    check_out_folder(options.out, FILES, options.replace)
    quiet_loaders("diffusers")
    suite = replace(with_world_options(read_suite(options.suite), options), methods=())
    bench = open_bench(suite, options.device)
    groups = name_groups(names_of(bench.name_spaces), options.count, options.seed)
    with progress_bar(total=sum(map(len, groups.values())), unit="name") as bar:

        def on_name(name: str) -> None:
            bar.set_postfix_str(name, refresh=False)
            bar.update()

        known, recogniser = ask_bench(bench, groups, on_name)
    text = report(known, recogniser)
    content = {"names.md": text + "\n", "names.json": json.dumps(_as_dict(known, recogniser), indent=2) + "\n"}
    for name, written in content.items():
        write_atomically(options.out / name, written.encode(), replace=options.replace)
    save_picture(names_sheet(known)[0].movedim(-1, 0), options.out / "names.png", options.replace)
    say(f"{text}\nWritten to {options.out}")


def _as_dict(known: NamesKnown, recogniser: str) -> dict[str, Any]:
    groups = {
        title: {"separation": dict(zip(group.names, group.same_first, strict=True)), "faces": group.faces}
        for title, group in known.groups.items()
    }
    return {"recogniser": recogniser, "separation": known.groups[CELEBRITIES].separation.mean, "groups": groups}

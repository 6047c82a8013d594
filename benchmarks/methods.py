"""The three methods side by side on the same people of the mini world, each at its own default settings.

PYTHONPATH=. python benchmarks/methods.py [--people 32] [--seeds 0 1 2] [--methods ...] [--textual-inversion-steps 1000]

Textual Inversion's 5,000 steps of 4 views are too many for a processor; its steps are an argument, and the row says
them. `--augmentation none` is the demo's preset for all (the photo as it is, hair weight 1.0), `published` what the
published code of StableIdentity does. Results are kept per method and seed, so that a run can be broken off and taken
up again; the table is made of whatever is there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch
from closed_world import RESOLUTION, VIEWS, World, make_world, pictures_of
from tables import COLUMNS, COMPARED, Results, Row, difference, grouped, weights_hash, with_error
from torch import Tensor

from mini_world.look import PROMPTS
from mini_world.measure import measure_people
from stableidentity_core.methods import METHODS, Method
from stableidentity_core.train import TrainConfig, TrainingRun, default_config, train_together
from stableidentity_core.train.config import Augmentation
from stableidentity_core.train.projector_init import make_projector

TITLES: dict[Method, str] = {
    "stableidentity": "StableIdentity",
    "celeb_basis": "Celeb-Basis",
    "textual_inversion": "Textual Inversion",
}
HAIR_WEIGHT: dict[Augmentation, float] = {"none": 1.0, "published": 0.1}
SHOWN = ("face_similarity", "rank_1", "prompt_accuracy")


def config_of(method: Method, seed: int, augmentation: Augmentation, steps: int | None = None) -> TrainConfig:
    """The method's own settings at the mini world's size; photo and masks as the augmentation has them for all."""
    own = default_config(method)
    return replace(
        own,
        seed=seed,
        steps=steps or own.steps,
        resolution=RESOLUTION,
        augmentation=augmentation,
        cached_views=VIEWS[augmentation],
        hair_weight=HAIR_WEIGHT[augmentation],
    )


def learn(world: World, config: TrainConfig, at_once: int) -> tuple[Tensor, float]:
    """Words [P, 2, D] of everybody, and the processor seconds of training."""
    words, seconds = [], 0.0
    for start in range(0, len(world.faces), at_once):
        runs = [
            TrainingRun(
                world.backend, [face], make_projector(world.backend, [face], [world.name_space], config), config
            )
            for face in world.faces[start : start + at_once]
        ]
        started = time.process_time()
        for _ in train_together(runs):
            pass
        seconds += time.process_time() - started
        words += [run.words()[world.name_space.space] for run in runs]
    return torch.stack(words), seconds


def row(world: World, config: TrainConfig, at_once: int, setting: str) -> Row:
    words, seconds = learn(world, config, at_once)
    figures = measure_people(world.evaluators, pictures_of(world, words, config.seed), world.people, list(PROMPTS))
    return {
        "setting": setting,
        "title": f"{TITLES[config.method]}, {describe_steps(config)}",
        "seed": config.seed,
        "seconds": seconds,
        "at_once": at_once,
        "config": config.as_dict(),
        "value_range": [words.min().item(), words.max().item()],
        **figures,
    }


def describe_steps(config: TrainConfig) -> str:
    own = default_config(config.method).steps
    of = "" if config.steps == own else f" (of {own:,})"
    return f"{config.steps:,} steps{of} of {config.batch_size}"


def markdown(rows: Sequence[Row], people: int) -> str:
    """One line per method: processor time for a person, means with standard errors over people, the distance from
    StableIdentity person by person, the words' range."""
    groups = grouped(rows)
    base = next((group for group in groups.values() if group[0]["config"]["method"] == "stableidentity"), [])
    against = [f"{COLUMNS[key]} against {TITLES['stableidentity']}" for key in COMPARED]
    heads = ["method", "processor time for a person", *(COLUMNS[key] for key in SHOWN), *against, "values", "seeds"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for group in groups.values():
        seconds = sum(one["seconds"] for one in group) / len(group) / people
        cells = ["{:.3f} ± {:.3f}".format(*with_error(group, key)) for key in SHOWN]
        comparable = base and group is not base
        cells += ["{:+.3f} ± {:.3f}".format(*difference(group, base, key)) if comparable else "" for key in COMPARED]
        low = min(one["value_range"][0] for one in group)
        high = max(one["value_range"][1] for one in group)
        lines.append(
            f"| {group[0]['title']} | {seconds:.1f} s | {' | '.join(cells)} | {low:.2f} .. {high:.2f} | {len(group)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    world = make_world(options.people)
    store = Results(
        options.out, {"people": options.people, "weights": weights_hash(), "augmentation": options.augmentation}
    )
    given: dict[Method, int | None] = {
        "stableidentity": options.stableidentity_steps,
        "celeb_basis": options.celeb_basis_steps,
        "textual_inversion": options.textual_inversion_steps,
    }
    for seed in options.seeds:
        for method in options.methods:
            config = config_of(method, seed, options.augmentation, given[method])
            setting = f"{method}_{config.steps}_{options.augmentation}"
            if not store.has(f"{setting}_{seed}"):
                work = partial(row, world, config, options.at_once, setting)
                store.once(f"{setting}_{seed}", lambda work=work: [work()])
                print(store.last_line(), flush=True)
    table = markdown(store.rows(), options.people)
    (options.out / f"table_{options.augmentation}.md").write_text(table, "utf-8")
    print(table, end="")


def arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--people", type=int, default=32)
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    add("--augmentation", choices=get_args(Augmentation), default="none")
    add("--at-once", type=int, default=8, help="people that are learned side by side (default: %(default)s)")
    add("--textual-inversion-steps", type=int, default=1000, help="published: 5000 (default: %(default)s)")
    add("--stableidentity-steps", type=int, help="for a trial (default: its own)")
    add("--celeb-basis-steps", type=int, help="for a trial (default: its own)")
    add("--out", type=Path, default=Path(__file__).parent / "results" / "methods")
    return parser.parse_args()


if __name__ == "__main__":
    main()

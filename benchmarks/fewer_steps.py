"""How soon a person is learned: ways to need fewer steps, in the mini world.

python benchmarks/fewer_steps.py [--people 32] [--seeds 0] [--only SETTING ...]

Every row takes the photo as it is and the hair at full weight, as the demo does, and has as many views in all as its
steps times its batch. The paper's 450 steps and the demo's preset, by closed_world.py, stand beside them.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from closed_world import World, make_world, row_of_words, train_config
from crowd import Crowd, Tricks, learn_crowd, make_crowd
from tables import Results, Row, weights_hash, write_tables

BESIDE = ("named", "paper", "plain", "demo")


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    title: str
    config: dict[str, Any]
    tricks: Tricks = field(default_factory=Tricks)


COSINE = {"rate_schedule": "cosine"}
SETTINGS = {
    "100": Setting("100 steps at 5e-5", {"steps": 100}),
    "100_2": Setting("100 steps at 2e-4", {"steps": 100, "learning_rate": 2e-4}),
    "100_5": Setting("100 steps at 5e-4", {"steps": 100, "learning_rate": 5e-4}),
    "100_cosine": Setting("100 steps at 5e-4 falling to 0", {"steps": 100, "learning_rate": 5e-4, **COSINE}),
    "100_stratified": Setting(
        "100 steps at 5e-4 falling to 0, stratified timesteps",
        {"steps": 100, "learning_rate": 5e-4, **COSINE},
        Tricks(stratified=True),
    ),
    "100_antithetic": Setting(
        "100 steps at 5e-4 falling to 0, antithetic noise",
        {"steps": 100, "learning_rate": 5e-4, **COSINE},
        Tricks(antithetic=True),
    ),
    "100_averaged": Setting(
        "100 steps at 5e-4, words averaged", {"steps": 100, "learning_rate": 5e-4}, Tricks(averaged=True)
    ),
    "25x4": Setting(
        "25 steps of batch 4 at 1e-3 falling to 0", {"steps": 25, "batch_size": 4, "learning_rate": 1e-3, **COSINE}
    ),
    "50_cosine": Setting("50 steps at 1e-3 falling to 0", {"steps": 50, "learning_rate": 1e-3, **COSINE}),
}


def run(name: str, seed: int, world: World, crowd: Crowd) -> Row:
    setting = SETTINGS[name]
    config = train_config(seed, "none", hair_weight=1.0, **setting.config)
    started = time.monotonic()
    words = learn_crowd(world.backend, crowd, world.name_space, config, tricks=setting.tricks)
    return row_of_words(world, name, setting.title, seed, words, time.monotonic() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "fewer_steps")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    world = make_world(options.people)
    store = Results(options.out, {"people": options.people, "weights": weights_hash()})
    for seed in options.seeds:
        crowd = make_crowd(world.backend, world.faces, train_config(seed, "none"))
        for name in options.only:
            if not store.has(f"{name}_{seed}"):
                store.once(f"{name}_{seed}", lambda: [run(name, seed, world, crowd)])
                print(store.last_line(), flush=True)
    beside = Results(options.out.with_name("closed_world"), store.conditions).rows()
    write_tables(options.out, [row for row in beside if row["setting"] in BESIDE] + store.rows())


if __name__ == "__main__":
    main()

"""How soon a person is learned: ways to need fewer steps, in the mini world.

python benchmarks/fewer_steps.py [--people 32] [--seeds 0] [--only SETTING ...] [--at-once 16]

Every row takes the photo as it is and the hair at full weight, as the demo does. The paper's 450 steps and the demo's
preset, by ablations.py, stand beside them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from options import RESULTS, parser_of, results_of
from tables import Row, parts_of, write_tables
from world import World, make_world, row_of_words, train_config

BESIDE = ("named", "paper", "plain", "demo", "fast")


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    title: str
    config: Mapping[str, Any]


COSINE = {"rate_schedule": "cosine"}
SETTINGS = {
    "100": Setting("100 steps at 5e-5", {"steps": 100}),
    "100_2": Setting("100 steps at 2e-4", {"steps": 100, "learning_rate": 2e-4}),
    "100_5": Setting("100 steps at 5e-4", {"steps": 100, "learning_rate": 5e-4}),
    "100_cosine": Setting("100 steps at 5e-4 falling to 0", {"steps": 100, "learning_rate": 5e-4, **COSINE}),
    "25x4": Setting(
        "25 steps of batch 4 at 1e-3 falling to 0", {"steps": 25, "batch_size": 4, "learning_rate": 1e-3, **COSINE}
    ),
    "50_cosine": Setting("50 steps at 1e-3 falling to 0", {"steps": 50, "learning_rate": 1e-3, **COSINE}),
}


def run(world: World, name: str, seed: int) -> Row:
    setting = SETTINGS[name]
    started = time.monotonic()
    words = world.learn(train_config(seed, "none", hair_weight=1.0, **setting.config))
    return row_of_words(world, name, setting.title, seed, words, time.monotonic() - started)


def main() -> None:
    parser = parser_of(__doc__, "fewer_steps", people=32, seeds=[0])
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    options = parser.parse_args()
    world = make_world(options.people, options.at_once)
    results = results_of(options)
    for seed in options.seeds:
        for name in options.only:
            results.measure(f"{name}_{seed}", partial(run, world, name, seed))
    write_tables(results, beside=parts_of(RESULTS / "ablations.json", BESIDE))


if __name__ == "__main__":
    main()

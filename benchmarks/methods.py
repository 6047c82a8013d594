"""The three methods side by side on the same people of the mini world, each at its own default settings.

python benchmarks/methods.py [--people 32] [--seeds 0 1 2] [--methods ...] [--textual-inversion-steps 1000]

Textual Inversion's 5,000 steps of 4 views are too many for a processor; its steps are an argument, and the row says
them. `--augmentation none` is the demo's preset for all (the photo as it is, hair weight 1.0), `published` what the
published code of StableIdentity does.
"""

from __future__ import annotations

import time
from argparse import Namespace
from dataclasses import replace
from functools import partial
from typing import get_args

from options import parser_of, results_of
from tables import COLUMNS, COMPARED, Part, Row, difference, grouped, with_error, write_sections
from world import RESOLUTION, VIEWS, World, make_world, row_of_words

from stableidentity_core.methods.registry import DEFAULT, METHODS
from stableidentity_core.train import TrainConfig, default_config
from stableidentity_core.train.config import Augmentation

HAIR_WEIGHT: dict[Augmentation, float] = {"none": 1.0, "published": 0.1}
SHOWN = ("face_similarity", "rank_1", "prompt_accuracy")


def config_of(method: str, seed: int, augmentation: Augmentation, steps: int | None = None) -> TrainConfig:
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


def run(world: World, config: TrainConfig, setting: str) -> Row:
    """Learn all people by one method and measure their pictures; `seconds` are the processor's."""
    started = time.process_time()
    words = world.learn(config)
    seconds = time.process_time() - started
    title = f"{METHODS[config.method].title}, {describe_steps(config)}"
    row = row_of_words(world, setting, title, config.seed, words, seconds)
    return {**row, "config": config.as_dict()}


def describe_steps(config: TrainConfig) -> str:
    own = default_config(config.method).steps
    of = "" if config.steps == own else f" (of {own:,})"
    return f"{config.steps:,} steps{of} of {config.batch_size}"


def markdown(part: Part) -> str:
    """One line per method: processor time for a person, means with standard errors over people, the distance from
    StableIdentity person by person, the words' range."""
    groups = grouped(list(part.rows.values()))
    base = next((group for group in groups.values() if group[0]["config"]["method"] == DEFAULT), [])
    against = [f"{COLUMNS[key]} against {METHODS[DEFAULT].title}" for key in COMPARED]
    heads = ["method", "processor time for a person", *(COLUMNS[key] for key in SHOWN), *against, "values", "seeds"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for group in groups.values():
        seconds = sum(one["seconds"] for one in group) / len(group) / part.conditions["people"]
        cells = ["{:.3f} ± {:.3f}".format(*with_error(group, key)) for key in SHOWN]
        comparable = group is not base and {one["seed"] for one in group} & {one["seed"] for one in base}
        cells += ["{:+.3f} ± {:.3f}".format(*difference(group, base, key)) if comparable else "" for key in COMPARED]
        low = min(one["value_range"][0] for one in group)
        high = max(one["value_range"][1] for one in group)
        lines.append(
            f"| {group[0]['title']} | {seconds:.1f} s | {' | '.join(cells)} | {low:.2f} .. {high:.2f} | {len(group)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    options = arguments()
    world = make_world(options.people, options.at_once)
    results = results_of(options, augmentation=options.augmentation)
    given: dict[str, int | None] = {
        "stableidentity": options.stableidentity_steps,
        "celeb_basis": options.celeb_basis_steps,
        "textual_inversion": options.textual_inversion_steps,
    }
    for seed in options.seeds:
        for method in options.methods:
            config = config_of(method, seed, options.augmentation, given[method])
            setting = f"{method}_{config.steps}"
            results.measure(f"{setting}_{seed}", partial(run, world, config, setting))
    write_sections(options.out, results.parts(), markdown)


def arguments() -> Namespace:
    parser = parser_of(__doc__, "methods", people=32, seeds=[0, 1, 2])
    add = parser.add_argument
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    add("--augmentation", choices=get_args(Augmentation), default="none")
    add("--textual-inversion-steps", type=int, default=1000, help="published: 5000 (default: %(default)s)")
    add("--stableidentity-steps", type=int, help="for a trial (default: its own)")
    add("--celeb-basis-steps", type=int, help="for a trial (default: its own)")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Which part of the published code's augmentation costs likeness: each part alone, in the mini world.

python benchmarks/augmentation_parts.py [--people 16] [--seeds 0] [--only PART ...] [--at-once 16]

The paper's settings but for the augmentation: all of it, none, or the colour jitter, the mirror image, the crop or the
pasting on black alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from unittest.mock import patch

from options import parser_of, results_of
from tables import Row, write_tables
from torch import Tensor
from world import World, make_world, row_of_words, train_config

from stableidentity_core.train import augment

TITLES = {
    "color_jitter": "colour jitter",
    "random_mirror": "mirror image",
    "random_crop": "crop",
    "random_paste": "shrunk on black",
}
SETTINGS = {"all": "all of it", **{part: f"{title} alone" for part, title in TITLES.items()}, "none": "none of it"}


@contextmanager
def alone(part: str) -> Iterator[None]:
    """Inside, augmentation does nothing but this part."""
    with ExitStack() as stack:
        for other in TITLES:
            if other != part:
                replacement = _unmirrored if other == "random_mirror" else _as_it_is
                stack.enter_context(patch.object(augment, other, replacement))
        yield


def _as_it_is(picture: Tensor, generator: object) -> Tensor:
    return picture


def _unmirrored(stack: Tensor, generator: object) -> tuple[Tensor, bool]:
    return stack, False


def run(world: World, part: str, seed: int) -> Row:
    started = time.monotonic()
    with alone(part) if part in TITLES else nullcontext():
        words = world.learn(train_config(seed, "none" if part == "none" else "published"))
    return row_of_words(world, part, SETTINGS[part], seed, words, time.monotonic() - started)


def main() -> None:
    parser = parser_of(__doc__, "augmentation_parts", people=16, seeds=[0])
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    options = parser.parse_args()
    world = make_world(options.people, options.at_once)
    results = results_of(options)
    for seed in options.seeds:
        for part in options.only:
            results.measure(f"{part}_{seed}", partial(run, world, part, seed))
    write_tables(results, base="all")


if __name__ == "__main__":
    main()

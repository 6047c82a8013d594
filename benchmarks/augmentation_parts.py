"""Which part of the published code's augmentation costs likeness: each part alone, in the mini world.

python benchmarks/augmentation_parts.py [--people 16] [--seeds 0] [--only PART ...]

The paper's settings but for the augmentation: all of it, none, or the colour jitter, the mirror image, the crop or the
pasting on black alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from unittest.mock import patch

from closed_world import make_world, row_of_words, train_config
from crowd import learn_crowd, make_crowd
from tables import Results, weights_hash, write_tables
from torch import Tensor

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "augmentation_parts")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    world = make_world(options.people)
    store = Results(options.out, {"people": options.people, "weights": weights_hash()})
    for seed in options.seeds:
        for part in options.only:
            if store.has(f"{part}_{seed}"):
                continue
            config = train_config(seed, "none" if part == "none" else "published")
            with alone(part) if part in TITLES else nullcontext():
                crowd = make_crowd(world.backend, world.faces, config)
            words = learn_crowd(world.backend, crowd, world.name_space, config)
            store.once(f"{part}_{seed}", lambda: [row_of_words(world, part, SETTINGS[part], seed, words, 0.0)])
            print(store.last_line(), flush=True)
    write_tables(options.out, store.rows(), base="all")


if __name__ == "__main__":
    main()

"""What other benchmarks of the mini world stand beside: true pictures, pictures of names, and the paper's settings.

python benchmarks/references.py [--people 32] [--seeds 0 1 2] [--at-once 16]

True pictures, through the VAE and not, and those of another person are no method that `closed_world.py` could run. The
paper's settings are learned in the way of the benchmarks that stand beside them, see `learning.py`. Each row is written
when it is measured, so that an interrupted run resumes where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from options import parser_of, results_of
from tables import Row, write_tables
from torch import Tensor
from world import World, make_world, pictures_of, row_of_pictures, row_of_words, train_config

from mini_world.look import PROMPTS
from mini_world.measure import picture_tensor
from mini_world.person import named_person


def paper(world: World, seed: int) -> Row:
    """Everybody learned by the paper's settings."""
    started = time.monotonic()
    words = world.learn(train_config(seed))
    return row_of_words(world, "paper", "paper's settings", seed, words, time.monotonic() - started)


def references(world: World, seeds: Sequence[int]) -> dict[str, Callable[[], Row]]:
    """By name: what no method can beat or should fall below: true pictures, through the VAE, names, other people."""

    def true() -> Tensor:
        return torch.stack([torch.stack([picture_tensor(person, look) for look in PROMPTS]) for person in world.people])

    others = [*world.people[1:], *world.people[:1]]
    works: dict[str, Callable[[], Row]] = {
        "true_0": lambda: row_of_pictures(world, "true", "true pictures", 0, true()),
        "vae_0": lambda: row_of_pictures(world, "vae", "true pictures through the VAE", 0, _through_vae(world, true())),
        "others_0": lambda: row_of_pictures(world, "others", "true pictures of another person", 0, true(), others),
        **{f"named_{seed}": partial(_named, world, seed) for seed in seeds},
    }
    low, high = world.names.value_range
    return {name: partial(_with_range, work, [low, high]) for name, work in works.items()}


def _with_range(work: Callable[[], Row], value_range: Sequence[float]) -> Row:
    return {**work(), "value_range": list(value_range)}


def _through_vae(world: World, pictures: Tensor) -> Tensor:  # [P, N, 3, 128, 128]
    backend = world.backend
    return torch.stack([backend.decode(backend.encode_posterior(shown).mean) for shown in pictures])


def _named(world: World, seed: int) -> Row:
    """People whose names the text encoder knows."""
    known = [name for name in world.names.names if len(name.split()) == 2]
    people = len(world.people)
    chosen = known[:: len(known) // people][:people]
    rows = [world.names.names.index(name) for name in chosen]
    words = [{world.names.space: world.names.embeddings[row]} for row in rows]
    pictures = pictures_of(world, words, seed)
    return row_of_pictures(
        world, "named", "people with a name", seed, pictures, [named_person(name) for name in chosen]
    )


def main() -> None:
    options = parser_of(__doc__, "references", people=32, seeds=[0, 1, 2]).parse_args()
    world = make_world(options.people, options.at_once)
    results = results_of(options)
    for name, work in references(world, options.seeds).items():
        results.measure(name, work)
    for seed in options.seeds:
        results.measure(f"paper_{seed}", partial(paper, world, seed))
    write_tables(results)


if __name__ == "__main__":
    main()

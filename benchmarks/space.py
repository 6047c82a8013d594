"""The paper's Figure 7 and Table 3 in the mini world: where learned words lie among the names, with AdaIN and without.

python benchmarks/space.py [--people 4] [--out benchmarks/results/space]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from closed_world import SETTINGS, make_world, train_config
from crowd import learn_crowd, make_crowd
from PIL import Image
from torch import Tensor

from stableidentity_core.evaluate.name_map.picture import space_map
from stableidentity_core.evaluate.name_map.ranges import range_table

SHOWN = {"paper": "paper", "no_adain": "no AdaIN", "joint_affine": "joint affine", "demo": "demo"}


def learn(people: int) -> tuple[dict[str, Tensor], object]:
    """Words [2, D] of each person by each setting, and the name space."""
    world = make_world(people)
    words = {}
    for key, label in SHOWN.items():
        config = train_config(0, **SETTINGS[key].config)
        learned = learn_crowd(world.backend, make_crowd(world.backend, world.faces, config), world.name_space, config)
        words |= {f"{label} {number}": pair for number, pair in enumerate(learned, 1)}
    return words, world.name_space


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "space")
    options = parser.parse_args()
    words, names = learn(options.people)
    options.out.mkdir(parents=True, exist_ok=True)
    picture = (space_map(names, words, "PCA").numpy() * 255).round().astype(np.uint8)
    Image.fromarray(picture).save(options.out / "map.png")
    by_space = {label: {names.space: pair} for label, pair in words.items()}
    (options.out / "table.md").write_text(range_table([names], by_space), "utf-8")


if __name__ == "__main__":
    main()

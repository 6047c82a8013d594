"""The paper's Figure 7 and Table 3 in the mini world: where learned words lie among the names, with AdaIN and without.

python benchmarks/space.py [--people 4] [--at-once 16] [--out benchmarks/results/space]

Writes the map to OUT.png and the table to OUT.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from options import parser_of
from PIL import Image
from world import make_world, train_config

from stableidentity_core.evaluate.name_map.picture import space_map
from stableidentity_core.evaluate.name_map.ranges import range_table

SHOWN: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    "no AdaIN": {"normalization": "none"},
    "joint affine": {"normalization": "joint_affine"},
    "demo": {"augmentation": "none", "hair_weight": 1.0},
}


def main() -> None:
    options = parser_of(__doc__, "space", people=4).parse_args()
    world = make_world(options.people, options.at_once)
    words = {}
    for label, config in SHOWN.items():
        learned = world.learn(train_config(0, **config))
        words |= {f"{label} {number}": own for number, own in enumerate(learned, 1)}
    pairs = {label: own[world.names.space] for label, own in words.items()}
    picture = (space_map(world.names, pairs, "PCA").numpy() * 255).round().astype(np.uint8)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(options.out.with_suffix(".png"))
    options.out.with_suffix(".md").write_text(range_table(world.name_spaces, words), "utf-8")


if __name__ == "__main__":
    main()

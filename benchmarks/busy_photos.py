"""Why leaving out the mask costs nothing in `closed_world.py parts`: its photos have but a grey wall behind them.

python benchmarks/busy_photos.py [--people 16] [--seeds 0] [--at-once 16]

The same people in front of a grey wall and in a busy photo (on the beach, in a red shirt, smiling), with the mask and
without it; the demo's preset.
"""

from __future__ import annotations

import time
from functools import partial

from options import parser_of, results_of
from tables import Row, write_tables
from world import World, make_world, photo, row_of_words, train_config

from mini_world.look import Look
from mini_world.painter import paint
from stableidentity_core.encode import encode_face
from stableidentity_core.suite.methods.words import without_masks
from stableidentity_core.train.presets import PRESETS

LOOKS = {"busy": Look(shirt="red shirt", scene="beach", expression="smiling"), "grey_wall": Look()}


def run(world: World, where: str, masked: bool, setting: str, seed: int) -> Row:
    faces = [encode_face(world.encoder, photo(paint(person, LOOKS[where]))) for person in world.people]
    faces = faces if masked else [without_masks(face) for face in faces]
    started = time.monotonic()
    words = world.learn(train_config(seed, **PRESETS["fast"], hair_weight=1.0), faces)
    title = f"{where.replace('_', ' ')} photo, {'with' if masked else 'no'} mask"
    return row_of_words(world, setting, title, seed, words, time.monotonic() - started)


def main() -> None:
    options = parser_of(__doc__, "busy_photos", people=16, seeds=[0]).parse_args()
    world = make_world(options.people, options.at_once)
    results = results_of(options)
    for seed in options.seeds:
        for where in LOOKS:
            for masked in (True, False):
                setting = f"{where}_{'mask' if masked else 'no_mask'}"
                results.measure(f"{setting}_{seed}", partial(run, world, where, masked, setting, seed))
    write_tables(results, base="busy_mask")


if __name__ == "__main__":
    main()

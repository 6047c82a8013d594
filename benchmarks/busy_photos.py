"""Why leaving out the mask costs nothing in closed_world.py, whose photos have but a grey wall to learn by mistake.

python benchmarks/busy_photos.py [--people 16] [--seeds 0]

The same people in front of a grey wall and in a busy photo (on the beach, in a red shirt, smiling), with the mask and
without it; the demo's preset.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from closed_world import World, make_world, photo, row_of_words, train_config
from crowd import learn_crowd, make_crowd
from tables import Results, Row, weights_hash, write_tables

from mini_world.look import Look
from mini_world.painter import paint
from mini_world.pipeline import mini_world_encoder
from mini_world.weights import load_weights
from stableidentity_core.encode import encode_face
from stableidentity_core.train.presets import PRESETS

LOOKS = {"grey wall": Look(), "busy": Look(shirt="red shirt", scene="beach", expression="smiling")}


def run(where: str, masked: bool, seed: int, world: World) -> Row:
    encoder = mini_world_encoder(load_weights())
    faces = [encode_face(encoder, photo(paint(person, LOOKS[where]))) for person in world.people]
    config = train_config(seed, **PRESETS["fast"], hair_weight=1.0)
    crowd = make_crowd(world.backend, faces, config)
    crowd = crowd if masked else crowd.without_masks()
    words = learn_crowd(world.backend, crowd, world.name_space, config)
    title = f"{where} photo, {'with' if masked else 'no'} mask"
    return row_of_words(world, title, title, seed, words, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "busy_photos")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    world = make_world(options.people)
    store = Results(options.out, {"people": options.people, "weights": weights_hash()})
    for seed in options.seeds:
        for where in reversed(LOOKS):
            for masked in (True, False):
                name = f"{where.replace(' ', '_')}_{'mask' if masked else 'no_mask'}_{seed}"
                store.once(name, lambda: [run(where, masked, seed, world)])
                print(store.last_line(), flush=True)
    write_tables(options.out, store.rows(), base="busy photo, with mask")


if __name__ == "__main__":
    main()

"""One projector over many drawn people: what a face encoder is worth when nobody is trained alone.

python benchmarks/shared_projector.py [--people 32] [--seeds 0 1 2] [--inputs vit generic random]
    [--starts known diffusion fresh] [--further 0 25 50 100 450]

A projector is learned over many people and applied to new ones, with 0 to 450 further steps each, beside the
per-person start (`fresh`). `known` learns from the celebrities, whose words are those of their names; `diffusion` by
the loss of the method over celebrities and people without a name. Its input is the face ViT's feature, that of a
network which reads hats and scenes, or a random vector per picture. Rows of closed_world.py stand beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import torch
from closed_world import RESOLUTION, World, make_world, pictures_of, train_config
from crowd import Crowd, learn_crowd, make_crowd
from tables import Results, weights_hash, write_tables
from torch import Tensor

from stableidentity_core.demo.look import PROMPTS
from stableidentity_core.demo.measure import measure_people
from stableidentity_core.demo.pipeline import mini_world_encoder
from stableidentity_core.demo.weights import load_weights
from stableidentity_core.face.portrait import Face
from stableidentity_core.learn_projector import MANY_PEOPLE
from stableidentity_core.train.shared import HELD_OUT, EncodedPeople, SharedRun, encode_people
from stableidentity_core.words.projector import StableIdentityProjector
from training.mini_world.projector import photos

NAMELESS = 600
RATE = 2e-4  # of the further steps, from whatever start
Encoder = Callable[[Tensor], Tensor]  # portraits [B, 3, S, S] -> features [B, F]


def encoders(world: World) -> dict[str, Encoder]:
    """What the projector's input can be."""
    vit = mini_world_encoder(load_weights())
    return {"vit": vit, "generic": lambda portraits: _read(world, portraits), "random": _drawn}


BESIDE = ("named", "paper", "plain", "demo")
TITLES = {"vit": "face ViT", "generic": "generic network", "random": "random vectors"}


def _read(world: World, portraits: Tensor) -> Tensor:
    """What a network sees that was trained to read hats and scenes, not people."""
    small = torch.nn.functional.interpolate(portraits, (RESOLUTION,) * 2, mode="area")
    features = world.judges.reader.features(small)
    return torch.nn.functional.layer_norm(features, features.shape[-1:])


def _drawn(portraits: Tensor) -> Tensor:
    """A vector per picture that knows nothing: its seed is the picture."""
    seeds = [int(portrait.double().sum().item() * 1e6) % 2**31 for portrait in portraits]
    return torch.stack([torch.randn(96, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def training_people(world: World) -> dict[str, EncodedPeople]:
    """Celebrities and people without a name, by input; none of them is measured."""
    known = encoders(world)
    features: dict[str, list[Tensor]] = {kind: [] for kind in known}

    def watched() -> Iterator[tuple[str, Face]]:
        names = [name for name in world.name_space.names if len(name.split()) == 2]
        for number, (title, face) in enumerate(photos(names, NAMELESS, mini_world_encoder(load_weights())), 1):
            if number % HELD_OUT:
                for kind, encoder in known.items():
                    features[kind].append(_features(encoder, face))
            yield title, face

    people = encode_people(world.backend, watched(), MANY)
    return {kind: _with_features(people, torch.stack(found)) for kind, found in features.items()}


MANY = replace(MANY_PEOPLE, resolution=RESOLUTION)


def _features(encoder: Encoder, face: Face) -> Tensor:  # [F]
    with torch.no_grad():
        return encoder(face.image[None])[0]


def _with_features(people: EncodedPeople, features: Tensor) -> EncodedPeople:
    return replace(people, features=features, learned=replace(people.learned, features=features), held_out=None)


def start_of(kind: str, world: World, people: EncodedPeople, seed: int) -> StableIdentityProjector:
    """A projector learned over the people."""
    config = replace(MANY, seed=seed)
    draws = torch.Generator().manual_seed(seed)
    projector = StableIdentityProjector(people.features.shape[1], [world.name_space], generator=draws)
    run = SharedRun(world.backend, people, projector, config)
    if kind == "known":
        run.start_known([world.name_space])
    else:
        for _report in run:
            pass
    return projector.eval().requires_grad_(False)


def row_of(
    world: World, crowd: Crowd, start: StableIdentityProjector | None, steps: int, seed: int, title: str
) -> dict[str, Any]:
    """From this start, or from a fresh one for each person, after so many further steps."""
    words = _refined(world, crowd, start, steps, seed) if steps or start is None else _applied(start, crowd)
    figures = measure_people(world.judges, pictures_of(world, words, seed), world.people, list(PROMPTS))
    limits = [words.min().item(), words.max().item()]
    return {"setting": title, "title": title, "seed": seed, "seconds": 0.0, "value_range": limits, **figures}


def _applied(start: StableIdentityProjector, crowd: Crowd) -> Tensor:
    with torch.no_grad():
        return next(iter(start(crowd.plain).values()))


def _refined(world: World, crowd: Crowd, start: StableIdentityProjector | None, steps: int, seed: int) -> Tensor:
    config = train_config(seed, "none", steps=steps, learning_rate=RATE, hair_weight=1.0)
    return learn_crowd(world.backend, crowd, world.name_space, config, start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--inputs", nargs="+", choices=list(TITLES), default=list(TITLES))
    parser.add_argument("--starts", nargs="+", choices=["known", "diffusion", "fresh"], default=["known", "fresh"])
    parser.add_argument("--further", type=int, nargs="+", default=[0, 25, 50, 100, 450])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "shared_projector")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    world = make_world(options.people)
    store = Results(options.out, {"people": options.people, "weights": weights_hash()})
    everybody = cache(lambda: training_people(world))
    learned = cache(lambda start, kind, seed: start_of(start, world, everybody()[kind], seed))

    def crowd_of(kind: str, seed: int) -> Crowd:
        features = torch.stack([_features(encoders(world)[kind], face) for face in world.faces])
        crowd = make_crowd(world.backend, world.faces, train_config(seed, "none"))
        return crowd.with_features(features, features)

    for seed, kind, start, steps in product(options.seeds, options.inputs, options.starts, options.further):
        name = f"{kind}_{start}_{steps}_{seed}"
        if store.has(name) or (start == "fresh" and not steps):
            continue
        projector = None if start == "fresh" else learned(start, kind, seed)
        work = (world, crowd_of(kind, seed), projector, steps, seed, f"{TITLES[kind]}, {start} start, {steps} steps")
        store.once(name, lambda: [row_of(*work)])  # noqa: B023
        print(store.last_line(), flush=True)
    beside = Results(options.out.with_name("closed_world"), store.conditions).rows()
    write_tables(options.out, [row for row in beside if row["setting"] in BESIDE] + store.rows())


if __name__ == "__main__":
    main()

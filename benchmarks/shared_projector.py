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
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product, starmap
from pathlib import Path

import torch
from closed_world import RESOLUTION, World, make_world, row_of_words, train_config
from crowd import Crowd, make_crowd, words_by_step
from tables import Results, weights_hash, write_tables
from torch import Tensor

from mini_world.pipeline import mini_world_encoder
from mini_world.training.projector import photos
from mini_world.weights import load_weights
from stableidentity_core.face.portrait import Face
from stableidentity_core.methods.stableidentity import StableIdentityProjector
from stableidentity_core.train.pretraining import HELD_OUT, EncodedPeople, ProjectorPretraining, encode_people
from stableidentity_core.train.projector_session import MANY_PEOPLE

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
    features = world.evaluators.reader.features(small)
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
    run = ProjectorPretraining(world.backend, people, projector, config)
    if kind == "known":
        run.start_known([world.name_space])
    else:
        for _report in run:
            pass
    return projector.eval().requires_grad_(False)


@dataclass(frozen=True)
class Case:
    """What a row of the table begins with."""

    seed: int
    kind: str
    start: str

    def name(self, steps: int) -> str:
        return f"{self.kind}_{self.start}_{steps}_{self.seed}"

    def title(self, steps: int) -> str:
        return f"{TITLES[self.kind]}, {self.start} start, {steps} steps"


def words_after(
    world: World, crowd: Crowd, start: StableIdentityProjector | None, seed: int, steps: Collection[int]
) -> Iterator[tuple[int, Tensor]]:
    """Everybody's words after each of these numbers of steps of their own; None starts afresh for each person."""
    if start is not None and 0 in steps:
        with torch.no_grad():
            yield 0, next(iter(start(crowd.plain).values()))
    if not any(steps):
        return
    config = train_config(seed, "none", steps=max(steps), learning_rate=RATE, hair_weight=1.0)
    for step, words in enumerate(words_by_step(world.backend, crowd, world.name_space, config, start), 1):
        if step in steps:
            yield step, words


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

    def crowd_of(kind: str, seed: int) -> Crowd:
        features = torch.stack([_features(encoders(world)[kind], face) for face in world.faces])
        crowd = make_crowd(world.backend, world.faces, train_config(seed, "none"))
        return crowd.with_features(features, features)

    for case in starmap(Case, product(options.seeds, options.inputs, options.starts)):
        missing = {steps for steps in options.further if not store.has(case.name(steps))}
        missing -= {0} if case.start == "fresh" else set()
        if not missing:
            continue
        projector = None if case.start == "fresh" else start_of(case.start, world, everybody()[case.kind], case.seed)
        crowd = crowd_of(case.kind, case.seed)
        for steps, words in words_after(world, crowd, projector, case.seed, missing):
            title = case.title(steps)
            store.once(case.name(steps), lambda: [row_of_words(world, title, title, case.seed, words, 0.0)])
            print(store.last_line(), flush=True)
    beside = Results(options.out.with_name("closed_world"), store.conditions).rows()
    write_tables(options.out, [row for row in beside if row["setting"] in BESIDE] + store.rows())


if __name__ == "__main__":
    main()

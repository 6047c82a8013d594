"""The paper's ablations in the mini world: drawn people, compositional names, nothing about real photos.

python benchmarks/ablations.py [--people 32] [--seeds 0 1 2] [--only SETTING ...] [--base SETTING] [--at-once 16]

People are learned by the pack's own training loop, `--at-once` at a time. Each row is written when it is measured, so
that an interrupted run resumes where it was; tables and plots are made of all rows there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from options import parser_of, results_of
from tables import Row, write_tables
from torch import Tensor
from world import RESOLUTION, World, make_world, pictures_of, row_of_pictures, row_of_words, train_config

from mini_world.look import PROMPTS
from mini_world.measure import picture_tensor
from mini_world.person import named_person
from stableidentity_core.face.portrait import Face, FaceFeature
from stableidentity_core.train.presets import PRESETS


@dataclass(frozen=True)
class Setting:
    """One row of the table: what differs from the paper's settings."""

    title: str
    config: Mapping[str, Any] = field(default_factory=dict)
    change: Callable[[World, Face], Face] = lambda world, face: face  # of each photo, before training


def without_masks(world: World, face: Face) -> Face:
    """The whole photo counts in the loss; what augmentation puts around it still does not."""
    return replace(face, face_mask=torch.ones_like(face.face_mask), hair_mask=torch.zeros_like(face.hair_mask))


def with_generic_feature(world: World, face: Face) -> Face:
    """What a network sees that was trained to read hats and scenes, not people."""
    pictures = torch.stack([face.image, face.image.flip(-1)])
    plain, mirrored = read_generically(world, pictures)
    return face.with_feature(FaceFeature(encoder="generic", licence="as the pack", plain=plain, mirrored=mirrored))


def read_generically(world: World, portraits: Tensor) -> Tensor:  # [B, F]
    """Features of portraits [B, 3, S, S] by the look reader."""
    small = torch.nn.functional.interpolate(portraits, (RESOLUTION,) * 2, mode="area")
    with torch.no_grad():
        features = world.evaluators.reader.features(small)
    return torch.nn.functional.layer_norm(features, features.shape[-1:])


SETTINGS: Mapping[str, Setting] = {
    "paper": Setting("paper's settings"),
    "hair_1": Setting("hair weight 1.0", {"hair_weight": 1.0}),
    "no_adain": Setting("no AdaIN", {"normalization": "none"}),
    "no_mask": Setting("no mask", change=without_masks),
    "only_noise": Setting("only noise loss (alpha 0)", {"alpha": 0.0}),
    "only_rec": Setting("only reconstruction (alpha 1)", {"alpha": 1.0}),
    "alpha_0.2": Setting("alpha 0.2", {"alpha": 0.2}),
    "alpha_0.4": Setting("alpha 0.4", {"alpha": 0.4}),
    "alpha_0.8": Setting("alpha 0.8", {"alpha": 0.8}),
    "generic": Setting("generic encoder", change=with_generic_feature),
    "joint_affine": Setting("joint affine norm (published code)", {"normalization": "joint_affine"}),
    "mask_area": Setting("loss over the mask's area", {"loss_area": "mask"}),
    "scaled": Setting("reconstruction on scaled latents", {"reconstruction_latents": "scaled"}),
    "plain": Setting("photo as it is (no augmentation)", {"augmentation": "none"}),
    "pool_32": Setting("paper's settings, 32 cached views", {"cached_views": 32}),
    "pool_450": Setting("paper's settings, as many cached views as steps", {"cached_views": 450}),
    "demo": Setting("photo as it is, hair weight 1.0", {"augmentation": "none", "hair_weight": 1.0}),
    "fast": Setting("demo's preset: fast, hair weight 1.0", {**PRESETS["fast"], "hair_weight": 1.0}),
}
TABLE = [name for name in SETTINGS if not name.startswith("pool")]  # which are compared with each other alone


def run(world: World, name: str, seed: int) -> Row:
    """Learn all people by one setting and measure their pictures."""
    setting = SETTINGS[name]
    config, faces = train_config(seed, **setting.config), [setting.change(world, face) for face in world.faces]
    started = time.monotonic()
    words = world.learn(config, faces)
    return row_of_words(world, name, setting.title, seed, words, time.monotonic() - started)


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
    parser = parser_of(__doc__, "ablations", people=32, seeds=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=TABLE)
    parser.add_argument("--base", choices=list(SETTINGS), default="paper", help="what the others are compared with")
    options = parser.parse_args()
    world = make_world(options.people, options.at_once)
    results = results_of(options)
    for name, work in references(world, options.seeds).items():
        results.measure(name, work)
    for seed in options.seeds:
        for name in options.only:
            results.measure(f"{name}_{seed}", partial(run, world, name, seed))
    write_tables(results, options.base)


if __name__ == "__main__":
    main()

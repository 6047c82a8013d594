"""The paper's ablations in the mini world: drawn people, compositional names, nothing about real photos.

python benchmarks/closed_world.py [--people 32] [--seeds 0 1 2] [--only SETTING ...] [--base SETTING] [--out FOLDER]

Results are kept per setting and seed, so that a run can be broken off and taken up again; the
tables and plots are made of whatever is there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from crowd import Crowd, learn_crowd, make_crowd
from tables import Results, Row, weights_hash, write_tables
from torch import Tensor

from mini_world.evaluators import Evaluators
from mini_world.look import PROMPTS, caption
from mini_world.measure import measure_people, picture_tensor
from mini_world.painter import Portrait, paint
from mini_world.person import Person, named_person, unseen_person
from mini_world.pipeline import mini_world_backend, mini_world_encoder
from mini_world.preset import CFG, SAMPLING_STEPS
from mini_world.weights import load_weights
from stableidentity_core.backends.compute import has_matrix_units
from stableidentity_core.encode import encode_face
from stableidentity_core.evaluate.sample import sample_pictures
from stableidentity_core.face.portrait import Face, portrait
from stableidentity_core.text.names import NameSpace, build_name_space
from stableidentity_core.train.config import Augmentation, TrainConfig
from stableidentity_core.train.presets import PRESETS

FIRST_PERSON, RESOLUTION = 1001, 128
VIEWS = {"published": 96, "none": 1}  # drawn ahead, by augmentation; the photo as it is has but one
TEMPLATES = [caption(look, "{}") for look in PROMPTS]


@dataclass(frozen=True)
class Setting:
    """One row of the table: what differs from the paper's settings."""

    title: str
    config: dict[str, Any] = field(default_factory=dict)
    change: Callable[[Crowd, World], Crowd] = lambda crowd, world: crowd


def train_config(seed: int, augmentation: Augmentation = "published", **settings: Any) -> TrainConfig:
    """The paper's settings at the mini world's size, but for those given."""
    settings = {"cached_views": VIEWS[augmentation], **settings}
    return TrainConfig(seed=seed, resolution=RESOLUTION, augmentation=augmentation, **settings)


@dataclass(frozen=True)
class World:
    """The frozen models and the people of one benchmark."""

    backend: Any
    evaluators: Evaluators
    name_space: NameSpace
    people: list[Person]
    faces: list[Face]


def generic_features(crowd: Crowd, world: World) -> Crowd:
    """What a network sees that was trained to read hats and scenes, not people."""
    small = torch.nn.functional.interpolate(
        torch.stack([face.image for face in world.faces]), (RESOLUTION,) * 2, mode="area"
    )
    with torch.no_grad():
        plain, flipped = (world.evaluators.reader.features(image) for image in (small, small.flip(-1)))
    return crowd.with_features(_normal(plain), _normal(flipped))


def random_features(crowd: Crowd, world: World) -> Crowd:
    """A vector per person that knows nothing."""
    features = torch.randn(crowd.plain.shape, generator=torch.Generator().manual_seed(77))
    return crowd.with_features(_normal(features), _normal(features))


def _normal(features: Tensor) -> Tensor:
    return torch.nn.functional.layer_norm(features, features.shape[-1:])


SETTINGS: dict[str, Setting] = {
    "paper": Setting("paper's settings"),
    "hair_1": Setting("hair weight 1.0", {"hair_weight": 1.0}),
    "no_adain": Setting("no AdaIN", {"normalization": "none"}),
    "no_mask": Setting("no mask", change=lambda crowd, world: crowd.without_masks()),
    "only_noise": Setting("only noise loss (alpha 0)", {"alpha": 0.0}),
    "only_rec": Setting("only reconstruction (alpha 1)", {"alpha": 1.0}),
    "alpha_0.2": Setting("alpha 0.2", {"alpha": 0.2}),
    "alpha_0.4": Setting("alpha 0.4", {"alpha": 0.4}),
    "alpha_0.8": Setting("alpha 0.8", {"alpha": 0.8}),
    "generic": Setting("generic encoder", change=generic_features),
    "joint_affine": Setting("joint affine norm (published code)", {"normalization": "joint_affine"}),
    "mask_area": Setting("loss over the mask's area", {"loss_area": "mask"}),
    "scaled": Setting("reconstruction on scaled latents", {"reconstruction_latents": "scaled"}),
    "plain": Setting("photo as it is (no augmentation)", {"augmentation": "none"}),
    "pool_32": Setting("paper's settings, pool of 32 views", {"cached_views": 32}),
    "pool_450": Setting("paper's settings, as many views as steps", {"cached_views": 450}),
    "demo": Setting("photo as it is, hair weight 1.0", {"augmentation": "none", "hair_weight": 1.0}),
    "fast": Setting("demo's preset: fast, hair weight 1.0", {**PRESETS["fast"], "hair_weight": 1.0}),
}

TABLE = [name for name in SETTINGS if not name.startswith("pool")]  # which are held against each other apart


def make_world(people: int) -> World:
    weights = load_weights()
    backend = mini_world_backend(weights)
    _quicken(backend)
    encoder = mini_world_encoder(weights)
    name_space = build_name_space(backend.text_spaces[0])
    who = [unseen_person(FIRST_PERSON + number) for number in range(people)]
    return World(
        backend,
        Evaluators.of(weights.judge),
        name_space,
        who,
        [encode_face(encoder, photo(paint(person))) for person in who],
    )


def _quicken(backend: Any) -> None:
    """bf16 in UNet and VAE, and plain attention, where the processor is quicker so; words and loss stay float32."""
    from diffusers.models.attention_processor import AttnProcessor

    if not has_matrix_units():
        return
    backend.unet.set_attn_processor(AttnProcessor())
    for module, name in ((backend.unet, "forward"), (backend.vae, "encode"), (backend.vae, "decode")):
        setattr(module, name, torch.autocast(backend.device.type, torch.bfloat16)(getattr(module, name)))


def photo(drawn: Portrait) -> Face:
    """A painted picture with the painter's exact masks, as Prepare Face would give it."""
    image = torch.from_numpy(drawn.image.copy()).movedim(-1, 0).float() / 255
    return portrait(image, torch.from_numpy(drawn.face_mask), torch.from_numpy(drawn.hair_mask))


def run(name: str, seed: int, world: World, crowds: Callable[[int, Augmentation, int], Crowd]) -> Row:
    """Learn all people by one setting and measure their pictures."""
    setting = SETTINGS[name]
    config = train_config(seed, **setting.config)
    crowd = setting.change(crowds(seed, config.augmentation, config.cached_views), world)
    started = time.monotonic()
    words = learn_crowd(world.backend, crowd, world.name_space, config)
    return row_of_words(world, name, setting.title, seed, words, time.monotonic() - started)


def row_of_words(world: World, setting: str, title: str, seed: int, words: Tensor, seconds: float) -> Row:
    """What the words [P, 2, D] of all people are worth, as a row of a table."""
    figures = measure_people(world.evaluators, pictures_of(world, words, seed), world.people, list(PROMPTS))
    return {
        "setting": setting,
        "title": title,
        "seed": seed,
        "seconds": seconds,
        "computed_in": "bf16" if has_matrix_units() else "float32",
        "value_range": [words.min().item(), words.max().item()],
        **figures,
    }


def pictures_of(world: World, words: Tensor, seed: int) -> Tensor:
    """All prompts of all people [P, N, 3, 128, 128]; one noise per prompt, the same for everybody."""
    first = 1000 * seed
    rows = [
        sample_pictures(world.backend, TEMPLATES, pair, cfg=CFG, steps=SAMPLING_STEPS, seed=first) for pair in words
    ]
    return torch.stack(rows)


def references(world: World, people: int) -> list[Row]:
    """What no method can beat or should fall below: true pictures, through the VAE, names, other people."""
    true = torch.stack([torch.stack([picture_tensor(person, look) for look in PROMPTS]) for person in world.people])
    with torch.no_grad():
        through = torch.stack([_through_vae(world, pictures) for pictures in true])
    others = world.people[1:] + world.people[:1]
    rows = [
        _row(world, "true", "true pictures", true, world.people),
        _row(world, "vae", "true pictures through the VAE", through, world.people),
        _row(world, "others", "true pictures of another person", true, others),
    ]
    names = [name for name in world.name_space.names if len(name.split()) == 2]
    names = names[:: len(names) // people][:people]
    index = [world.name_space.names.index(name) for name in names]
    for seed in range(3):
        pictures = pictures_of(world, world.name_space.embeddings[index], seed)
        rows.append(_row(world, "named", "people with a name", pictures, [named_person(n) for n in names], seed))
    low, high = world.name_space.value_range
    return [{**row, "value_range": [low, high]} for row in rows]


def _row(world: World, setting: str, title: str, pictures: Tensor, people: list[Person], seed: int = 0) -> Row:
    figures = measure_people(world.evaluators, pictures, people, list(PROMPTS))
    computed_in = "bf16" if has_matrix_units() else "float32"
    return {"setting": setting, "title": title, "seed": seed, "seconds": 0.0, "computed_in": computed_in, **figures}


def _through_vae(world: World, pictures: Tensor) -> Tensor:
    vae = world.backend.vae
    return (vae.decode(vae.encode(pictures * 2 - 1).latents).sample.float() / 2 + 0.5).clamp(0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=TABLE)
    parser.add_argument("--base", choices=list(SETTINGS), default="paper", help="what the others are held against")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "closed_world")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    world = make_world(options.people)
    store = Results(options.out, {"people": options.people, "weights": weights_hash()})
    store.once("references", lambda: references(world, options.people))
    crowds = cache(
        lambda seed, kind, pool: make_crowd(world.backend, world.faces, train_config(seed, kind, cached_views=pool))
    )
    for seed in options.seeds:
        for name in options.only:
            if not store.has(f"{name}_{seed}"):
                store.once(f"{name}_{seed}", lambda: [run(name, seed, world, crowds)])
                print(store.last_line(), flush=True)
    write_tables(options.out, store.rows(), options.base)


if __name__ == "__main__":
    main()

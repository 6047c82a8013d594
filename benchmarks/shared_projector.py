"""One projector over many drawn people: what a face encoder is worth when nobody is trained alone.

python benchmarks/shared_projector.py [--train-people 2000] [--people 32] [--seeds 0 1 2]

A projector is trained over many people and applied to new ones, with 0 to 450 further steps each,
beside the per-person start. Its input is the face ViT's feature, a generic network's, or a random
vector per person, which can only be learned by heart.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from closed_world import (
    RESOLUTION,
    World,
    generic_features,
    make_world,
    photo,
    pictures_of,
    random_features,
    train_config,
)
from crowd import Crowd, learn_crowd, make_crowd, noised
from tables import Results, weights_hash, write_tables
from torch import Tensor, nn

from stableidentity_core.demo.look import PROMPTS, draw_look
from stableidentity_core.demo.measure import measure_people
from stableidentity_core.demo.painter import paint
from stableidentity_core.demo.person import generator, passer_by
from stableidentity_core.demo.pipeline import mini_world_encoder
from stableidentity_core.demo.weights import load_weights
from stableidentity_core.encode import encode_face
from stableidentity_core.train.config import TrainConfig
from stableidentity_core.train.loss import two_phase_loss
from stableidentity_core.train.templates import TEMPLATES
from stableidentity_core.words.place import PromptRows, prompt_rows
from stableidentity_core.words.projector import StableIdentityProjector

STEPS, BATCH, RATE = 1500, 32, 1e-3
REFINE_RATE = 2e-4
FURTHER = (0, 25, 50, 100, 450)
INPUTS: dict[str, Callable[[Crowd, World], Crowd]] = {
    "face ViT": lambda crowd, world: crowd,
    "generic network": generic_features,
    "random vectors": random_features,
}


def training_people(world: World, count: int) -> World:
    """Other people than those measured, each photographed in one drawn look."""
    encoder = mini_world_encoder(load_weights())
    people = [passer_by(10**6 + number) for number in range(count)]
    looks = [draw_look(generator("shared projector", number))[0] for number in range(count)]
    looks = [replace(look, style="photo", glasses="none", hat="none") for look in looks]
    faces = [encode_face(encoder, photo(paint(person, look))) for person, look in zip(people, looks, strict=True)]
    return replace(world, people=people, faces=faces)


def train_shared(world: World, crowd: Crowd, seed: int, hair_weight: float) -> StableIdentityProjector:
    """One projector, batches of many people."""
    backend, space = world.backend, world.backend.text_spaces[0]
    config = TrainConfig(seed=seed, resolution=RESOLUTION, hair_weight=hair_weight)
    draws = torch.Generator().manual_seed(seed)
    projector = StableIdentityProjector(crowd.plain.shape[1], [world.name_space], generator=draws)
    optimizer = torch.optim.AdamW(projector.parameters(), RATE, weight_decay=config.weight_decay)
    course = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    rows = prompt_rows(TEMPLATES, space, lambda text: backend.tokenize(space.name, text))
    for _ in range(STEPS):
        people = torch.randint(len(crowd), (BATCH,), generator=draws)
        views = torch.randint(crowd.z0.shape[1], (BATCH,), generator=draws)
        prompt = torch.randint(len(TEMPLATES), (BATCH,), generator=draws)
        draw = noised(backend, crowd, people, views, draws)
        words = projector(_features(crowd, people, views))[space.name]
        prompts = PromptRows(token_ids=rows.token_ids[prompt], positions=rows.positions[prompt])
        conditioning = backend.encode_text({space.name: prompts}, {space.name: words})
        loss = two_phase_loss(
            draw,
            backend.predict(draw.z_t, draw.timesteps, conditioning),
            prediction=backend.prediction,
            alphas_cumprod=backend.alphas_cumprod,
            latent_scale=backend.latent_scale,
            config=config,
        ).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(projector.parameters(), config.max_grad_norm)
        optimizer.step()
        course.step()
    return projector.eval()


def _features(crowd: Crowd, people: Tensor, views: Tensor) -> Tensor:
    mirrored = crowd.mirrored[people, views][:, None]
    return torch.where(mirrored, crowd.flipped[people], crowd.plain[people])


def measure(world: World, words: Tensor, seed: int, **about: Any) -> dict[str, Any]:
    figures = measure_people(world.judges, pictures_of(world, words, seed), world.people, list(PROMPTS))
    return {"seed": seed, "value_range": [words.min().item(), words.max().item()], **about, **figures}


def rows_of(
    kind: str, seed: int, world: World, crowd: Crowd, others: World, other_crowd: Crowd, hair_weight: float
) -> list[dict[str, Any]]:
    """From the shared start and from a fresh one, after each number of further steps."""
    change = INPUTS[kind]
    crowd, started = change(crowd, world), time.monotonic()
    shared = train_shared(others, change(other_crowd, others), seed, hair_weight)
    seconds = time.monotonic() - started
    rows = []
    for further in FURTHER:
        for start, name in ((shared, "shared"), (None, "fresh")):
            words = _refined(world, crowd, start, further, seed, hair_weight)
            title = f"{kind}, {name} start, {further} steps"
            rows.append(measure(world, words, seed, setting=title, title=title, seconds=seconds))
    return rows


def _refined(
    world: World, crowd: Crowd, start: StableIdentityProjector | None, steps: int, seed: int, hair_weight: float
) -> Tensor:
    config = TrainConfig(
        seed=seed,
        resolution=RESOLUTION,
        steps=max(steps, 1),
        learning_rate=REFINE_RATE if steps else 1e-9,
        hair_weight=hair_weight,
    )
    return learn_crowd(world.backend, crowd, world.name_space, config, start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train-people", type=int, default=2000)
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--hair-weight", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "shared_projector")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    world = make_world(options.people)
    others = training_people(world, options.train_people)
    store = Results(options.out, {"people": options.people, "weights": weights_hash(), "steps": STEPS})
    other_crowd = make_crowd(world.backend, others.faces, train_config(99, "none"))
    for seed in options.seeds:
        crowd = make_crowd(world.backend, world.faces, train_config(seed, "none"))
        for kind in INPUTS:
            work = (kind, seed, world, crowd, others, other_crowd, options.hair_weight)
            store.once(f"{kind.replace(' ', '_')}_{seed}", lambda: rows_of(*work))  # noqa: B023
            print(store.last_line(), flush=True)
    write_tables(options.out, store.rows())


if __name__ == "__main__":
    main()

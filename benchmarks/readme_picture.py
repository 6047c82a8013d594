"""The picture at the top of the README: persons 1 to 4 through the demo, whatever they look like.

python benchmarks/readme_picture.py [docs/mini_world.png]
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor
from world import RESOLUTION, World, make_world

from mini_world.look import PROMPTS
from mini_world.measure import picture_tensor
from mini_world.outcome import TEMPLATES, photo_of
from mini_world.person import unseen_person
from mini_world.preset import CFG, SAMPLING_STEPS, SEED, TRAIN
from mini_world.sheet import prompt_label
from stableidentity_core.encode import encode_face
from stableidentity_core.evaluate.sample import sample_pictures
from stableidentity_core.train.session import Person, TrainingSession, unchecked

NUMBERS = (1, 2, 3, 4)


def row_of(world: World, number: int) -> Tensor:
    """The photo and twelve prompts [13, 3, 128, 128]."""
    person = Person(trigger="<anna>", faces=[encode_face(world.encoder, photo_of(number))])
    session = TrainingSession(world.backend, [person], TRAIN, name_spaces=world.name_spaces, check=unchecked)
    (result,) = session.learn()
    pictures = sample_pictures(
        world.backend,
        TEMPLATES,
        result.identity.words,
        size=RESOLUTION,
        cfg=CFG,
        steps=SAMPLING_STEPS,
        seed=SEED,
    )
    return torch.cat([picture_tensor(unseen_person(number))[None], pictures])


def main(path: Path) -> None:
    world = make_world(0)
    rows = [row_of(world, number) for number in NUMBERS]
    figure = Figure(figsize=(19.5, 6.5), facecolor="white")
    grid = figure.add_gridspec(
        len(rows),
        14,
        width_ratios=[1, 0.12] + [1] * 12,
        wspace=0.04,
        hspace=0.04,
        left=0.005,
        right=0.995,
        top=0.885,
        bottom=0.01,
    )
    titles = ["the photo", *(textwrap.fill(prompt_label(look), 17) for look in PROMPTS)]
    for y, pictures in enumerate(rows):
        for x, picture in enumerate(pictures):
            axes = figure.add_subplot(grid[y, x + (x > 0)])
            axes.imshow(picture.movedim(0, -1).numpy(), interpolation="bicubic")
            axes.set_axis_off()
            if y == 0:
                axes.set_title(titles[x], fontsize=8)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/mini_world.png"))

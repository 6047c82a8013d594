"""A test for the eye: which of five pictures shows the person in the photo?

python benchmarks/pick_the_person.py [--people 20] [--out DIR]

People whom training never saw are learned with the demo's preset. Each question shows a photo and, of one prompt and
one noise, what the words of this person and of four others made; who they are and where they stand is drawn. Writes
`quiz_1.png` and so on, five questions each, and `answers.json`, which should be opened only afterwards.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor
from world import World, make_world, pictures_of, train_config

from stableidentity_core.train.presets import PRESETS

CHOICES, QUESTIONS_ON_A_PAGE = 5, 5


def pictures(world: World) -> Tensor:
    """What everybody's words make of the prompts [P, N, 3, 128, 128]."""
    return pictures_of(world, world.learn(train_config(0, **PRESETS["fast"], hair_weight=1.0)), 0)


def page(questions: list[tuple[str, list[Tensor]]], path: Path) -> None:
    figure = Figure(figsize=(2.2 * (CHOICES + 1), 2.4 * len(questions)), facecolor="white")
    axes = figure.subplots(len(questions), CHOICES + 1)
    for row, (title, shown) in zip(axes, questions, strict=True):
        for number, (place, picture) in enumerate(zip(row, shown, strict=True)):
            place.imshow(picture.movedim(0, -1).numpy(), interpolation="bicubic")
            place.set_title(f"{title}: the photo" if number == 0 else str(number))
            place.set_axis_off()
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("quiz"))
    options = parser.parse_args()
    if options.people < CHOICES:
        parser.error(f"--people {options.people}: a question shows {CHOICES} people, needed at least as many")
    options.out.mkdir(parents=True, exist_ok=True)
    world = make_world(options.people)
    made = pictures(world)
    generator = torch.Generator().manual_seed(options.people)
    questions, answers = [], []
    for person, face in enumerate(world.faces):
        others = [other for other in torch.randperm(options.people, generator=generator).tolist() if other != person]
        shown = others[: CHOICES - 1]
        right = int(torch.randint(CHOICES, (), generator=generator))
        shown.insert(right, person)
        photo = torch.nn.functional.interpolate(face.image[None], made.shape[-2:], mode="area")[0]
        prompt = person % made.shape[1]
        questions.append((f"{person + 1}", [photo, *made[shown, prompt]]))
        answers.append(right + 1)
    for first in range(0, options.people, QUESTIONS_ON_A_PAGE):
        number = first // QUESTIONS_ON_A_PAGE + 1
        page(questions[first : first + QUESTIONS_ON_A_PAGE], options.out / f"quiz_{number}.png")
    (options.out / "answers.json").write_text(json.dumps(answers) + "\n")


if __name__ == "__main__":
    main()

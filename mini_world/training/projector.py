"""The mini world's projector: python -m mini_world.training.projector OUT.safetensors [--warm-start first]

Learns how a face becomes words: from the celebrities, with the words of their names as targets; with `first` also with
the diffusion loss on them and on people without a name, with `no` only with that loss. Each person is seen in one look.
An interrupted training resumes from OUT.checkpoint.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch

from mini_world.look import draw_look
from mini_world.painter import SIZE, paint
from mini_world.person import generator, named_person, passer_by
from mini_world.pipeline import mini_world_backend, mini_world_encoder
from mini_world.weights import load_weights
from stableidentity_core.console.progress import progress_bar
from stableidentity_core.encode import encode_face
from stableidentity_core.encode.protocol import FaceEncoder
from stableidentity_core.face.portrait import Face, portrait
from stableidentity_core.methods.projector_file import save_projector
from stableidentity_core.train import StepReport
from stableidentity_core.train.projector_session import MANY_PEOPLE, ProjectorSession
from stableidentity_core.train.session import name_spaces_of
from stableidentity_core.train.warm_start import WarmStart

FIRST = 10**6  # not among the passers-by that the mini world itself was trained on


def photos(names: Sequence[str], people: int, encoder: FaceEncoder) -> Iterator[tuple[str, Face]]:
    """The celebrities and `people` others without a name; without hats and glasses, which would be learned too."""
    everyone = [(name, named_person(name)) for name in names]
    everyone += [("", passer_by(FIRST + number)) for number in range(people)]
    for number, (name, person) in enumerate(progress_bar(everyone, desc="people", unit="person")):
        look = draw_look(generator("shared projector", number))[0]
        drawn = paint(person, replace(look, style="photo", glasses="none", hat="none"))
        image = torch.from_numpy(drawn.image.copy()).movedim(-1, 0).float() / 255
        face_mask, hair_mask = torch.from_numpy(drawn.face_mask), torch.from_numpy(drawn.hair_mask)
        yield name, encode_face(encoder, portrait(image, face_mask, hair_mask))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=600, help="number of people without a name")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--learning-rate", type=float, default=MANY_PEOPLE.learning_rate)
    parser.add_argument("--warm-start", choices=get_args(WarmStart), default="only")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    config = replace(
        MANY_PEOPLE, resolution=SIZE, steps=options.steps, seed=options.seed, learning_rate=options.learning_rate
    )
    weights = load_weights()
    backend = mini_world_backend(weights)
    names = name_spaces_of(backend)
    started = time.monotonic()
    celebrities = [name for name in names[0].names if len(name.split()) == 2]
    session = ProjectorSession(
        backend,
        photos(celebrities, options.people, mini_world_encoder(weights)),
        config,
        name_spaces=names,
        warm_start=options.warm_start,
    )
    run, checkpoint = session.run, options.out.with_suffix(".checkpoint")
    if checkpoint.is_file():
        run.load(checkpoint)
    with progress_bar(total=config.steps, initial=run.step, unit="step") as bar:

        def on_step(report: StepReport) -> None:
            bar.update()
            if report.step % 250 == 0:
                run.save(checkpoint)

        result = session.learn(on_step)
    state = {key: value.half() for key, value in result.projector.state.items()}
    save_projector(replace(result.projector, state=state), options.out)
    facts = result.projector.facts
    print(
        f"{options.out}: {(time.monotonic() - started) / 60:.0f} minutes, held-out loss "
        f"{facts['projector_held_out_loss_before']} -> {facts['projector_held_out_loss_after']}"
    )


if __name__ == "__main__":
    main()

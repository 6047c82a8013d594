"""`projector`: a folder of people in, a projector file out. `project`: a photo and a projector in, an identity out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

from ..console.progress import progress_bar, write_beside_bar
from ..encode import encode_face
from ..encode.protocol import FaceEncoder
from ..errors import StableIdentityError
from ..face import Face
from ..face.folder import faces_of, pictures_in
from ..identity import normalize_trigger, save_identity
from ..methods.projector_file import load_projector, save_projector
from ..train import TrainConfig
from ..train.diagnosis import PROJECTOR_WARNING
from ..train.project import project
from ..train.projector_session import MANY_PEOPLE, ProjectorSession
from ..train.session import name_spaces_of
from ..train.warm_start import WarmStart
from .arguments import count
from .models import add_computing_options, add_model_options, load_encoder, load_model, read_names
from .outputs import add_replace, check_checkpoint, check_out, save_new
from .photos import Tools, add_options, read_faces, tools_of
from .progress import after_each_step
from .say import say

SETTINGS = ("steps", "batch_size", "learning_rate", "seed", "resolution", "hair_weight")


def add_projector(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=run)
    add_model_options(command)
    add = command.add_argument
    add("--encoder", type=Path, required=True, help="face encoder: folder or weights")
    add(
        "--faces", type=Path, required=True, metavar="DIR", help="folder with one photo per person, subfolders included"
    )
    add_options(command)
    add("--out", type=Path, required=True, help="projector file to write, .safetensors")
    add_replace(command)
    add(
        "--warm-start",
        choices=get_args(WarmStart),
        default="no",
        help="first: start by fitting the photos named after celebrities (Tom Cruise.jpg), whose words are known; "
        "only: stop after that, in seconds (default: %(default)s)",
    )
    add("--checkpoint", type=Path, help="resume from this file if it exists; save to it while training")
    add(
        "--checkpoint-every",
        type=count,
        default=100,
        metavar="N",
        help="steps between checkpoints (default: %(default)s)",
    )
    group = command.add_argument_group("settings")
    kinds = {field.name: type(getattr(MANY_PEOPLE, field.name)) for field in fields(TrainConfig)}
    for name in SETTINGS:
        default = getattr(MANY_PEOPLE, name)
        group.add_argument(
            f"--{name.replace('_', '-')}", type=kinds[name], default=default, help="(default: %(default)s)"
        )
    add_computing_options(group)


def add_project(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=run_project)
    add_model_options(command)
    add = command.add_argument
    add("--projector", type=Path, required=True, help="projector file written by `projector`")
    add("--encoder", type=Path, required=True, help="the face encoder that the projector was trained with")
    add(
        "--photo",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="photo of the person; several photos are averaged",
    )
    add_options(command)
    add("--trigger", default="person-1", help="the word for prompts, typed as <person-1> (default: %(default)s)")
    add("--out", type=Path, required=True, help="identity file to write, .safetensors")
    add_replace(command)


def run(options: argparse.Namespace) -> None:
    """Train a projector on the folder and write it."""
    given = {name: getattr(options, name) for name in (*SETTINGS, "precision", "low_memory")}
    config = replace(MANY_PEOPLE, **{name: value for name, value in given.items() if value is not None})
    check_out(options.out, options.replace)
    check_checkpoint(options.checkpoint, options.out)
    pictures = pictures_in(options.faces)
    photos = list(pictures.found)
    for line in pictures.remarks():
        say(line, sys.stderr)
    names = read_names(options.names)
    tools, encoder = tools_of(options), load_encoder(options.encoder)
    backend = load_model(options)
    session = ProjectorSession(
        backend,
        _faces(photos, tools, encoder),
        config,
        name_spaces=name_spaces_of(backend, names),
        warm_start=options.warm_start,
    )
    say(f"{session.people.people} of {len(photos)} photos can be used for training.")
    training = session.run
    if options.checkpoint and options.checkpoint.is_file():
        training.load(options.checkpoint)
    with progress_bar(total=config.steps, initial=training.step, unit="step") as bar:
        result = session.learn(after_each_step(training, options, bar))
    path = save_new(
        options.out, options.replace, lambda free, replace: save_projector(result.projector, free, replace=replace)
    )
    kept = result.projector.facts
    before, after = (kept.get(f"projector_held_out_loss_{when}", "not measured") for when in ("before", "after"))
    say(f"{path}: {session.people.people} people, validation loss {before} -> {after}")
    if warning := kept.get(PROJECTOR_WARNING):
        say(f"Warning: {warning}", sys.stderr)


def run_project(options: argparse.Namespace) -> None:
    """Write the identity of the person in the photos."""
    check_out(options.out, options.replace)
    trigger = normalize_trigger(options.trigger)
    projector, encoder = load_projector(options.projector), load_encoder(options.encoder)
    faces = [encode_face(encoder, face) for face in read_faces(options.photo, tools=tools_of(options))]
    backend = load_model(options)
    identity = project(faces, projector, name_spaces_of(backend, read_names(options.names)), trigger)
    path = save_new(options.out, options.replace, lambda free, replace: save_identity(identity, free, replace=replace))
    say(f"{path}: {trigger}, without training")


def _faces(photos: list[Path], tools: Tools, encoder: FaceEncoder) -> Iterator[tuple[str, Face]]:
    """File names and faces, one at a time; photos that cannot be used are reported and left out."""

    def on_refusal(path: Path, error: StableIdentityError) -> None:
        write_beside_bar(f"Left out: {path}: {error}")

    for path, face in faces_of(progress_bar(photos, desc="photos", unit="photo"), on_refusal, **vars(tools)):
        yield path.stem, encode_face(encoder, face)

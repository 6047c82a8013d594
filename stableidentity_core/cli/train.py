"""`train`: a portrait and a diffusers model in, an identity file out."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from ..console.progress import progress_bar
from ..encode import KINDS, encode_face, load_face_encoder
from ..encode.protocol import FaceEncoder
from ..errors import StableIdentityError
from ..identity import normalize_trigger, save_identity
from ..methods import METHODS, Method, needs_face
from ..methods.projector_file import load_projector
from ..methods.stableidentity import Normalization
from ..train import TrainConfig, TrainingRun, defaults_of
from ..train.config import Augmentation, LossArea, ReconstructionLatents
from ..train.diagnosis import WARNING
from ..train.gradient_check import check_gradient
from ..train.presets import PRESETS, told, with_preset
from ..train.projector_init import make_projector
from ..train.session import learn_identity, told_held_out
from .arguments import count
from .models import add_computing_options, add_model_options, load_model, name_spaces_of, read_names
from .outputs import add_replace, check_checkpoint, check_out, save_new
from .photos import add_options, read_faces, tools_of
from .progress import after_each_step
from .say import say

OWN = {method: defaults_of(method) for method in METHODS}


def add_command(commands: Any) -> None:
    command = commands.add_parser("train", help="learn a person from a photo")
    command.set_defaults(run=run)
    add = command.add_argument
    add_model_options(command)
    add(
        "--encoder",
        type=Path,
        help=f"face encoder ({', '.join(KINDS)}): folder or weights; only textual_inversion does without",
    )
    pictures: dict[str, Any] = {"type": Path, "nargs": "+", "action": "extend", "metavar": "FILE"}
    add(
        "--photo",
        **pictures,
        required=True,
        help="any photo with --models, otherwise a square portrait aligned as FFHQ; or several of one person",
    )
    add_options(command)
    add("--face-mask", **pictures, help="white on the face, one a photo (default: the oval of FFHQ alignment)")
    add("--hair-mask", **pictures, help="white on the hair, one a photo (default: none)")
    add("--trigger", default="person-1", help="the word typed in prompts, as <person-1>")
    add("--out", type=Path, required=True, help="identity file to write, .safetensors")
    add_replace(command)
    add("--projector", type=Path, help="start from this file of `projector`, instead of afresh")
    add("--checkpoint", type=Path, help="go on from this file if it is there; write it while training")
    add(
        "--checkpoint-every",
        type=count,
        default=50,
        metavar="N",
        help="steps between checkpoints (default: %(default)s)",
    )
    add("--method", choices=METHODS, default=METHODS[0], help="how the words are learned (default: %(default)s)")
    add("--preset", choices=PRESETS, help="settings to begin with, which those below change; fast: " + told("fast"))
    _add_settings(command.add_argument_group("settings (defaults: those of the method's paper)"))


def _add_settings(group: Any) -> None:
    add = group.add_argument
    for name, kind in (
        ("steps", int),
        ("learning_rate", float),
        ("batch_size", int),
        ("seed", int),
        ("resolution", int),
        ("alpha", float),
        ("hair_weight", float),
        ("view_pool", int),
    ):
        add(f"--{name.replace('_', '-')}", type=kind, help=_defaults(name))
    for name, choices in (
        ("normalization", Normalization),
        ("reconstruction_latents", ReconstructionLatents),
        ("loss_area", LossArea),
        ("augmentation", Augmentation),
    ):
        add(f"--{name.replace('_', '-')}", choices=get_args(choices), help=_defaults(name))
    add_computing_options(group)


def _defaults(name: str) -> str:
    """A setting's default, and those of the methods that have another one."""
    first, *others = METHODS
    usual = getattr(OWN[first], name)
    differing = [f"; {method} {value}" for method in others if (value := getattr(OWN[method], name)) != usual]
    return f"(default: {usual}{''.join(differing)})"


def _config(options: argparse.Namespace) -> TrainConfig:
    """The method's own settings, and what the user gave."""
    own = OWN[options.method]
    if options.preset:
        own = with_preset(own, options.preset)
    given = {name: getattr(options, name, None) for name in own.as_dict()}
    return replace(own, **{name: value for name, value in given.items() if value is not None})


def run(options: argparse.Namespace) -> None:
    """Train and write the identity."""
    config = _config(options)
    trigger = normalize_trigger(options.trigger)
    names = read_names(options.names)
    check_out(options.out, options.replace)
    check_checkpoint(options.checkpoint, options.out)
    encoder = _encoder(options.encoder, config.method)
    photos = read_faces(options.photo, options.face_mask or [], options.hair_mask or [], tools_of(options))
    faces = photos if encoder is None else [encode_face(encoder, photo) for photo in photos]
    backend = load_model(options)
    name_spaces = name_spaces_of(backend, names)
    check_gradient(backend, compare=options.dtype == "fp32")
    start = load_projector(options.projector) if options.projector else None
    training = TrainingRun(backend, faces, make_projector(backend, faces, name_spaces, config, start), config)
    if options.checkpoint and options.checkpoint.is_file():
        training.load(options.checkpoint)
    with progress_bar(total=config.steps, initial=training.step, unit="step") as bar:
        result = learn_identity(training, name_spaces, trigger, after_each_step(training, options, bar))
    path = save_new(
        options.out, options.replace, lambda free, replace: save_identity(result.identity, free, replace=replace)
    )
    say(f"{path}: {trigger} by {config.method}, held-out loss {told_held_out(result.identity.header)}")
    if warning := result.identity.header.get(WARNING):
        say(f"Warning: {warning}", sys.stderr)


def _encoder(path: Path | None, method: Method) -> FaceEncoder | None:
    if not needs_face(method):
        return None
    if path is None:
        raise StableIdentityError(
            f"{method} learns from what a face encoder sees, and none was named. Give --encoder, or choose --method "
            "textual_inversion, which does without."
        )
    return load_face_encoder(path)

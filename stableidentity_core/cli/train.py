"""`train`: a portrait and a diffusers model in, an identity file out."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from ..console.progress import progress_bar
from ..encode import KINDS, encode_face
from ..encode.protocol import FaceEncoder
from ..errors import StableIdentityError
from ..evaluate.likeness import check_judge
from ..identity import normalize_trigger, save_identity
from ..methods import METHODS, all_settings, get_method
from ..methods.projector_file import load_projector
from ..methods.registry import DEFAULT
from ..train import TrainConfig, default_config
from ..train.config import Augmentation, LossArea, ReconstructionLatents
from ..train.diagnosis import WARNING
from ..train.presets import PRESETS, describe_preset, with_preset
from ..train.result import format_held_out_loss
from ..train.scoring import describe_kept
from ..train.session import Person, TrainingSession, name_spaces_of
from .arguments import count
from .models import add_computing_options, add_model_options, load_encoder, load_model, read_names
from .outputs import add_replace, check_checkpoint, check_out, save_new
from .photos import add_options, read_faces, tools_of
from .progress import after_each_step
from .say import say
from .scoring import add_scoring, recogniser_of, scoring_of

OWN = {method: default_config(method) for method in METHODS}


def add_train(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=run)
    add = command.add_argument
    add_model_options(command)
    add(
        "--encoder",
        type=Path,
        help=f"face encoder ({', '.join(KINDS)}): folder or weights; only textual_inversion needs none",
    )
    pictures: dict[str, Any] = {"type": Path, "nargs": "+", "action": "extend", "metavar": "FILE"}
    add(
        "--photo",
        **pictures,
        required=True,
        help="any photo with --models, otherwise a square FFHQ-aligned portrait; or several photos of one person",
    )
    add_options(command)
    add("--face-mask", **pictures, help="mask, white on the face, one per photo (default: the oval of FFHQ alignment)")
    add("--hair-mask", **pictures, help="mask, white on the hair, one per photo (default: none)")
    add("--trigger", default="person-1", help="the word for prompts, typed as <person-1> (default: %(default)s)")
    add("--out", type=Path, required=True, help="identity file to write, .safetensors")
    add_replace(command)
    add("--projector", type=Path, help="start from this projector file written by `projector`, not from scratch")
    add("--checkpoint", type=Path, help="resume from this file if it exists; save to it while training")
    add(
        "--checkpoint-every",
        type=count,
        default=50,
        metavar="N",
        help="steps between checkpoints (default: %(default)s)",
    )
    add("--method", choices=METHODS, default=DEFAULT, help="training method (default: %(default)s)")
    add(
        "--preset",
        choices=PRESETS,
        help="base settings, overridden by the options below; fast: " + describe_preset("fast"),
    )
    add_scoring(command.add_argument_group("knowing when to stop"))
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
        ("cached_views", int),
    ):
        add(f"--{name.replace('_', '-')}", type=kind, help=_defaults(name))
    for name, choices in (
        ("reconstruction_latents", ReconstructionLatents),
        ("loss_area", LossArea),
        ("augmentation", Augmentation),
    ):
        add(f"--{name.replace('_', '-')}", choices=get_args(choices), help=_defaults(name))
    for name, setting in all_settings().items():
        form: dict[str, Any] = {"choices": setting.choices} if setting.choices else {"type": float}
        of = ", ".join(method for method in METHODS if setting in METHODS[method].settings)
        add(f"--{name.replace('_', '-')}", **form, help=f"of {of} (default: {setting.default})")
    add_computing_options(group)


def _defaults(name: str) -> str:
    """A setting's default, with the defaults of methods that differ."""
    usual = getattr(OWN[DEFAULT], name)
    others = [method for method in METHODS if method != DEFAULT]
    differing = [f"; {method} {value}" for method in others if (value := getattr(OWN[method], name)) != usual]
    return f"(default: {usual}{''.join(differing)})"


def _config(options: argparse.Namespace) -> TrainConfig:
    """The method's own settings, overridden by the user's options."""
    own = OWN[options.method]
    if options.preset:
        own = with_preset(own, options.preset)
    names = {*(setting.name for setting in fields(own)), *all_settings()} - {"method", "method_settings"}
    given = {name: value for name in names if (value := getattr(options, name, None)) is not None}
    return own.with_settings(**given)


def run(options: argparse.Namespace) -> None:
    """Train and write the identity."""
    config = _config(options)
    trigger = normalize_trigger(options.trigger)
    names = read_names(options.names)
    check_out(options.out, options.replace)
    check_checkpoint(options.checkpoint, options.out)
    judge = recogniser_of(options)
    encoder = _encoder(options.encoder, config.method)
    tools = tools_of(options)
    photos = read_faces(options.photo, options.face_mask or [], options.hair_mask or [], tools)
    faces = photos if encoder is None else [encode_face(encoder, photo) for photo in photos]
    if judge is not None:
        check_judge(judge, faces)
    backend = load_model(options)
    scoring = judge and scoring_of(judge, options, backend, faces, tools.detector, config.resolution)
    session = TrainingSession(
        backend,
        [Person(trigger=trigger, faces=faces)],
        config,
        name_spaces=name_spaces_of(backend, names),
        start=load_projector(options.projector) if options.projector else None,
        scoring=scoring,
    )
    if options.checkpoint and options.checkpoint.is_file():
        session.resume(options.checkpoint)
    with progress_bar(total=config.steps, initial=session.step, unit="step") as bar:
        each_step = after_each_step(session, options, bar)
        (result,) = session.learn(lambda reports: each_step(reports[0]))
    path = save_new(
        options.out, options.replace, lambda free, replace: save_identity(result.identity, free, replace=replace)
    )
    header = result.identity.header
    kept = describe_kept(header)
    say(f"{path}: {trigger} by {config.method}, held-out loss {format_held_out_loss(header)}{kept and '; '}{kept}")
    if warning := result.identity.header.get(WARNING):
        say(f"Warning: {warning}", sys.stderr)


def _encoder(path: Path | None, method: str) -> FaceEncoder | None:
    if not get_method(method).needs_face:
        return None
    if path is None:
        raise StableIdentityError(
            f"{method} needs a face encoder, but none was given. Use --encoder, or choose --method textual_inversion, "
            "which needs none."
        )
    return load_encoder(path)

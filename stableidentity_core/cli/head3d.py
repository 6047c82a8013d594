"""`head3d`: learned words and a diffusers model in, a head in 3D out; or several heads side by side."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..backends.compute import Compute
from ..backends.protocol import DiffusionBackend
from ..console.progress import progress_bar
from ..console.time_left import describe_duration
from ..errors import StableIdentityError, WrongModelError, error_context
from ..files.atomic import write_atomically
from ..files.writable import check_file
from ..head3d import PRESETS, HeadRun, HeadSettings, Splat, furthest_azimuth, with_preset
from ..head3d.checkpoint import load_head, save_head, work_of
from ..head3d.figure import side_by_side, turntable_frames
from ..head3d.settings import CHOICES, NEGATIVE, RANGES
from ..head3d.splat_files import check_splat_name, load_splat, save_splat
from ..head3d.turntable import COLOURS, Turntable, animation, check_animation_name
from ..head3d.verdict import verdict
from ..head3d.view_prompts import ViewPrompts, encode_view_prompts, encode_with_words
from ..identity import load_identity
from ..text.prompts import SLOT
from .arguments import count
from .models import add_computing_options, add_model_options, load_model
from .outputs import add_replace, check_checkpoint
from .say import say

SIMPLE = ("steps", "views", "resolution", "seed", "cfg", "fits", "points", "most_points", "azimuth", "rate")
FPS = 24.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """Whose head is made."""

    name: str  # of files and in pictures
    words: Mapping[str, Tensor]  # {text space: [W, D]}


def add_head3d(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=run, interrupted="no head was written; with --checkpoint, the same command goes on")
    add = command.add_argument
    add_model_options(command)
    add("--identity", type=Path, nargs="+", action="extend", default=[], help="identity files; several: side by side")
    add(
        "--name", action="append", default=[], help='a name that the model knows, such as "tom cruise"; may be repeated'
    )
    add("--prompt", default=f"a photo of {SLOT}", help="with {} in the person's place (default: %(default)s)")
    add("--negative", default=NEGATIVE, help="what the pictures are not to look like (default: %(default)s)")
    add("--out", type=Path, required=True, help=".ply or .splat to write; of several heads, NAME-PERSON.ply")
    add_replace(command)
    add("--turntable", type=Path, help="animation to write, .webp, .gif, .png or .mp4; several heads are side by side")
    add("--frames", type=count, default=48, help="of the animation (default: %(default)s)")
    add("--size", type=count, default=256, help="of the animation in pixels (default: %(default)s)")
    add("--arc", type=float, default=360.0, help="of the animation in degrees (default: %(default)s)")
    add("--backdrop", choices=COLOURS, default="white", help="of the animation (default: %(default)s)")
    add("--start", type=Path, help="begin with this .ply or .splat, not with a grey bust")
    add("--checkpoint", type=Path, help="resume from this file if it exists; save to it while training")
    add("--checkpoint-every", type=count, default=100, metavar="N", help="steps between (default: %(default)s)")
    add("--preset", choices=PRESETS, default="paper", help="settings, overridden by those below (default: %(default)s)")
    group = command.add_argument_group("settings (defaults: those of the preset)")
    for name in SIMPLE:
        kind = type(getattr(HeadSettings(), name))
        low, high = RANGES[name]
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, help=f"{low:g} to {high:g}")
    for name in ("guidance", "gradient", "rasteriser"):
        group.add_argument(f"--{name}", choices=CHOICES[name])
    add_computing_options(group)


def run(options: argparse.Namespace) -> None:
    """Make and write all heads, then the animation."""
    settings = _settings(options)
    paths = _check_outputs(options)
    backend = load_model(options)
    start = None if options.start is None else load_splat(options.start)
    heads = {}
    with backend.computing(Compute(precision=options.precision or "auto", low_memory=bool(options.low_memory))):
        for subject, path in zip(_subjects(options, backend), paths, strict=True):
            with error_context(subject.name if len(paths) > 1 else ""):
                heads[subject.name] = _make(options, backend, subject, settings, start)
            save_splat(heads[subject.name], path, replace=options.replace)
            say(f"{path}: {subject.name}, {len(heads[subject.name]):,} Gaussians")
    if options.turntable is not None:
        table = Turntable(frames=options.frames, size=options.size, arc=options.arc, backdrop=options.backdrop)
        only = next(iter(heads.values()))
        frames = side_by_side(heads, table) if len(heads) > 1 else turntable_frames(only, table)
        write_atomically(options.turntable, animation(frames, options.turntable.suffix, FPS), replace=options.replace)
        say(f"{options.turntable}: {options.frames} pictures")


def _settings(options: argparse.Namespace) -> HeadSettings:
    names = (*SIMPLE, "guidance", "gradient", "rasteriser")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    return replace(with_preset(HeadSettings(), options.preset), **given)


def _check_outputs(options: argparse.Namespace) -> list[Path]:
    """Raise before any work unless all can be written; returns the path of each head."""
    if SLOT not in options.prompt:
        raise StableIdentityError(f"The prompt {options.prompt!r} has no {SLOT} in the person's place. Add it.")
    names = [*options.name, *(path.stem for path in options.identity)]
    if not names:
        raise StableIdentityError("There is nobody to make a head of. Use --identity FILE, or --name NAME.")
    if len(set(names)) < len(names):
        raise StableIdentityError(f"Two of the {len(names)} heads have one name: {', '.join(names)}. Rename a file.")
    if not 0 <= options.arc <= 360:
        raise StableIdentityError(f"--arc is {options.arc:g}, needed 0 to 360 degrees.")
    check_splat_name(options.out)
    paths = [options.out]
    if len(names) > 1:
        paths = [options.out.with_stem(f"{options.out.stem}-{name.replace(' ', '_')}") for name in names]
    for path in paths:
        check_file(path, "--out", replace=options.replace)
    if options.turntable is not None:
        check_animation_name(options.turntable)
        check_file(options.turntable, "--turntable", replace=options.replace)
    check_checkpoint(options.checkpoint, options.out)
    if options.checkpoint and len(names) > 1:
        raise StableIdentityError("--checkpoint is for one head. Make the heads one by one, or leave it out.")
    return paths


def _subjects(options: argparse.Namespace, backend: DiffusionBackend) -> list[Subject]:
    """Names first, as in the paper's figure."""
    found = []
    for name in options.name:
        words = {space.name: space.embed(torch.tensor(space.tokenize(name))) for space in backend.text_spaces}
        found.append(Subject(name=name, words=words))
    needed = {space.name: space.width for space in backend.text_spaces}
    for path in options.identity:
        identity = load_identity(path)
        widths = {name: words.shape[-1] for name, words in identity.words.items()}
        if widths != needed:
            raise WrongModelError(f"{path} was learned for {widths}, the model takes {needed}. Use the same base.")
        found.append(Subject(name=path.stem, words=identity.words))
    return found


def _make(
    options: argparse.Namespace,
    backend: DiffusionBackend,
    subject: Subject,
    settings: HeadSettings,
    start: Splat | None,
) -> Splat:
    encode = encode_with_words(backend, subject.words)
    prompts: ViewPrompts = encode_view_prompts(encode, options.prompt, options.negative, by_view=settings.view_prompts)
    run = HeadRun(backend, prompts, settings, start)
    work = work_of(backend.fingerprint(), prompts, start)
    if options.checkpoint and options.checkpoint.is_file():
        load_head(run, options.checkpoint, work)
    deviations = []
    with progress_bar(total=settings.steps, initial=run.step, unit="step") as bar:
        bar.set_description(subject.name)
        for report in run.steps():
            deviations.append(report.deviation)
            bar.update()
            if options.checkpoint and report.step % options.checkpoint_every == 0:
                save_head(run, options.checkpoint, work)
        seconds = bar.format_dict["elapsed"]
    say(f"{subject.name}: {settings.steps} steps in {describe_duration(seconds)}")
    splat = run.splat()
    for sentence in verdict(splat, deviations, furthest_azimuth(settings)):
        say(f"Warning: {sentence}", sys.stderr)
    return splat

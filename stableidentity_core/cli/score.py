"""`score`: how well a clip preserves a face."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from torch import Tensor

from ..console.progress import progress_bar
from ..encode import KINDS
from ..evaluate.temporal import as_dict, check_plot, clip_plot, read_clip, report, score_clip
from ..files.atomic import write_atomically
from .models import load_encoder
from .outputs import add_replace, check_out_folder
from .photos import add_options, read_faces, save_picture, tools_of
from .say import say


def add_score(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=run, interrupted="no score was written")
    add = command.add_argument
    add("clip", type=Path, help="video file (needs PyAV), or a folder with the frames as pictures")
    add(
        "--encoder",
        type=Path,
        required=True,
        help=f"face encoder ({', '.join(KINDS)}), preferably not the one used for training: folder or weights",
    )
    add(
        "--photo",
        type=Path,
        nargs="+",
        action="extend",
        metavar="FILE",
        help="photo of the person; without it, frames are only compared with each other",
    )
    add_options(command)
    add("--out", type=Path, required=True, metavar="DIR", help="folder for score.json and score.png")
    add_replace(command)


def run(options: argparse.Namespace) -> None:
    """Write score.json and score.png, and print a summary."""
    check_plot()
    check_out_folder(options.out, ("score.json", "score.png"), options.replace)
    tools = tools_of(options, parse=False)
    photos = read_faces(options.photo or [], tools=tools)
    encoder = load_encoder(options.encoder)
    frames = _shown(read_clip(options.clip))
    score = score_clip(frames, encoder, photos, detector=tools.detector, choice=tools.choice)
    picture = clip_plot(score, options.clip.name).movedim(-1, 0)
    save_picture(picture, options.out / "score.png", options.replace)
    content = json.dumps(as_dict(score), indent=2) + "\n"
    write_atomically(options.out / "score.json", content.encode(), replace=options.replace)
    say(f"{report(score)}\nWritten to {options.out}")


def _shown(frames: Iterable[Tensor]) -> Iterator[Tensor]:
    yield from progress_bar(frames, unit="frame", delay=0.5)

"""The options of `train` that score steps and keep the best one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..backends.protocol import DiffusionBackend
from ..errors import StableIdentityError
from ..evaluate.likeness import Likeness, check_keep
from ..evaluate.metrics.instruments import Recogniser
from ..evaluate.networks.aligned import aligned_already
from ..evaluate.networks.faces import SIZE, face_finder, load_recogniser
from ..face import Face, FaceDetector
from ..suite.judging import word_scoring
from ..suite.spec import Sampling
from ..train.scoring import EVERY, KEEPS, LAST, StepScoring
from ..weights import find
from ..weights.table import WEIGHTS
from .arguments import count

STEPS, CFG = 20, 7.0  # of the pictures


def add_scoring(group: Any) -> None:
    add = group.add_argument
    add("--keep", choices=KEEPS, default=LAST, help="which step's words to keep; best needs --recogniser")
    add(
        "--recogniser",
        metavar="NAME",
        help="face encoder that judges painted pictures while training, another one than --encoder: folder or weights, "
        "or a name in MODELS.md such as arcface_ir_se50, with --models",
    )
    add(
        "--score-every",
        type=count,
        default=EVERY,
        metavar="N",
        help="steps between two judgements (default: %(default)s)",
    )


def recogniser_of(options: argparse.Namespace) -> Recogniser | None:
    """The recogniser that the options name, or None.

    Raises:
        StableIdentityError: the best step is to be kept, and there is none; or its file cannot be used.
    """
    check_keep(options.keep, options.recogniser, "Give one with --recogniser")
    if not options.recogniser:
        return None
    if options.recogniser not in WEIGHTS:
        path = Path(options.recogniser).expanduser()
    elif options.models is None:
        raise StableIdentityError(f"--recogniser {options.recogniser} needs --models, the folder that holds its file.")
    else:
        path = find(options.recogniser, [options.models])
    return load_recogniser(path, device=options.device)


def scoring_of(
    recogniser: Recogniser,
    options: argparse.Namespace,
    backend: DiffusionBackend,
    faces: Sequence[Face],
    detector: FaceDetector | None,
    side: int,
) -> StepScoring:
    """Scores the steps of one person's training; without a detector, pictures are taken as aligned portraits."""
    find_faces = aligned_already(SIZE) if detector is None else face_finder(detector)
    likeness = Likeness(recogniser, find_faces, [face.image for face in faces])
    sampling = Sampling(size=side, steps=STEPS, cfg=CFG)
    return word_scoring(backend, [likeness], sampling, every=options.score_every, keep=options.keep)

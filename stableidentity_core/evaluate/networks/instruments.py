"""All that real pictures are measured with, from a folder of models."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ...face.retinaface import load_retinaface
from ...weights import find_all
from ..metrics.fid import require_torchmetrics
from ..metrics.instruments import Instruments, PicturesAndTexts
from .clip import load_clip
from .faces import check_recogniser, face_finder, load_recogniser, references_of
from .inception import load_inception
from .lpips import load_lpips

DETECTOR = "retinaface_resnet50"
RECOGNISERS = {"arcface_ir_se50": "ArcFace"}
CLIPS = {"clip_vit_b32": "ViT-B/32", "clip_vit_l14": "ViT-L/14"}
TOKENIZER = ("clip_vocabulary", "clip_merges")
LPIPS, INCEPTION = ("alexnet", "lpips_alex"), ("inception_fid",)


def load_instruments(
    roots: Sequence[Path],
    photos: Mapping[str, Tensor],
    *,
    recognisers: Sequence[str | Path] = tuple(RECOGNISERS),
    training_encoders: Sequence[str] = (),
    clips: Sequence[str] = tuple(CLIPS),
    distance: bool = True,
    inception: bool = True,
    compared: Tensor | None = None,
    detector: str = DETECTOR,
    device: str | torch.device = "cpu",
) -> Instruments:
    """Load everything from files that the command `download` placed.

    Args:
        roots: `models` folders, as for `weights.find`.
        photos: {person: [3, H, W] in 0..1}, from which references are made.
        recognisers: names of the table of weights, or paths of face encoders; the first gives the tables.
        training_encoders: names of the encoders that the identities were trained with.
        clips: names of the table of weights, of CLIPS.
        distance: whether to load LPIPS.
        inception: whether to load Inception, for FID and KID.
        compared: [M, 2048], features of the pictures that FID and KID compare with.

    Raises:
        MissingFileError: names the missing files and the command that downloads them.
        MissingPackageError: a package that a network needs is missing.
        NoFaceError: a photo without a face.
        StableIdentityError: damaged files; a recogniser that people were trained with.
    """
    if inception:
        require_torchmetrics()
    names = [detector, *(name for name in recognisers if isinstance(name, str)), *clips]
    names += [*TOKENIZER * bool(clips), *LPIPS * distance, *INCEPTION * inception]
    paths = find_all(names, roots)
    loaded = [
        load_recogniser(paths.get(str(name), Path(name)), label=_label(name), device=device) for name in recognisers
    ]
    for recogniser, encoder in itertools.product(loaded, training_encoders):
        check_recogniser(recogniser, encoder)
    finder = face_finder(load_retinaface(paths[detector], device=device))
    known = [replace(recogniser, references=references_of(photos, recogniser, finder)) for recogniser in loaded]
    return Instruments(
        find_faces=finder,
        recognisers=tuple(known),
        clips=tuple(_clip(name, paths, device) for name in clips),
        distance=load_lpips(*(paths[name] for name in LPIPS), device=device) if distance else None,
        inception=load_inception(*(paths[name] for name in INCEPTION), device=device) if inception else None,
        compared=compared,
    )


def _label(recogniser: str | Path) -> str:
    return recogniser.stem if isinstance(recogniser, Path) else RECOGNISERS.get(recogniser, recogniser)


def _clip(name: str, paths: Mapping[str, Path], device: str | torch.device) -> PicturesAndTexts:
    folder = paths[TOKENIZER[0]].parent
    return load_clip(paths[name], folder, label=CLIPS.get(name, name), device=device)

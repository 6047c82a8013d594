"""Options for the frozen models, shared by the commands that need them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from ..backends.compute import PRECISIONS
from ..backends.load_diffusers import load_diffusers
from ..backends.protocol import DiffusionBackend
from ..console.progress import quiet_loaders
from ..encode import load_face_encoder
from ..encode.protocol import FaceEncoder
from ..files.readable import read_text
from ..text.names import parse_names
from ..train.config import TrainConfig
from .arguments import usable_device

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def add_model_options(command: Any) -> None:
    add = command.add_argument
    add("--model", type=Path, required=True, help="diffusers folder of SD1.5, SD2.x or SDXL, or single file of SD2.x")
    add("--names", type=Path, help="text file of celebrity names (default: the pack's own)")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add("--device", type=usable_device, default=device, help="cpu, cuda, mps (default: %(default)s)")
    add("--dtype", choices=DTYPES, default="fp32", help="dtype of the model (default: %(default)s)")
    add("--v-prediction", action="store_true", help="the single file is a v-prediction model, such as 2.1-768")


def add_computing_options(group: Any) -> None:
    """Options for precision and memory; None where not given."""
    group.add_argument("--precision", choices=PRECISIONS, help=f"(default: {TrainConfig().precision})")
    group.add_argument(
        "--low-memory",
        action="store_true",
        default=None,
        help="use gradient checkpointing, and keep the VAE on the device only while it encodes",
    )


def load_model(options: argparse.Namespace) -> DiffusionBackend:
    quiet_loaders("diffusers", "transformers")
    return load_diffusers(
        options.model, device=options.device, dtype=DTYPES[options.dtype], v_prediction=options.v_prediction
    )


def load_encoder(path: Path) -> FaceEncoder:
    quiet_loaders("transformers")
    return load_face_encoder(path)


def read_names(path: Path | None) -> tuple[str, ...] | None:
    """The names in a text file; None, which means the pack's own, if no file is given."""
    if path is None:
        return None
    return parse_names(read_text(path, "a list of names, one a line"))

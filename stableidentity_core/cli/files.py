"""`inspect` and `convert`: looking into identity files and changing their form."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import torch

from ..atomic import write_atomically
from ..errors import StableIdentityError
from ..identity import Identity, load_identity, save_identity

LONG = 100


def add_commands(commands: Any) -> None:
    inspect = commands.add_parser("inspect", help="tell what an identity file holds")
    inspect.add_argument("file", type=Path)
    inspect.add_argument("--json", action="store_true", help="for programs")
    inspect.set_defaults(run=run_inspect)
    convert = commands.add_parser("convert", help="change an embedding's format by file ending")
    convert.add_argument("source", type=Path, help=".safetensors, .pt or .bin")
    convert.add_argument("target", type=Path, help=".safetensors (this pack), .pt (A1111) or .bin (diffusers)")
    convert.add_argument("--trigger", help="default: the file's own, or its name")
    convert.set_defaults(run=run_convert)


def run_inspect(options: argparse.Namespace) -> None:
    identity = load_identity(options.file)
    facts = describe(identity)
    if options.json:
        print(json.dumps(facts, indent=2, sort_keys=True))
        return
    for key, value in facts.items():
        text = value if isinstance(value, str) else json.dumps(value)
        print(f"{key:22} {text if len(text) <= LONG else text[: LONG - 3] + '...'}")


def describe(identity: Identity) -> dict[str, Any]:
    """What a file holds, as plain values."""
    words = {
        space: {
            "shape": list(value.shape),
            "norms": [round(norm, 4) for norm in value.norm(dim=-1).tolist()],
            "range": [round(value.min().item(), 4), round(value.max().item(), 4)],
        }
        for space, value in identity.words.items()
    }
    return {"trigger": identity.trigger, "words": words, "content_hash": identity.content_hash} | dict(
        sorted(identity.header.items())
    )


def run_convert(options: argparse.Namespace) -> None:
    identity = load_identity(options.source, options.trigger)
    write_as(identity, options.target)
    print(f"{options.target}: {identity.trigger}, {', '.join(identity.words)}")


def write_as(identity: Identity, target: Path) -> None:
    """Write in the format that the file's ending stands for.

    Raises:
        StableIdentityError: unknown ending, or several text spaces where the format holds one.
    """
    if target.suffix == ".safetensors":
        save_identity(identity, target)
        return
    if len(identity.words) != 1:
        raise StableIdentityError(
            f"{identity.trigger} has words in {', '.join(identity.words)}; only .safetensors holds several text spaces."
        )
    (words,) = identity.words.values()
    layouts = {
        ".pt": {"string_to_param": {"*": words}, "name": identity.trigger},
        ".bin": {identity.trigger: words},
    }
    if target.suffix not in layouts:
        raise StableIdentityError(f"{target} ends in {target.suffix!r}, needed .safetensors, .pt or .bin.")
    buffer = io.BytesIO()
    torch.save(layouts[target.suffix], buffer)
    write_atomically(target, buffer.getvalue())

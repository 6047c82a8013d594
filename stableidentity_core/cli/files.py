"""`inspect` and `convert`: showing and converting identity files."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..console.printable import printable_line
from ..errors import StableIdentityError
from ..files.atomic import write_atomically
from ..files.writable import check_file
from ..identity import Identity, load_identity, save_identity
from .outputs import add_replace
from .say import say

LONG = 100
FORMATS = (".safetensors", ".pt", ".bin")


def add_inspect(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", type=Path)
    command.add_argument("--json", action="store_true", help="machine-readable output")
    command.set_defaults(run=run_inspect, interrupted="nothing was changed")


def add_convert(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", type=Path, help=".safetensors, .pt or .bin")
    command.add_argument("target", type=Path, help=".safetensors (this pack), .pt (A1111) or .bin (diffusers)")
    command.add_argument("--trigger", help="default: the file's own, or its name")
    add_replace(command)
    command.set_defaults(run=run_convert, interrupted="nothing was written")


def run_inspect(options: argparse.Namespace) -> None:
    identity = load_identity(options.file)
    if options.json:
        # ASCII except for DEL, which JSON does not escape.
        print(json.dumps({**describe(identity), "header": _header(identity)}, indent=2).replace("\x7f", "\\u007f"))
        return
    _show(describe(identity))
    say("Header:")
    _show(_header(identity), indent="  ")


def describe(identity: Identity) -> dict[str, Any]:
    """The contents of a file as plain values, without its header."""
    words = {
        space: {
            "shape": list(value.shape),
            "norms": [round(norm, 4) for norm in value.norm(dim=-1).tolist()],
            "range": [round(value.min().item(), 4), round(value.max().item(), 4)],
        }
        for space, value in identity.words.items()
    }
    return {"trigger": identity.trigger, "words": words, "content_hash": identity.content_hash}


def _header(identity: Identity) -> dict[str, str]:
    return dict(sorted(identity.header.items()))


def _show(values: Mapping[str, Any], indent: str = "") -> None:
    for key, value in values.items():
        text = printable_line(value if isinstance(value, str) else json.dumps(value))
        say(f"{indent}{_cut(printable_line(key)):22} {_cut(text)}")


def _cut(text: str) -> str:
    return text if len(text) <= LONG else text[: LONG - 3] + "..."


def run_convert(options: argparse.Namespace) -> None:
    check_target(options.target, options.replace)
    identity = load_identity(options.source, options.trigger)
    write_as(identity, options.target, replace=options.replace)
    say(f"{options.target}: {identity.trigger}, {', '.join(identity.words)}")


def check_target(target: Path, replace: bool) -> None:
    """Raise before any work unless the target has a supported extension and can be written."""
    if target.suffix not in FORMATS:
        raise StableIdentityError(f"{target} ends in {target.suffix!r}, needed {', '.join(FORMATS)}.")
    check_file(target, "OUT", replace=replace)


def write_as(identity: Identity, target: Path, *, replace: bool = False) -> None:
    """Write in the format of the file's extension.

    Raises:
        FileTakenError: the target exists and must not be replaced.
        StableIdentityError: several text spaces, but the format supports only one.
    """
    if target.suffix == ".safetensors":
        save_identity(identity, target, replace=replace)
        return
    if len(identity.words) != 1:
        raise StableIdentityError(
            f"{identity.trigger} has words in {', '.join(identity.words)}; only .safetensors supports several text "
            "spaces."
        )
    (words,) = identity.words.values()
    layouts = {
        ".pt": {"string_to_param": {"*": words}, "name": identity.trigger},
        ".bin": {identity.trigger: words},
    }
    buffer = io.BytesIO()
    torch.save(layouts[target.suffix], buffer)
    write_atomically(target, buffer.getvalue(), replace=replace)

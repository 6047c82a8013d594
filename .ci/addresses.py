#!/usr/bin/env python3
"""Fills the repository's address into pyproject.toml, as the registry needs it.

python3 .ci/addresses.py https://HOST/OWNER/NAME [--ref vX.Y.Z] [--file pyproject.toml]

Adds [project.urls], and turns Icon and Banner, which are files of this repository, into addresses at `--ref` (the tag
of the version by default). To be run before publishing, not to be committed. Standard library only.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = re.compile(r"https://[^/\s\"]+/[\w.-]+/[\w.-]+")
PAGES = {"Repository": "", "Documentation": "/blob/{ref}/README.md", "Issues": "/issues"}


class AddressError(Exception):
    """What was found, what is needed."""


def filled(text: str, address: str, ref: str = "") -> str:
    """pyproject.toml with the addresses.

    Raises:
        AddressError: no address of a repository, or the file has the addresses already.
    """
    address = address.removesuffix("/").removesuffix(".git")
    if not ADDRESS.fullmatch(address):
        raise AddressError(f"{address!r} is no address of a repository; needed https://HOST/OWNER/NAME.")
    if re.search(r"^\[project\.urls\]", text, re.MULTILINE):
        raise AddressError("pyproject.toml has [project.urls] already; start from the file as it is committed.")
    ref = ref or "v" + _one(r'^version = "([^"]+)"', text)
    urls = "".join(f'{name} = "{address}{page.format(ref=ref)}"\n' for name, page in PAGES.items())
    for name in ("Icon", "Banner"):
        file = _one(rf'^{name} = "([^"]+)"', text)
        text = text.replace(f'{name} = "{file}"', f'{name} = "{address}/raw/{ref}/{file}"')
    return re.sub(r"^(?=\[project\.optional-dependencies\])", f"[project.urls]\n{urls}\n", text, flags=re.MULTILINE)


def _one(pattern: str, text: str) -> str:
    found = re.findall(pattern, text, re.MULTILINE)
    if len(found) != 1:
        raise AddressError(f"pyproject.toml has {len(found)} lines like {pattern}; needed one.")
    return found[0]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="https://HOST/OWNER/NAME")
    parser.add_argument("--ref", default="", help="tag or branch of the pictures (default: the tag of the version)")
    parser.add_argument("--file", type=Path, default=ROOT / "pyproject.toml", help="file to change")
    options = parser.parse_args(arguments)
    try:
        options.file.write_text(filled(options.file.read_text("utf-8"), options.address, options.ref), "utf-8")
    except AddressError as error:
        print(f"addresses.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

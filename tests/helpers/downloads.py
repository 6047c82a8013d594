"""A weight of the table as the tests serve it: small, at an address of this machine."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import pytest

from stableidentity_core.weights import DownloadError, Weight, download, get_weight

NAME = "parsing_bisenet.pth"
CONTENT = random.Random(0).randbytes(1_500_000)  # three pieces of the server that cuts
WRONG = random.Random(1).randbytes(len(CONTENT))
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Cancelled(BaseException):
    """As the host's interrupt, which is no Exception of ours."""


def weight_at(*urls: str, **known) -> Weight:
    known = {"bytes": len(CONTENT), "sha256": SHA256, "about": None} | known
    return replace(get_weight("bisenet"), urls=urls, **known)


def unknown_at(*urls: str) -> Weight:
    return weight_at(*urls, bytes=None, sha256=None, hash_from=None, about="2 MB")


def parts(models: Path) -> list[Path]:
    return sorted(models.rglob("*.part"))


def files(models: Path) -> list[Path]:
    return sorted(path for path in models.rglob("*") if path.is_file())


def failing(weight: Weight, models: Path) -> str:
    with pytest.raises(DownloadError) as caught:
        download(weight, models)
    assert not weight.path(models).is_file()
    return str(caught.value)


def cancel_after(weight: Weight, models: Path, enough: int) -> int:
    """Bytes that are kept."""

    def cancel(done: int, _total: int | None) -> None:
        if done >= enough:
            raise Cancelled

    with pytest.raises(Cancelled):
        download(weight, models, cancel)
    (part,) = parts(models)
    assert part.read_bytes() == CONTENT[: part.stat().st_size]
    return part.stat().st_size

"""Files with a few wrong bytes either load or are refused by name; nothing else ever comes out."""

from __future__ import annotations

import io
import random

import pytest
import torch

from helpers.make import some_identity
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.identity import load_identity, save_identity


def whole(form: str, folder) -> tuple[str, bytes]:
    """Ending and content of a good file."""
    if form == "safetensors":
        save_identity(some_identity(768), folder / "good")
        return ".safetensors", (folder / "good").read_bytes()
    buffer = io.BytesIO()
    content = {"string_to_param": {"*": torch.ones(2, 768)}, "name": "x"}
    torch.save(content, buffer, _use_new_zipfile_serialization=form == "zipped pickle")
    return ".pt", buffer.getvalue()


def damaged(content: bytes, chance: random.Random) -> bytes:
    """One to four bytes changed, lost or added, mostly near the beginning, where the structure is."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 2, 4))):
        place = chance.randrange(min(len(changed), 700))
        match chance.randrange(3):
            case 0:
                changed[place] = chance.randrange(256)
            case 1:
                del changed[place : place + chance.randrange(1, 20)]
            case 2:
                changed[place:place] = chance.randbytes(4)
    return bytes(changed)


@pytest.mark.filterwarnings("ignore:.*pickle protocol")
@pytest.mark.parametrize("form", ["safetensors", "zipped pickle", "bare pickle"])
def test_any_damage_is_refused_with_the_path_or_does_not_matter(tmp_path, form):
    suffix, content = whole(form, tmp_path)
    path = tmp_path / f"broken{suffix}"
    chance = random.Random(0)
    refused = 0
    for _ in range(400):
        path.write_bytes(damaged(content, chance))
        try:
            load_identity(path)
        except StableIdentityError:
            refused += 1
    assert refused > 100

"""Projector files that somebody else has written, and names that are taken."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from helpers.make import some_names
from helpers.projector_files import some_projector
from stableidentity_core.errors import DamagedFileError, StableIdentityError
from stableidentity_core.files.names import IfExists
from stableidentity_core.files.tensors import read_tensors
from stableidentity_core.methods.projector_file import load_projector, save_projector, save_projector_under_name

ROOT = Path(__file__).resolve().parents[3]
FIRST = "spaces.clip_h.first.weight"


ODD = {
    "no encoder": lambda state, header: header.pop("encoder"),
    "unknown method": lambda state, header: header.update(method="\x1b[31m"),
    "unknown normalization": lambda state, header: header.update(normalization=""),
    "width is a word": lambda state, header: header.update(feature_width="eight"),
    "width is negative": lambda state, header: header.update(feature_width="-8"),
    "width without end": lambda state, header: header.update(feature_width="9" * 5000),
    "width of another encoder": lambda state, header: header.update(feature_width="100000000000"),
    "width of an empty tensor": lambda state, header: (
        header.update(feature_width="100000000000"),
        state.update(more=torch.zeros(0, 100000000000)),
    ),
    "facts is a list": lambda state, header: header.update(facts="[]"),
    "facts with numbers": lambda state, header: header.update(facts='{"projector_people": 3}'),
    "facts with nothing": lambda state, header: header.update(facts='{"projector_people": null}'),
    "facts is not valid JSON": lambda state, header: header.update(facts="people"),
    "facts nested without end": lambda state, header: header.update(facts='{"a":' * 50_000),
    "no weights": lambda state, header: state.clear(),
    "whole numbers": lambda state, header: state.update({FIRST: state[FIRST].long()}),
    "complex numbers": lambda state, header: state.update({FIRST: state[FIRST].to(torch.complex64)}),
    "numbers of 8 bits": lambda state, header: state.update({FIRST: state[FIRST].to(torch.float8_e4m3fn)}),
    "not finite": lambda state, header: state[FIRST].fill_(torch.nan),
}


@pytest.mark.parametrize("name", ODD)
def test_a_file_of_odd_content_is_refused_by_name(tmp_path, name):
    path = tmp_path / "many.safetensors"
    save_projector(some_projector(), path)
    state, header = read_tensors(path)
    ODD[name](state, header)
    save_file(state, path, header)
    with pytest.raises(DamagedFileError, match=re.escape(str(path))) as caught:
        load_projector(path)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("missing", [FIRST, "spaces.clip_h.norm.bias"])
def test_weights_that_are_missing_are_told_where_they_are_needed(tmp_path, missing):
    path = tmp_path / "many.safetensors"
    save_projector(some_projector(), path)
    state, header = read_tensors(path)
    del state[missing]
    save_file(state, path, header)
    with pytest.raises(StableIdentityError):
        load_projector(path).build([some_names()])


def test_16_bits_are_read(tmp_path):
    half = {key: value.half() for key, value in some_projector().state.items()}
    save_projector(replace(some_projector(), state=half), tmp_path / "half.safetensors")
    assert load_projector(tmp_path / "half.safetensors").state[FIRST].dtype == torch.float32


def first_weight(path: Path) -> torch.Tensor:
    return load_projector(path).state[FIRST]


def test_another_projector_of_the_name_gets_a_number_and_an_equal_one_is_left(tmp_path):
    saved = [save_projector_under_name(some_projector(seed), tmp_path, "many") for seed in (0, 1, 0, 1, 2)]
    assert [path.name for path in saved] == [f"many{number}.safetensors" for number in ("", "-2", "", "-2", "-3")]
    for path, seed in zip(saved, (0, 1, 0, 1, 2), strict=True):
        assert torch.equal(first_weight(path), some_projector(seed).state[FIRST])


def test_a_taken_name_is_refused_or_replaced_where_that_is_asked_for(tmp_path):
    path = save_projector_under_name(some_projector(), tmp_path, "many.safetensors")
    with pytest.raises(StableIdentityError, match=r"many\.safetensors holds another projector.*'add a number'"):
        save_projector_under_name(some_projector(1), tmp_path, "many", IfExists.STOP)
    assert torch.equal(first_weight(path), some_projector().state[FIRST])
    assert save_projector_under_name(some_projector(), tmp_path, "many", IfExists.STOP) == path
    assert save_projector_under_name(some_projector(1), tmp_path, "many", IfExists.REPLACE) == path
    assert torch.equal(first_weight(path), some_projector(1).state[FIRST]) and os.listdir(tmp_path) == [path.name]


def test_a_damaged_file_of_the_name_is_not_lost(tmp_path):
    (tmp_path / "many.safetensors").write_bytes(b"damaged")
    assert save_projector_under_name(some_projector(), tmp_path, "many").name == "many-2.safetensors"
    assert (tmp_path / "many.safetensors").read_bytes() == b"damaged"


RACER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from helpers.projector_files import some_projector
from stableidentity_core.methods.projector_file import save_projector_under_name
projector = some_projector(int(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(10):
    print(save_projector_under_name(projector, Path(sys.argv[1]), f"many-of-{number}"), flush=True)
"""


def test_two_processes_that_save_under_one_name_lose_nothing(tmp_path):
    folders = [str(ROOT), str(ROOT / "tests")]
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), str(seed), *folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in (1, 2)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    for seed, racer in enumerate(racers, 1):
        saved = racer.communicate(timeout=120)[0].split()
        assert len(saved) == 10
        for path in saved:
            assert torch.equal(first_weight(Path(path)), some_projector(seed).state[FIRST])
    assert len(list(tmp_path.iterdir())) == 20

"""Coefficients in a header: bit by bit there and back, and what is not theirs."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
import torch

from helpers.make import randn, some_identity
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.identity import load_identity, save_identity
from stableidentity_core.methods.coefficients import pack_coefficients, read_coefficients


def test_they_come_back_bit_by_bit_from_the_file(tmp_path):
    packed = pack_coefficients({"clip_h": randn(2, 512)})
    assert len(packed) < 5600  # 4,096 bytes as base64: the file stays small
    path = tmp_path / "anna.safetensors"
    save_identity(some_identity(coefficients=packed), path)
    identity = load_identity(path)
    assert torch.equal(read_coefficients(identity.header)["clip_h"], randn(2, 512))


def test_any_program_can_read_them():
    """Little-endian float32, the first word's numbers first."""
    values = {"clip_g": randn(2, 3, seed=1), "clip_l": randn(2, 2)}
    packed = json.loads(pack_coefficients(values))
    for space, value in values.items():
        numbers = np.frombuffer(base64.b64decode(packed[space]), "<f4")
        assert numbers.tolist() == value.reshape(-1).tolist()


def test_an_identity_without_them_says_which_method_it_is_of():
    with pytest.raises(StableIdentityError, match=r"has no coefficients: its method is stableidentity"):
        read_coefficients({"method": "stableidentity"})
    with pytest.raises(StableIdentityError, match=r"its method is unknown"):
        read_coefficients({})


def numbers(*values: float) -> str:
    return json.dumps({"clip_h": base64.b64encode(np.array(values, "<f4").tobytes()).decode()})


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "[1]",
        "{",
        '{"clip_h": 5}',
        '{"clip_h": "no base64"}',
        '{"clip_h": "QUJD"}',
        '{"clip_h": ""}',
        numbers(1, 2, 3),
        numbers(1, float("nan")),
    ],
)
def test_damaged_ones_are_refused(damaged):
    with pytest.raises(StableIdentityError, match="coefficients are damaged"):
        read_coefficients({"coefficients": damaged})


def test_only_two_words_are_packed():
    with pytest.raises(StableIdentityError, match="coefficients of clip_h has shape"):
        pack_coefficients({"clip_h": randn(3, 4)})

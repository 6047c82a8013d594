"""Numbers that the published StableIdentity code (MIT) gave, recorded once; the file's header says how."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

RECORDED = Path(__file__).with_name("published_implementation.safetensors")

# The same float32 formulas in another order of operations: 2^-24 per operation, some hundred of them.
RELATIVE = 1e-5


@pytest.fixture(scope="session")
def recorded() -> dict[str, torch.Tensor]:
    return load_file(RECORDED)


@pytest.fixture
def same():
    """Equality within 1e-5 of the largest recorded value, so that values near zero do not decide."""

    def check(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
        assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
        return bool((ours - theirs).abs().max() <= RELATIVE * theirs.abs().max())

    return check

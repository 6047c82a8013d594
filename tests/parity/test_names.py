"""Statistics of the celebrity names against the published ones."""

from __future__ import annotations

import pytest

from stableidentity_core.text import NameSpace


@pytest.fixture
def names(recorded) -> NameSpace:
    embeddings = recorded["celeb.embeddings"]
    return NameSpace(space="clip_h", names=tuple(f"name {i}" for i in range(len(embeddings))), embeddings=embeddings)


def test_mean_and_deviation_per_position_and_dimension(recorded, same, names):
    assert same(names.mean, recorded["celeb.mean"])
    assert same(names.std, recorded["celeb.std"])


def test_a_biased_deviation_would_be_noticed(recorded, same, names):
    """sqrt(325 / 326) is 1.5e-3 away, so the tolerance tells the two apart."""
    assert not same(names.embeddings.std(dim=0, unbiased=False), recorded["celeb.std"])

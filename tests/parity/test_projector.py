"""The projector against the published one, with its own recorded weights."""

from __future__ import annotations

import pytest
import torch

from stableidentity_core.methods import StableIdentityProjector
from stableidentity_core.methods.stableidentity import SpaceProjector
from stableidentity_core.text import NameSpace

PUBLISHED_NAMES = {
    "first.weight": "net.0.weight",
    "first.bias": "net.0.bias",
    "norm.weight": "net.1.norm.weight",
    "norm.bias": "net.1.norm.bias",
    "second.weight": "net.1.weight",
    "second.bias": "net.1.bias",
    "joint_norm.weight": "norm.weight",
    "joint_norm.bias": "norm.bias",
}


def published(recorded: dict[str, torch.Tensor], normalization: str) -> SpaceProjector:
    """Our projector with the published weights under our names."""
    width = recorded["projector.celeb_mean"].shape[1]
    names = NameSpace(space="clip_h", names=("a", "b"), embeddings=torch.zeros(2, 2, width))
    features = recorded["projector.in_face"].shape[1]
    projector = StableIdentityProjector(features, [names], normalization).spaces["clip_h"]
    weights = {
        own: recorded[f"projector.{theirs}"].float()
        for own, theirs in PUBLISHED_NAMES.items()
        if normalization == "joint_affine" or not own.startswith("joint_norm")
    }
    statistics = {"mean": recorded["projector.celeb_mean"], "std": recorded["projector.celeb_std"]}
    projector.load_state_dict(weights | statistics)  # strict: all of ours, none left over
    return projector


@pytest.mark.parametrize("normalization", ["per_word", "joint_affine", "none"])
def test_mlp_gives_the_published_values_whatever_the_normalization(recorded, same, normalization):
    with torch.no_grad():
        ours = published(recorded, normalization).mlp(recorded["projector.in_face"])
    assert same(ours, recorded["projector.out_mlp"])


def test_joint_affine_norm_and_words_are_the_published_ones(recorded, same):
    projector = published(recorded, "joint_affine")
    with torch.no_grad():
        normed = projector.normalize(projector.mlp(recorded["projector.in_face"]))
        words = projector(recorded["projector.in_face"])
    assert same(normed, recorded["projector.out_norm"])
    assert same(words, recorded["projector.out_words"])


def test_the_papers_normalization_is_not_the_published_one(recorded, same):
    """Eq. 4 and the code differ by more than rounding, so which one is meant has to be said."""
    with torch.no_grad():
        words = published(recorded, "per_word")(recorded["projector.in_face"])
    deviation = (words - recorded["projector.out_words"]).abs().max() / recorded["projector.out_words"].abs().max()
    assert deviation > 0.01

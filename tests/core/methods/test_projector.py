"""The projector: Eq. 4 written as loops, and what its weights depend on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.make import randn, rng, some_names
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.methods import StableIdentityProjector, TrainedProjector
from stableidentity_core.methods.stableidentity import EqualLinear, SpaceProjector
from stableidentity_core.text import NameSpace


def space_projector(normalization: str, width: int = 16) -> SpaceProjector:
    made = StableIdentityProjector(8, [some_names(width=width)], normalization, rng(3))
    return made.spaces["clip_h"]


def eq4_by_loops(raw: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """AdaIN of one face: each raw word by its own scalar mean and deviation, then by the names'."""
    width = mean.shape[1]
    words = np.zeros((2, width))
    for n in range(2):
        word = raw[n * width : (n + 1) * width]
        own_mean = sum(word) / width
        own_variance = sum((value - own_mean) ** 2 for value in word) / width
        for i in range(width):
            words[n, i] = std[n, i] * (word[i] - own_mean) / own_variance**0.5 + mean[n, i]
    return words


def test_per_word_is_equation_4():
    projector = space_projector("per_word")
    features = randn(3, 8)
    with torch.no_grad():
        raw, words = projector.mlp(features).double().numpy(), projector(features).numpy()
    names = some_names()
    for face in range(3):
        expected = eq4_by_loops(raw[face], names.mean.double().numpy(), names.std.double().numpy())
        # float32 against float64, where dividing by small deviations loses digits.
        np.testing.assert_allclose(words[face], expected, rtol=1e-4, atol=1e-4)


def test_each_word_has_mean_0_and_deviation_1_in_units_of_the_names():
    names = some_names()
    with torch.no_grad():
        words = space_projector("per_word")(randn(5, 8))
    units = (words - names.mean) / names.std
    # Dividing by small deviations loses digits.
    assert units.mean(dim=-1).abs().max() < 1e-4  # float32 sums over a width; LayerNorm adds 1e-5 to the variance
    assert (units.var(dim=-1, unbiased=False) - 1).abs().max() < 1e-3


def test_joint_affine_starts_as_one_norm_over_both_words():
    names = some_names()
    features = randn(5, 8)
    with torch.no_grad():
        projector = space_projector("joint_affine")
        units = (projector(features) - names.mean) / names.std
        variance = projector.mlp(features).var(dim=-1, unbiased=False)
    joint = units.flatten(1)
    # The published norm adds 1e-5 to the variance, which shows at this width.
    expected = variance / (variance + 1e-5)
    assert joint.mean(dim=-1).abs().max() < 1e-4
    assert (joint.var(dim=-1, unbiased=False) - expected).abs().max() < 1e-3
    assert units.mean(dim=-1).abs().max() > 1e-2, "the words would have to be normed apart"


@pytest.mark.parametrize("layer", ["first", "second"])
def test_weights_start_as_the_published_training_sets_them(layer):
    """N(0, 0.02): it re-initialises the layers that its model declares as N(0, 1)."""
    wide = NameSpace(space="clip_h", names=("a b", "c d"), embeddings=randn(2, 2, 64))
    linear = getattr(StableIdentityProjector(256, [wide]).spaces["clip_h"], layer)
    assert abs(linear.weight.std().item() - 0.02) < 0.001 and linear.bias.abs().max() == 0


def test_none_is_the_bare_mlp():
    projector = space_projector("none")
    with torch.no_grad():
        assert torch.equal(projector(randn(2, 8)).flatten(1), projector.mlp(randn(2, 8)))


def test_equalised_layer_scales_weight_and_bias_by_a_tenth():
    layer = EqualLinear(3, 2, rng())
    layer.bias.data.fill_(5.0)
    x = randn(1, 3)
    expected = [sum(0.1 * layer.weight[o, i] * x[0, i] for i in range(3)) + 0.5 for o in range(2)]
    assert torch.allclose(layer(x)[0], torch.stack(expected))


def test_initial_weights_come_from_the_generator_alone():
    state = torch.get_rng_state()
    first, second, other = (StableIdentityProjector(8, [some_names()], "per_word", rng(s)) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    weights = [projector.spaces["clip_h"].first.weight for projector in (first, second, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_one_mlp_per_text_space_of_its_own_width():
    spaces = [some_names(width=12, space="clip_l"), some_names(width=20, space="clip_g")]
    words = StableIdentityProjector(8, spaces)(randn(3, 8))
    assert {name: tuple(value.shape) for name, value in words.items()} == {"clip_l": (3, 2, 12), "clip_g": (3, 2, 20)}


def test_wrong_feature_width_and_unknown_normalization_are_told():
    with pytest.raises(StableIdentityError, match=r"face features has shape \[1, 9\]"):
        StableIdentityProjector(8, [some_names()])(randn(1, 9))
    with pytest.raises(StableIdentityError, match="'per_words', needed one of"):
        StableIdentityProjector(8, [some_names()], "per_words")


def trained(projector: StableIdentityProjector) -> TrainedProjector:
    state = {key: value.detach().clone() for key, value in projector.state_dict().items()}
    return TrainedProjector(state=state, feature_width=8, settings={"normalization": "per_word"}, encoder="random")


def test_a_rebuilt_projector_gives_equal_words_and_takes_the_new_names_statistics():
    projector = StableIdentityProjector(8, [some_names()], "per_word", rng(5))
    kept = trained(projector)
    with torch.no_grad():
        expected = projector(randn(2, 8))["clip_h"]
        assert torch.equal(kept.build([some_names()])(randn(2, 8))["clip_h"], expected)
        moved = kept.build([some_names(seed=9)])(randn(2, 8))["clip_h"]
    units = (expected - some_names().mean) / some_names().std
    other = some_names(seed=9)
    # The same units in another space; float32 there and back.
    assert torch.allclose(moved, units * other.std + other.mean, atol=1e-4)


@pytest.mark.parametrize("names", [some_names(width=20), some_names(space="clip_l")])
def test_a_projector_of_another_text_space_is_refused(names):
    with pytest.raises(StableIdentityError, match="was not trained for"):
        trained(StableIdentityProjector(8, [some_names()])).build([names])

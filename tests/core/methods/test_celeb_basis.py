"""Celeb-Basis against numpy: the components, the words, the 1,024 numbers of a person."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from helpers.make import randn, rng, some_names
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.methods import CelebBasisProjector, TrainedProjector, read_coefficients
from stableidentity_core.methods.celeb_basis import SpaceBasis, celeb_basis, principal_components
from stableidentity_core.text import NameSpace, build_name_space, celebrity_names


def published_size() -> NameSpace:
    """As many names as the published list has, as wide as SD1's text encoder."""
    return some_names(count=691, width=768, space="clip_l")


def projector(names: NameSpace | None = None, features: int = 8) -> CelebBasisProjector:
    return CelebBasisProjector(features, [names or some_names()], rng(3))


def numpy_basis(names: NameSpace, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean [2, D] and components [2, K, D] by the singular values of the centred names."""
    rows = names.embeddings.double().numpy()
    mean = rows.mean(axis=0)
    components = np.stack([np.linalg.svd(rows[:, n] - mean[n])[2][:count] for n in range(2)])
    largest = np.take_along_axis(components, np.abs(components).argmax(-1, keepdims=True), -1)
    return mean, components * np.sign(largest)  # a component's sign is free


def test_components_are_numpys():
    names = some_names(count=30, width=16)
    _mean, expected = numpy_basis(names, 16)
    # The last components of 30 random names are still a hundredth as wide as the first: float64 leaves the float32
    # rounding of the result alone.
    np.testing.assert_allclose(celeb_basis(names).numpy(), expected, atol=1e-6)


def test_components_are_orthonormal_and_ordered_by_spread():
    rows = randn(50, 12) * torch.arange(1, 13)
    components = principal_components(rows)
    assert torch.allclose(components @ components.T, torch.eye(12, dtype=torch.float64), atol=1e-12)  # float64
    spread = ((rows.double() - rows.double().mean(0)) @ components.T).square().sum(0)
    assert (spread.diff() < 0).all()


def test_a_person_is_1024_numbers():
    made = projector(published_size(), features=512)
    coefficients = made.coefficients(randn(1, 512))["clip_l"]
    assert coefficients.shape == (1, 2, 512) and coefficients.numel() == 1024
    # One layer of 512 features to 1,024 numbers, as in the published configuration.
    assert sum(parameter.numel() for parameter in made.parameters()) == 512 * 1024 + 1024
    assert made(randn(1, 512))["clip_l"].shape == (1, 2, 768)
    facts = made.facts(randn(1, 512))
    assert json.loads(facts["components"]) == {"clip_l": 512} and facts["names"] == "691"


def test_the_packs_own_list_is_enough_for_all_512(backend):
    """It does not matter here that the tiny model's embeddings are narrow: the names' tokens are CLIP's."""
    tokens = torch.tensor([backend.text_spaces[0].tokenize(name) for name in celebrity_names()])
    assert len(tokens) >= 600
    distinct = [len(tokens[:, n].unique()) for n in range(2)]
    assert min(distinct) > 512, distinct  # so many different first and last names span 512 directions


@pytest.mark.parametrize(("count", "width", "found"), [(30, 16, 16), (10, 16, 9), (700, 24, 24)])
def test_fewer_names_or_a_narrow_encoder_have_fewer_components(count, width, found):
    """As many as the width, and one less than there are names, which fix the mean."""
    made = projector(some_names(count=count, width=width))
    assert json.loads(made.facts(randn(1, 8))["components"]) == {"clip_h": found}
    assert made.coefficients(randn(3, 8))["clip_h"].shape == (3, 2, found)


def test_directions_without_spread_are_no_components():
    """Five first names shared by 30 people span four directions."""
    names = some_names(count=30)
    few = names.embeddings.clone()
    few[:, 0] = few[:5, 0].repeat(6, 1)
    made = celeb_basis(NameSpace(space="clip_h", names=names.names, embeddings=few))
    assert made.shape == (2, 4, 16)


@pytest.mark.parametrize(("position", "which"), [(0, "first"), (1, "last")])
def test_names_without_any_spread_are_refused(position, which):
    names = some_names()
    same = names.embeddings.clone()
    same[:, position] = same[0, position]
    with pytest.raises(StableIdentityError, match=rf"The {which} names of all 30 names are the same word in clip_h"):
        projector(NameSpace(space="clip_h", names=names.names, embeddings=same))


def by_loops(made: SpaceBasis, feature: np.ndarray, mean: np.ndarray, components: np.ndarray) -> np.ndarray:
    """The words of one face: unit feature, one layer, LeakyReLU, unit coefficients, sum of components."""
    weight, bias = made.weight.detach().double().numpy(), made.bias.detach().double().numpy()
    unit = feature / np.sqrt((feature**2).sum())
    hidden = weight @ unit + bias
    hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
    words = []
    for n, numbers in enumerate(np.split(hidden, 2)):
        numbers = numbers / np.sqrt((numbers**2).sum())
        words.append(mean[n] + sum(number * one for number, one in zip(numbers, components[n], strict=True)))
    return np.stack(words)


def test_words_are_the_mean_and_coefficients_times_components():
    names = some_names()
    made, features = projector(names), randn(3, 8)
    made.spaces["clip_h"].bias.data = randn(32, seed=9)
    mean, components = numpy_basis(names, 16)
    words = made(features)["clip_h"].detach().numpy()
    for face in range(3):
        expected = by_loops(made.bases["clip_h"], features[face].double().numpy(), mean, components)
        np.testing.assert_allclose(words[face], expected, atol=1e-5)  # float32 sums of 16 numbers around one


def test_each_word_lies_at_distance_one_from_the_mean_name():
    names = some_names()
    words = projector(names)(randn(5, 8))["clip_h"]
    assert torch.allclose((words - names.mean).norm(dim=-1), torch.ones(5, 2), atol=1e-5)  # float32


def test_the_length_of_the_feature_does_not_count():
    """The published encoder's features have length one; others do not."""
    made, features = projector(), randn(2, 8)
    # Float32, values around one.
    assert torch.allclose(made(features)["clip_h"], made(7 * features)["clip_h"], atol=1e-5)


def test_gradients_are_those_of_a_finite_difference():
    made = projector(some_names(count=12, width=5)).double()
    features = randn(2, 8).double()
    weights = tuple(made.parameters())
    names = [name for name, _ in made.named_parameters()]

    def words(*values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(made, dict(zip(names, values, strict=True)), (features,))["clip_h"]

    assert torch.autograd.gradcheck(words, weights)


def test_weights_start_from_the_generator_alone_with_deviation_one():
    state = torch.get_rng_state()
    first, second, other = (CelebBasisProjector(256, [some_names()], rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    weights = [made.bases["clip_h"].weight for made in (first, second, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert abs(weights[0].std().item() - 1) < 0.03  # 8,192 draws: five deviations
    assert first.bases["clip_h"].bias.abs().max() == 0


def test_ten_people_at_once_are_each_alone():
    made, features = projector(), randn(10, 8)
    together = made(features)["clip_h"]
    for number in range(10):
        # One row instead of ten: the same sums, in another order.
        assert torch.allclose(made(features[number : number + 1])["clip_h"][0], together[number], atol=1e-6)


def test_each_text_space_has_a_basis_of_its_own():
    spaces = [some_names(width=12, space="clip_l"), some_names(count=20, width=40, space="clip_g")]
    made = CelebBasisProjector(8, spaces, rng())
    assert {name: tuple(value.shape) for name, value in made(randn(3, 8)).items()} == {
        "clip_l": (3, 2, 12),
        "clip_g": (3, 2, 40),
    }
    facts = made.facts(randn(1, 8))
    assert json.loads(facts["components"]) == {"clip_l": 12, "clip_g": 19}
    assert {name: tuple(value.shape) for name, value in read_coefficients(facts).items()} == {
        "clip_l": (2, 12),
        "clip_g": (2, 19),
    }


def test_the_headers_coefficients_give_the_words():
    names = some_names()
    made, feature = projector(names), randn(1, 8)
    coefficients = read_coefficients(made.facts(feature))["clip_h"]
    assert torch.equal(coefficients, made.coefficients(feature)["clip_h"][0])
    mean, components = numpy_basis(names, 16)
    expected = mean + np.einsum("nk,nkd->nd", coefficients.double().numpy(), components)
    np.testing.assert_allclose(made(feature)["clip_h"][0].detach().numpy(), expected, atol=1e-5)  # as above


def test_of_longer_names_the_first_two_tokens_count(backend):
    given = ["Tom Cruise", "Cher", "Arnold Schwarzenegger", "Emma Watson", "Robert Downey Jr"]
    tokens = {name: backend.text_spaces[0].tokenize(name) for name in given}
    names = build_name_space(backend.text_spaces[0], given)
    table = backend.texts["clip_h"].model.get_input_embeddings().weight
    used = sorted((name for name in given if len(tokens[name]) > 1), key=lambda name: len(tokens[name]) > 2)
    assert 2 <= len(names.names) < len(used) == 4  # Cher is left out
    assert torch.equal(names.leading, torch.stack([table[tokens[name][:2]] for name in used]))
    # StableIdentity's statistics go by names of exactly two tokens, as before.
    assert torch.equal(names.mean, names.embeddings.mean(0))
    assert projector(names).facts(randn(1, 8))["names"] == "4"


def test_longer_names_of_another_width_are_refused():
    with pytest.raises(StableIdentityError, match="embeddings of longer names has shape"):
        NameSpace(space="clip_h", names=("a b", "c d"), embeddings=randn(2, 2, 8), longer=randn(1, 2, 9))


def kept(made: CelebBasisProjector) -> TrainedProjector:
    state = {key: value.detach().clone() for key, value in made.state_dict().items()}
    return TrainedProjector(state=state, feature_width=8, encoder="random", method="celeb_basis")


def test_a_rebuilt_projector_gives_equal_words():
    made = projector()
    rebuilt = kept(made).build([some_names()])
    assert isinstance(rebuilt, CelebBasisProjector) and not any(p.requires_grad for p in rebuilt.parameters())
    assert torch.equal(rebuilt(randn(2, 8))["clip_h"], made(randn(2, 8))["clip_h"])


def test_coefficients_mean_nothing_among_other_names():
    trained = kept(projector())
    with pytest.raises(StableIdentityError, match="celeb_basis was trained with other names"):
        trained.build([some_names(seed=9)])
    for names in (some_names(width=20), some_names(space="clip_l"), some_names(count=10)):
        with pytest.raises(StableIdentityError, match="was not trained for"):
            trained.build([names])


def test_a_feature_of_another_width_is_told():
    for ask in (projector(), projector().coefficients):
        with pytest.raises(StableIdentityError, match=r"face features has shape \[1, 9\]"):
            ask(randn(1, 9))

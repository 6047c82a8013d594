"""Textual Inversion: two free words, and no look at a feature anywhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from helpers.make import randn, some_face, some_names, some_space
from helpers.trainings import FEATURES, finish, learn_identity, small
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.methods import TextualInversionProjector, TrainedProjector
from stableidentity_core.store import work_key
from stableidentity_core.text.start_words import start_words
from stableidentity_core.train import TrainingRun
from stableidentity_core.train.photos import feature_of, mean_feature, without_features
from stableidentity_core.train.project import project
from stableidentity_core.train.projector_init import make_projector

CONFIG = small(method="textual_inversion")


def a_run(backend, faces, config=CONFIG) -> TrainingRun:
    return TrainingRun(backend, faces, make_projector(backend, faces, [], config), config)


def bare(**face):
    return without_features([some_face(**face)])[0]


def test_the_words_are_exactly_the_free_parameters():
    start = {"clip_l": randn(2, 12), "clip_g": randn(2, 20, seed=1)}
    made = TextualInversionProjector(start)
    assert [tuple(value.shape) for value in made.parameters()] == [(2, 12), (2, 20)]
    words = made(torch.zeros(3, 0))
    for space, value in start.items():
        assert words[space].shape == (3, *value.shape) and all(torch.equal(row, value) for row in words[space])
    made.spaces["clip_l"].words.data += 1
    assert torch.equal(made(torch.zeros(1, 0))["clip_l"][0], start["clip_l"] + 1)


def test_the_start_is_a_copy():
    start = {"clip_h": randn(2, 12)}
    TextualInversionProjector(start).spaces["clip_h"].words.data += 1
    assert torch.equal(start["clip_h"], randn(2, 12))


def test_they_start_as_person_and_face(backend):
    run = a_run(backend, [bare()])
    table = backend.texts["clip_h"].model.get_input_embeddings().weight
    tokens = [backend.text_spaces[0].tokenize(word) for word in ("person", "face")]
    assert all(len(one) == 1 for one in tokens)
    assert torch.equal(run.words()["clip_h"], table[[one[0] for one in tokens]])


def test_a_tokenizer_that_splits_the_first_words_is_refused():
    with pytest.raises(StableIdentityError, match=r"'person face' is 3 tokens in odd, needed 2"):
        start_words(some_space("odd", tokenize=lambda text: [1, 2, 3]))


def test_gradients_are_those_of_a_finite_difference():
    """Each word's gradient is the sum over the batch, as the batch shares the words."""
    made = TextualInversionProjector({"clip_h": randn(2, 5)}).double()
    reading = randn(3, 2, 5, seed=2).double()

    def words(value: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(made, {"spaces.clip_h.words": value}, (torch.zeros(3, 0),))["clip_h"]

    value = randn(2, 5, seed=3).double().requires_grad_()
    assert torch.autograd.gradcheck(words, value)
    (words(value) * reading).sum().backward()
    assert torch.allclose(value.grad, reading.sum(0), atol=1e-12)  # float64


def test_photos_without_features_train_and_the_header_names_no_encoder(backend, names):
    result = learn_identity(a_run(backend, [bare(), bare(seed=3)]), [names], "anna")
    header = result.identity.header
    assert header["method"] == "textual_inversion" and header["photos"] == "2"
    assert "face_encoder" not in header and "coefficients" not in header
    assert result.projector.method == "textual_inversion" and result.projector.encoder == "none"
    start = start_words(backend.text_spaces[0])
    moved = (result.identity.words["clip_h"] - start).abs()
    # AdamW moves each number by at most about the rate a step, 4 x 1e-3 here, and each one is moved.
    assert moved.min() > 0 and moved.max() < 5e-3


def test_an_encoded_photo_is_the_same_work_as_a_bare_one(backend):
    encoded, plain = a_run(backend, [some_face(features=FEATURES)]), a_run(backend, [bare()])
    assert encoded.work == plain.work
    assert finish(encoded) == finish(plain)
    assert torch.equal(encoded.words()["clip_h"], plain.words()["clip_h"])


def test_photos_of_two_encoders_are_no_hindrance_but_sizes_are(backend):
    one, two = some_face(), some_face(features=12, seed=3)
    finish(a_run(backend, [one, replace(two, feature=None)], replace(CONFIG, steps=1)))
    with pytest.raises(StableIdentityError, match="Photo 2 of 2 is 32x32 pixels, photo 1 64x64"):
        a_run(backend, [one, some_face(32)])
    with pytest.raises(StableIdentityError, match="there is no photo"):
        a_run(backend, [])


def test_the_store_finds_it_whatever_encoder_was_connected():
    faces = [without_features([some_face(features=width)]) for width in (8, 12)]
    first, second = (work_key(one, [some_names()], "m", CONFIG.as_dict()) for one in faces)
    assert first == second


def test_a_photo_without_feature_has_one_of_width_zero():
    assert feature_of(bare()).shape == (0,) and feature_of(bare(), mirrored=True).shape == (0,)
    assert mean_feature([bare(), bare(seed=3)]).shape == (1, 0)


def test_it_makes_no_words_for_another_face(backend, names):
    result = learn_identity(a_run(backend, [bare()]), [names], "anna")
    with pytest.raises(StableIdentityError, match="textual_inversion, which learns its words without looking"):
        project(some_face(), result.projector, [names], "ben")


def test_a_rebuilt_projector_has_the_trained_words():
    made = TextualInversionProjector({"clip_h": randn(2, 16)})
    trained = TrainedProjector(
        state=made.state_dict(),
        feature_width=0,
        encoder="none",
        method="textual_inversion",
    )
    assert torch.equal(trained.build([some_names()])(torch.zeros(1, 0))["clip_h"][0], randn(2, 16))
    with pytest.raises(StableIdentityError, match="was not trained for clip_h"):
        trained.build([some_names(width=20)])

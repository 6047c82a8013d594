"""Settings: the paper's by default, and nonsense refused by name."""

from __future__ import annotations

import json

import pytest

from stableidentity_core.errors import StableIdentityError
from stableidentity_core.train import TrainConfig


def test_defaults_are_the_papers():
    config = TrainConfig()
    assert (config.steps, config.learning_rate, config.batch_size) == (450, 5e-5, 1)
    assert (config.alpha, config.hair_weight, config.normalization) == (0.6, 0.1, "per_word")
    # The published code's, where the paper is silent.
    assert (config.beta1, config.beta2, config.weight_decay, config.max_grad_norm) == (0.9, 0.999, 1e-2, 1.0)
    assert (config.resolution, config.reconstruction_latents, config.loss_area) == (512, "unscaled", "canvas")
    assert (config.augmentation, config.cached_views) == ("published", 0)


@pytest.mark.parametrize(
    "name,value",
    [
        ("steps", 0),
        ("steps", -1),
        ("learning_rate", 0.0),
        ("learning_rate", 2.0),
        ("learning_rate", float("nan")),
        ("batch_size", 0),
        ("resolution", 32),
        ("resolution", 100),
        ("alpha", -0.1),
        ("alpha", 1.1),
        ("alpha", float("nan")),
        ("hair_weight", -1.0),
        ("hair_weight", float("inf")),
        ("normalization", "adain"),
        ("reconstruction_latents", "both"),
        ("loss_area", "face"),
        ("augmentation", "mirror"),
        ("max_grad_norm", 0.0),
        ("weight_decay", -1.0),
        ("weight_decay", float("nan")),
        ("beta1", 1.0),
        ("beta2", -0.1),
    ],
)
def test_a_setting_out_of_range_is_named_with_its_value_and_what_is_needed(name, value):
    with pytest.raises(StableIdentityError, match=rf"{name} is {value!r}, needed "):
        TrainConfig(**{name: value})


def test_the_dictionary_survives_json():
    config = TrainConfig(steps=7, learning_rate=3e-4, alpha=0.601, normalization="none")
    assert TrainConfig(**json.loads(json.dumps(config.as_dict()))) == config

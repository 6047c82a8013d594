"""Settings: the paper's by default, and nonsense refused by name."""

from __future__ import annotations

import json

import pytest

from stableidentity_core.errors import StableIdentityError
from stableidentity_core.train import TrainConfig, default_config


def test_defaults_are_the_papers():
    config = TrainConfig()
    assert (config.steps, config.learning_rate, config.batch_size) == (450, 5e-5, 1)
    assert (config.alpha, config.hair_weight, config.method_settings) == (0.6, 0.1, {"normalization": "per_word"})
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
    config = TrainConfig(steps=7, learning_rate=3e-4, alpha=0.601, method_settings={"normalization": "none"})
    assert TrainConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_files_keep_the_names_that_settings_had_from_the_beginning():
    """Checkpoints and headers of earlier versions hold these names, and earlier versions look for them."""
    names = set(TrainConfig(cached_views=3).as_dict())
    assert {"view_pool", "normalization"} <= names and not {"cached_views", "method_settings"} & names
    assert TrainConfig.from_dict({"view_pool": 3}).cached_views == 3


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("stableidentity", {"normalization": "adain"}, "normalization is 'adain', needed one of"),
        ("stableidentity", {"normalization": 3}, "normalization is 3, needed one of"),
        (
            "celeb_basis",
            {"normalization": "none"},
            "celeb_basis has no setting 'normalization'; its own settings: n",
        ),
        ("stableidentity", {"depth": 2}, "stableidentity has no setting 'depth'; its own settings: normalization"),
    ],
)
def test_a_setting_that_the_method_does_not_have_is_refused(method, settings, message):
    with pytest.raises(StableIdentityError, match=message):
        default_config(method, **settings)


def test_another_method_leaves_the_settings_of_the_one_before_behind():
    config = TrainConfig().with_settings(normalization="none", steps=3)
    assert config.method_settings == {"normalization": "none"}
    assert config.with_settings(method="celeb_basis").method_settings == {}
    assert config.with_settings(steps=4).method_settings == {"normalization": "none"}

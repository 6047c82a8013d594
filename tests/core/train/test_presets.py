"""Named settings: what they decide, and what they leave."""

from __future__ import annotations

import pytest

from stableidentity_core.errors import StableIdentityError
from stableidentity_core.train import TrainConfig
from stableidentity_core.train.presets import PRESETS, check_preset, describe_preset, with_preset

ODD = {"steps": 7, "learning_rate": 1.0, "alpha": 0.1, "augmentation": "none", "rate_schedule": "cosine"}


def test_paper_brings_everything_back_but_seed_and_size():
    config = with_preset(TrainConfig(seed=3, resolution=128, low_memory=True, **ODD), "paper")
    assert config == TrainConfig(seed=3, resolution=128, low_memory=True)


def test_fast_takes_less_than_a_third_of_the_papers_steps_and_leaves_the_rest():
    config = with_preset(TrainConfig(seed=3, hair_weight=0.7, alpha=0.1), "fast")
    assert config.steps * config.batch_size <= TrainConfig().steps / 3
    assert (config.seed, config.hair_weight, config.alpha) == (3, 0.7, 0.1)
    assert all(f"{name} {getattr(config, name)}" in describe_preset("fast") for name in PRESETS["fast"])


@pytest.mark.parametrize("preset", list(PRESETS))
def test_the_other_methods_have_their_own_settings(preset):
    with pytest.raises(StableIdentityError, match="is of stableidentity"):
        with_preset(TrainConfig(method="celeb_basis"), preset)


def test_an_unknown_preset_is_refused():
    with pytest.raises(StableIdentityError, match="needed one of paper, fast"):
        with_preset(TrainConfig(), "slow")  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", list(PRESETS))
def test_settings_that_contradict_their_preset_are_refused(preset):
    own = with_preset(TrainConfig(seed=3, resolution=128), preset)
    check_preset(own, preset)
    with pytest.raises(
        StableIdentityError, match=r"not its own: learning_rate 0.001 \(preset: .*\). Set preset to custom"
    ):
        check_preset(own.with_settings(learning_rate=1e-3), preset)

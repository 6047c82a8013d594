"""A method, an objective and a metric are added from this file, each by one class, and used in a training."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers.make import some_face
from helpers.trainings import small
from stableidentity_core.backends.objective import Objective
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.evaluate.metrics import METRICS, Sample, register, score
from stableidentity_core.evaluate.sample import sample_pictures
from stableidentity_core.identity import load_identity, save_identity
from stableidentity_core.methods import METHODS, Projector, Setting, Start
from stableidentity_core.methods.projector_file import load_projector, save_projector
from stableidentity_core.text import NameSpace
from stableidentity_core.train import TrainConfig, default_config
from stableidentity_core.train.project import project
from stableidentity_core.train.session import Person, TrainingSession


class Scaled(nn.Module):
    """[B, F] -> [B, 2, D]: a linear map times a fixed number, around the names' mean."""

    def __init__(self, feature_width: int, names: NameSpace, strength: float, generator: torch.Generator | None = None):
        super().__init__()
        weight = torch.zeros(2 * names.width, feature_width)
        self.weight = nn.Parameter(weight if generator is None else torch.randn(weight.shape, generator=generator))
        self.strength = strength
        self.register_buffer("mean", names.mean.clone())

    def forward(self, features: Tensor) -> Tensor:
        return self.mean + self.strength * (features @ self.weight.T).unflatten(1, (2, -1))


class ToyProjector(Projector):
    method = "toy"
    title = "Toy"
    settings = (Setting(name="toy_strength", default=0.01, low=0.0, high=2.0, help="How far words leave the mean."),)
    defaults = {"steps": 3, "alpha": 0.0}

    @classmethod
    def create(cls, start: Start, settings: Mapping[str, Any]) -> ToyProjector:
        strength = settings["toy_strength"]
        return cls(
            start.feature_width,
            {ns.space: Scaled(start.feature_width, ns, strength, start.generator) for ns in start.name_spaces},
        )

    @classmethod
    def empty(cls, feature_width: int, name_spaces: Sequence[NameSpace], settings: Mapping[str, Any]) -> ToyProjector:
        strength = settings["toy_strength"]
        return cls(feature_width, {ns.space: Scaled(feature_width, ns, strength) for ns in name_spaces})


class PredictsPicture(Objective):
    """The model is taken to predict z_0 (diffusers' "sample")."""

    name = "sample"

    def target(self, z0: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        return z0

    def predicted_z0(self, output: Tensor, z_t: Tensor, times: Tensor) -> Tensor:
        return output

    def predicted_noise(self, output: Tensor, z_t: Tensor, times: Tensor) -> Tensor:
        signal, sigma = self._levels(times, z_t)
        return (z_t - signal * output) / sigma


class Brightness:
    name, title = "toy_brightness", "brightness"

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        return torch.stack([sample.pictures.mean() for sample in samples])


@pytest.fixture
def toy(monkeypatch) -> Iterator[None]:
    monkeypatch.setitem(METHODS, "toy", ToyProjector)
    yield


def learn(backend, names, config: TrainConfig):
    session = TrainingSession(backend, [Person(trigger="<anna>", faces=[some_face()])], config, name_spaces=[names])
    return session.learn()[0]


def toy_config(**settings) -> TrainConfig:
    return default_config("toy", resolution=64, learning_rate=1e-3, **settings)


def test_a_method_with_a_setting_of_its_own(toy, backend, names, tmp_path):
    config = toy_config(toy_strength=0.02)
    assert (config.steps, config.alpha) == (3, 0.0) and config.as_dict()["toy_strength"] == 0.02
    result = learn(backend, names, config)
    assert result.losses.shape == (3,) and result.identity.header["method"] == "toy"
    assert json.loads(result.identity.header["settings"])["toy_strength"] == 0.02
    save_identity(result.identity, tmp_path / "anna.safetensors")
    assert torch.equal(load_identity(tmp_path / "anna.safetensors").words["clip_h"], result.identity.words["clip_h"])
    save_projector(result.projector, tmp_path / "toy.safetensors")
    again = load_projector(tmp_path / "toy.safetensors")
    assert (again.method, again.settings) == ("toy", {"toy_strength": 0.02})
    words = project(some_face(), again, [names], "anna").words["clip_h"]
    assert torch.allclose(words, result.identity.words["clip_h"], atol=1e-6)  # the same sums in one batch and another
    assert not torch.equal(learn(backend, names, toy_config(toy_strength=0.5)).identity.words["clip_h"], words)


def test_a_setting_of_its_own_is_checked(toy):
    with pytest.raises(StableIdentityError, match="toy_strength is 3, needed a number from 0 to 2"):
        toy_config(toy_strength=3)
    with pytest.raises(StableIdentityError, match="stableidentity has no setting 'toy_strength'"):
        TrainConfig().with_settings(toy_strength=1.0)


def test_the_command_line_has_the_setting_of_the_method(toy, monkeypatch):
    from stableidentity_core.cli import train

    monkeypatch.setitem(train.OWN, "toy", default_config("toy"))
    parser = argparse.ArgumentParser()
    train.add_train(parser)
    options = parser.parse_args(
        ["--model", "m", "--photo", "p", "--out", "o", "--method", "toy", "--toy-strength", "0.5"]
    )
    assert train._config(options).method_settings == {"toy_strength": 0.5}


def test_an_objective(own_backend, names):
    before = learn(own_backend, names, small()).identity.words["clip_h"]
    own_backend.objective = PredictsPicture(own_backend.objective.signal, own_backend.objective.sigma)
    result = learn(own_backend, names, small())
    assert result.identity.header["prediction"] == "sample"
    assert result.losses.isfinite().all() and not torch.equal(result.identity.words["clip_h"], before)
    pictures = sample_pictures(own_backend, ["a photo of {}"], result.identity.words, size=64, cfg=2.0, steps=2, seed=1)
    assert pictures.shape == (1, 3, 64, 64) and pictures.isfinite().all()


def test_a_metric(monkeypatch):
    monkeypatch.setattr("stableidentity_core.evaluate.metrics.base.METRICS", METRICS.copy())
    assert register(Brightness) is Brightness
    samples = [
        Sample(person=name, pictures=torch.full((2, 3, 8, 8), value), prompts=["{}", "{} smiling"])
        for name, value in (("anna", 0.25), ("ben", 0.75))
    ]
    scores = score(samples, [Brightness()])
    assert scores.values["toy_brightness"].tolist() == [0.25, 0.75] and scores.mean("toy_brightness") == 0.5

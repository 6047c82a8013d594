"""The examples in docs/architecture.md run and train as they are; the node is only compiled."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
import torch

from helpers.make import some_face
from helpers.tiny import tiny_sdxl
from stableidentity_core.backends import objective
from stableidentity_core.backends.diffusers_sd import DiffusersBackend
from stableidentity_core.encode import kinds, load_face_encoder
from stableidentity_core.encode.kinds import EncoderKind
from stableidentity_core.evaluate.metrics import Sample, score
from stableidentity_core.files.tensors import save_tensors
from stableidentity_core.methods import METHODS
from stableidentity_core.train import TrainConfig, default_config
from stableidentity_core.train.session import Person, TrainingSession, name_spaces_of

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text("utf-8")
EXAMPLES = {found[2]: found[1] for found in re.finditer(r"```python\n(# (\S+)\n.*?)```", TEXT, re.DOTALL)}


def example(file: str, **given: object) -> ModuleType:
    """The example as the module that it would be."""
    module = ModuleType(file.removesuffix(".py").replace("/", "."))
    module.__package__ = module.__name__.rpartition(".")[0]
    vars(module).update(given)
    exec(compile(EXAMPLES[file], file, "exec"), vars(module))
    return module


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    from diffusers import StableDiffusionXLPipeline

    return StableDiffusionXLPipeline.from_pretrained(tiny_sdxl(tmp_path_factory.mktemp("sdxl")))


def learn(backend, config: TrainConfig):
    person = Person(trigger="<anna>", faces=[some_face()])
    return TrainingSession(backend, [person], config, name_spaces=name_spaces_of(backend)).learn()[0]


def test_every_example_is_tried_here():
    tried = {"linear", "flow_pair", "objective", "sharpness", "small_net", "trigger"}
    assert {Path(file).stem for file in EXAMPLES} == tried
    for file, code in EXAMPLES.items():
        compile(code, file, "exec")


def test_the_rows_of_the_examples_change_what_is_there():
    for block in re.findall(r"```diff\n(.*?)```", TEXT, re.DOTALL):
        file = re.search(r"^ # (\S+)", block)[1]
        code = (ROOT / file).read_text("utf-8")
        assert all(line in code for line in re.findall(r"^-(.*)$", block, re.MULTILINE))


def test_a_projection_method(pipeline, monkeypatch):
    monkeypatch.setitem(METHODS, "linear", example("stableidentity_core/methods/linear.py").LinearProjector)
    assert default_config("linear").steps == 200
    result = learn(DiffusersBackend(pipeline), default_config("linear", steps=2, resolution=64, linear_strength=0.5))
    assert result.identity.words["clip_g"].shape == (2, 64)


def test_a_base_model(pipeline):
    pipeline.unet.config.addition_embed_type = None  # this base takes neither sizes nor a pooled vector
    made = example("stableidentity_core/backends/flow_pair.py").FlowPairBackend(pipeline)
    result = learn(made, TrainConfig(steps=2, resolution=64))
    assert result.identity.header["prediction"] == "flow" and result.losses.isfinite().all()
    assert {space: words.shape[-1] for space, words in result.identity.words.items()} == {"clip_l": 32, "clip_g": 64}


def test_an_objective():
    kind = example("stableidentity_core/backends/objective.py", **vars(objective)).PredictsPicture
    made = kind(torch.linspace(0.99, 0.01, 10))
    z0, noise = torch.randn(2, 3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    times = torch.tensor([0, 4, 9])
    z_t = made.add_noise(z0, noise, times)
    output = made.target(z0, noise, times)
    assert torch.allclose(made.predicted_z0(output, z_t, times), z0, atol=1e-5)
    assert torch.allclose(made.predicted_noise(output, z_t, times), noise, atol=1e-4)


def test_a_metric(monkeypatch):
    monkeypatch.setattr("stableidentity_core.evaluate.metrics.base.METRICS", {})
    made = example("stableidentity_core/evaluate/metrics/sharpness.py").Sharpness()
    stripes = torch.tensor([0.0, 1.0]).repeat(1, 3, 8, 4)
    people = {"anna": stripes, "bert": stripes / 2}
    samples = [Sample(person=name, pictures=pictures, prompts=["{}"]) for name, pictures in people.items()]
    assert score(samples, [made]).mean("sharpness") == pytest.approx(0.75)


def test_a_face_encoder(tmp_path, monkeypatch):
    made = example("stableidentity_core/encode/small_net.py")
    save_tensors(tmp_path / "small.safetensors", made.network().state_dict(), {})
    fields = {"title": "", "width": "", "licence": made.LICENCE, "purpose": "", "mark": ""}
    row = EncoderKind(**fields, recognises=made.is_small_net, build=made.build_small_net)
    monkeypatch.setattr(kinds, "KINDS", {**kinds.KINDS, "SmallNet": row})
    encoder = load_face_encoder(tmp_path / "small.safetensors")
    portrait = torch.rand(1, 3, 512, 512, generator=torch.Generator().manual_seed(0))
    assert encoder(portrait).shape == (1, encoder.width)
    assert not torch.equal(encoder(portrait), encoder(portrait, mirrored=True))

"""LoRA as a method of the suite: it learns, its file is one that diffusers reads, and the model is as before."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from helpers.make import some_face
from stableidentity_core.backends.load_diffusers import load_diffusers
from stableidentity_core.errors import DamagedFileError, StableIdentityError
from stableidentity_core.evaluate.sample import sample_pictures
from stableidentity_core.files.tensors import read_tensors, save_tensors
from stableidentity_core.suite.methods import method_of
from stableidentity_core.suite.methods.lora import Lora
from stableidentity_core.suite.spec import MethodSpec, Sampling

pytest.importorskip("peft", reason="PEFT IS NOT INSTALLED")

SETTINGS = {"rank": 2, "steps": 6, "resolution": 64, "learning_rate": 1e-2}
SAMPLING = Sampling(size=64, steps=2, cfg=3.0)
PROMPTS = ["a photo of {}", "{} in the snow"]


def lora(**options: Any) -> Lora:
    return method_of(MethodSpec(name="LoRA", kind="lora", options={**SETTINGS, **options}))  # type: ignore[return-value]


def bench_of(backend: Any) -> Any:
    faces = {name: some_face(seed=seed) for seed, name in enumerate(("ann", "ben"))}
    return SimpleNamespace(
        backend=backend,
        seed_of=list(faces).index,
        face=lambda person, encoder="": faces[person],
        device="cpu",
    )


@pytest.fixture(scope="module")
def bench(backend) -> Any:
    return bench_of(backend)


@pytest.fixture(scope="module")
def learned(bench, tmp_path_factory) -> Path:
    before, state = bench.backend.fingerprint(), torch.get_rng_state()
    path = tmp_path_factory.mktemp("lora") / "ann.safetensors"
    lora().learn(bench, ["ann"])["ann"](path)
    assert bench.backend.fingerprint() == before and torch.equal(torch.get_rng_state(), state)
    assert not any(value.requires_grad for value in bench.backend.unet.parameters())
    return path


def painted(bench: Any, path: Path, **options: Any) -> torch.Tensor:
    made = lora(**options).paint(bench, "ann", path, PROMPTS, SAMPLING)
    return torch.stack([picture for _number, _seed, picture in made])


def plain(backend: Any) -> torch.Tensor:
    texts = [prompt.replace("{}", "sks person") for prompt in PROMPTS]
    return sample_pictures(backend, texts, {}, size=64, cfg=3.0, steps=2, seed=1000)


def test_the_file_changes_the_pictures_as_it_does_in_diffusers(bench, learned, sd_folder):
    from diffusers import StableDiffusionPipeline

    before = plain(bench.backend)
    ours = painted(bench, learned)
    assert torch.equal(plain(bench.backend), before), "the model is not as before"
    assert (ours - before).abs().max() > 0.01
    pipeline = StableDiffusionPipeline.from_pretrained(sd_folder, safety_checker=None, local_files_only=True)
    pipeline.load_lora_weights(str(learned.parent), weight_name=learned.name)
    other = load_diffusers(sd_folder)
    other.unet = pipeline.unet.eval()
    assert torch.allclose(plain(other), ours, atol=1e-4)


def test_it_learns_the_noise_of_the_photo(bench, tmp_path):
    """With more steps the photo is closer: the loss on the same draws falls."""
    from stableidentity_core.backends.objective import Objective
    from stableidentity_core.evaluate.sample import encode_texts
    from stableidentity_core.suite.methods.lora import lora_in_use
    from stableidentity_core.suite.methods.words import without_masks
    from stableidentity_core.train.batch import Source, draw_batches
    from stableidentity_core.train.views import encode_views

    method, backend = lora(steps=40, rank=4), bench.backend
    method.learn(bench, ["ann"])["ann"](tmp_path / "ann.safetensors")
    face = without_masks(bench.face("ann"))
    views = encode_views(backend, [face], method.config, torch.Generator())

    def error() -> float:
        source = Source(faces=[face], generator=torch.Generator().manual_seed(5), plain=views)
        objective: Objective = backend.objective
        total = 0.0
        with torch.no_grad():
            for _draw in range(16):
                draw = draw_batches(backend, [source], method.config)[0].draw
                output = backend.predict(draw.z_t, draw.times, encode_texts(backend, ["a photo of sks person"]))
                total += (output - objective.target(draw.z0, draw.noise, draw.times)).square().mean().item()
        return total

    before = error()
    with lora_in_use(backend, tmp_path / "ann.safetensors"):
        after = error()
    assert after < 0.95 * before
    assert error() == before


def test_the_same_seed_gives_the_same_file_and_each_person_another(bench, learned, tmp_path):
    for name in ("ann", "ben"):
        lora().learn(bench, [name])[name](tmp_path / f"{name}.safetensors")
    assert (tmp_path / "ann.safetensors").read_bytes() == learned.read_bytes()
    assert (tmp_path / "ben.safetensors").read_bytes() != learned.read_bytes()
    lora(seed=1).learn(bench, ["ann"])["ann"](tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() != learned.read_bytes()


def test_the_file_is_small_and_says_what_it_is(learned):
    tensors, header = read_tensors(learned)
    assert header["method"] == "lora" and header["rank"] == "2" and header["word"] == "sks person"
    assert all(name.startswith("unet.") and ".lora." in name for name in tensors)
    assert all(2 in value.shape and value.dtype == torch.float32 for value in tensors.values())


def test_damaged_and_foreign_files_are_refused_and_leave_nothing_behind(bench, learned, tmp_path):
    before = bench.backend.fingerprint()
    tensors, header = read_tensors(learned)
    save_tensors(tmp_path / "words.safetensors", tensors, {})
    wrong = {name: value.repeat(2, 1) for name, value in tensors.items()}
    save_tensors(tmp_path / "wrong.safetensors", wrong, header)
    for name in ("words", "wrong"):
        with pytest.raises(DamagedFileError, match=f"{name}.safetensors .*Remove it and run again"):
            painted(bench, tmp_path / f"{name}.safetensors")
        assert bench.backend.fingerprint() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [({"rank": 0}, "rank of 'LoRA' is 0"), ({"prompt": "a photo"}, "needed one slot"), ({"steps": 0}, "steps is 0")],
)
def test_options_that_cannot_be(options, said):
    with pytest.raises(StableIdentityError, match=said):
        lora(**options)


def test_a_loss_that_is_no_number_is_a_sentence_and_the_model_is_as_before(own_backend):
    before = own_backend.fingerprint()
    with pytest.raises(StableIdentityError, match=r"Step \d+: the loss is nan. Lower learning_rate"):
        lora(learning_rate=1.0, steps=500, rank=64).learn(bench_of(NotFinite(own_backend)), ["ann"])
    assert own_backend.fingerprint() == before


def NotFinite(backend: Any) -> Any:
    """Its predictions are not numbers."""
    predict = backend.predict
    backend.predict = lambda *inputs: predict(*inputs) * torch.nan
    return backend

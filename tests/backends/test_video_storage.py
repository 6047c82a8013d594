"""The text-to-video MODEL sampled with weights that are stored small, or of which only a part fits the device."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from helpers.pack import pack_module
from helpers.tiny import tiny_video_unet

pytestmark = pytest.mark.host

FRAMES, SIDE, TEXT, STEPS = 8, 8, 64, 4
# The largest relative error of a rounded number: half of the last bit of 10, 3 and 2 bits behind the first.
ROUNDING = {"fp16": 2**-11, "fp8_e4m3fn": 2**-4, "fp8_e5m2": 2**-3}
STORED = {"fp16": torch.float16, "fp8_e4m3fn": torch.float8_e4m3fn, "fp8_e5m2": torch.float8_e5m2}
# Errors of weights are independent, so those of many layers and steps grow slowly; cfg 9 takes a difference nine times.
# Measured: 1.1 roundings with cfg 1.0, 3.6 with cfg 9.
GROWTH = {1.0: 2, 9.0: 5}
# Of the same weights: rounding of sums in fp32, which is computed in throughout, and a tenth of what fp16 would round.
SAME = 0.1 * ROUNDING["fp16"]


@pytest.fixture(scope="module")
def host(comfyui):
    return pack_module("nodes.host.video.model", comfyui)


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return tiny_video_unet().state_dict()


@pytest.fixture(scope="module")
def file(weights, tmp_path_factory) -> Path:
    return saved(tmp_path_factory.mktemp("video") / "unet.safetensors", weights)


def saved(path: Path, weights: dict[str, torch.Tensor]) -> Path:
    save_file(weights, path)
    return path


def load(host, file: Path, dtype: str = "default", **more):
    with torch.inference_mode():  # as nodes run
        return host.load_video_model(file, dtype, **more)


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def sample(model, cfg: float = 9.0, steps: int = STEPS) -> torch.Tensor:
    """KSampler's work."""
    import comfy.sample

    noise = random(FRAMES, 4, SIDE, SIDE, seed=1)
    positive, negative = ([[random(1, 77, TEXT, seed=seed), {}]] for seed in (2, 3))
    with torch.inference_mode():
        return comfy.sample.sample(
            model,
            noise,
            steps,
            cfg,
            "ddim",
            "ddim_uniform",
            positive,
            negative,
            torch.zeros_like(noise),
            seed=7,
            disable_pbar=True,
        )


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found - expected).std() / expected.std()).item()


@pytest.fixture(scope="module")
def whole(host, file) -> dict[float, torch.Tensor]:
    """The clip of fp32 weights, by cfg."""
    model = load(host, file)
    return {cfg: sample(model, cfg) for cfg in GROWTH}


@pytest.mark.parametrize("dtype", ROUNDING)
def test_small_storage_samples_nearly_the_same_clip(host, file, whole, dtype):
    model = load(host, file, dtype)
    assert {parameter.dtype for parameter in model.model.diffusion_model.parameters()} == {STORED[dtype]}
    assert model.model_size() < 0.52 * load(host, file).model_size() * STORED[dtype].itemsize / 2
    for cfg, expected in whole.items():
        found = sample(model, cfg)
        assert found.isfinite().all() and found.shape == expected.shape
        assert 0.1 * ROUNDING[dtype] < error(found, expected) < GROWTH[cfg] * ROUNDING[dtype], cfg
        print(dtype, cfg, error(found, expected))


@pytest.mark.parametrize("dtype", ROUNDING)
def test_nothing_but_the_weights_is_rounded(host, file, weights, tmp_path, dtype):
    """fp32 weights that had been rounded so give the same clip: all is computed in fp32, in every layer."""
    rounded = {name: value.to(STORED[dtype]).float() for name, value in weights.items()}
    twin = sample(load(host, saved(tmp_path / "rounded.safetensors", rounded)), steps=2)
    assert error(sample(load(host, file, dtype), steps=2), twin) < SAME


def test_an_fp16_file_loads_and_samples_as_it_is(host, weights, whole, tmp_path):
    """Published files are fp16. A processor keeps them as fp32, unless told otherwise."""
    half = saved(tmp_path / "half.safetensors", {name: value.half() for name, value in weights.items()})
    default, kept = load(host, half), load(host, half, "fp16")
    assert {parameter.dtype for parameter in kept.model.diffusion_model.parameters()} == {torch.float16}
    assert error(sample(default), sample(kept)) < SAME
    assert error(sample(kept), whole[9.0]) < GROWTH[9.0] * ROUNDING["fp16"]


# Offloading: what does not fit the device stays in memory and comes layer by layer.


def layers(model) -> list[torch.nn.Module]:
    """Modules with weights of their own."""
    return [part for part in model.model.diffusion_model.modules() if list(part.parameters(recurse=False))]


def fit(model, monkeypatch, part: float) -> None:
    """The host believes that this part of the weights fits the device."""
    own = model.load

    def partly(device_to=None, **more):
        budget = int(part * model.model_size())
        return own(device_to, **{**more, "lowvram_model_memory": budget, "full_load": False})

    monkeypatch.setattr(model, "load", lambda device_to=None, lowvram_model_memory=0, **more: partly(device_to, **more))


def test_every_layer_with_weights_can_be_offloaded(host, file):
    """A layer that the host does not know would stay on the wrong device."""
    model = load(host, file, disable_dynamic=True)
    unknown = {type(part).__name__ for part in layers(model) if not hasattr(part, "comfy_cast_weights")}
    assert unknown == set()
    kinds = {type(part).__name__ for part in layers(model)}
    assert {"Conv3d", "Conv2d", "Linear", "GroupNorm", "LayerNorm"} <= kinds


@pytest.mark.parametrize("part,dtype", [(0.05, "default"), (0.5, "default"), (0.5, "fp16")])
def test_a_model_loaded_in_part_gives_the_same_clip(host, file, monkeypatch, part, dtype):
    expected = sample(load(host, file, dtype), steps=2)
    model = load(host, file, dtype, disable_dynamic=True)
    fit(model, monkeypatch, part)
    found = sample(model, steps=2)
    assert model.model.model_lowvram and model.loaded_size() <= part * model.model_size()
    cast = [bool(layer.comfy_cast_weights) for layer in layers(model)]
    assert any(cast) and (dtype == "fp16" or part < 0.1 or not all(cast))
    assert error(found, expected) < SAME


@pytest.mark.parametrize("part", [0.05, 2.0])
def test_patches_reach_temporal_layers_also_when_offloaded(host, file, weights, tmp_path, monkeypatch, part):
    """As LoRAs patch: the same clip as with the patched weights in the file."""
    theirs = "transformer_in.proj_in.weight"
    ours = "diffusion_model.input_blocks.0.0_time.proj_in.weight"
    change = random(*weights[theirs].shape, seed=9) * 0.1
    patched = saved(tmp_path / "patched.safetensors", {**weights, theirs: weights[theirs] + 0.5 * change})
    model = load(host, file, disable_dynamic=True)
    assert model.add_patches({ours: (change,)}, 0.5) == [ours]
    fit(model, monkeypatch, part)
    expected = sample(load(host, patched), steps=2)
    assert error(sample(model, steps=2), expected) < SAME
    assert error(expected, sample(load(host, file), steps=2)) > 10 * SAME, "the patch changes nothing"

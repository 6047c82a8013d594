"""IP-Adapter as a method of the suite, with small random networks in the published file formats."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from helpers.make import rand, randn
from helpers.tiny import fill
from stableidentity_core.errors import DamagedFileError, MissingFileError, StableIdentityError
from stableidentity_core.evaluate.sample import sample_pictures
from stableidentity_core.suite.methods import method_of
from stableidentity_core.suite.methods.ip_adapter import IpAdapter
from stableidentity_core.suite.spec import MethodSpec, Sampling

SAMPLING = Sampling(size=64, steps=3, cfg=3.0, seeds=(1, 2), at_once=2, negative="blurry")
PROMPTS = ["a photo of {}", "{} in the snow", "{} on the beach"]
CLIP_WIDTH, PROJECTED, QUERIES = 64, 24, 5


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    """An image encoder of the published kind, a folder with its configuration."""
    folder = tmp_path_factory.mktemp("clip") / "image_encoder"
    config = CLIPVisionConfig(
        hidden_size=CLIP_WIDTH,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=1,
        image_size=32,
        patch_size=8,
        projection_dim=PROJECTED,
    )
    fill(CLIPVisionModelWithProjection(config), seed=3).save_pretrained(folder)
    return folder / "model.safetensors"


def attention_of(unet: Any, seed: int) -> dict[str, torch.Tensor]:
    """Keys and values of the photo for each layer that looks at the text; these have odd numbers."""
    width, found = unet.config.cross_attention_dim, {}
    layers = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for number, name in enumerate(layers):
        inner = unet.get_submodule(name.removesuffix(".processor")).to_k.weight.shape[0]
        for part in ("k", "v"):
            found[f"ip_adapter.{2 * number + 1}.to_{part}_ip.weight"] = randn(inner, width, seed=seed + number) / 4
    return found


def plain_projection(width: int) -> dict[str, torch.Tensor]:
    state = {"proj.weight": randn(4 * width, PROJECTED), "proj.bias": randn(4 * width)}
    state |= {"norm.weight": torch.ones(width), "norm.bias": torch.zeros(width)}
    return {f"image_proj.{name}": value for name, value in state.items()}


def plus_projection(width: int) -> dict[str, torch.Tensor]:
    """The resampler of the published adapters for faces: four layers with queries of its own."""
    inner = 64
    state = {"latents": randn(1, QUERIES, inner), "proj_in.weight": randn(inner, CLIP_WIDTH) / 8}
    state |= {"proj_in.bias": torch.zeros(inner), "proj_out.weight": randn(width, inner) / 8}
    state |= {"proj_out.bias": torch.zeros(width)}
    norms = ["norm_out"]
    for layer in range(4):
        state[f"layers.{layer}.0.to_q.weight"] = randn(inner, inner, seed=layer) / 8
        state[f"layers.{layer}.0.to_kv.weight"] = randn(2 * inner, inner, seed=layer) / 8
        state[f"layers.{layer}.0.to_out.weight"] = randn(inner, inner, seed=layer) / 8
        state[f"layers.{layer}.1.1.weight"] = randn(4 * inner, inner, seed=layer) / 8
        state[f"layers.{layer}.1.3.weight"] = randn(inner, 4 * inner, seed=layer) / 8
        norms += [f"layers.{layer}.0.norm1", f"layers.{layer}.0.norm2", f"layers.{layer}.1.0"]
    for name in norms:
        size = width if name == "norm_out" else inner
        state |= {f"{name}.weight": torch.ones(size), f"{name}.bias": torch.zeros(size)}
    return {f"image_proj.{name}": value for name, value in state.items()}


@pytest.fixture(scope="module", params=["plain", "plus"])
def adapter(request, backend, tmp_path_factory) -> Path:
    width = backend.unet.config.cross_attention_dim
    projection = {"plain": plain_projection, "plus": plus_projection}[request.param](width)
    path = tmp_path_factory.mktemp("adapter") / f"{request.param}.safetensors"
    save_file({**projection, **attention_of(backend.unet, seed=7)}, path)
    return path


def method(adapter: Path | str = "", encoder: Path | str = "", scale: float = 1.0) -> IpAdapter:
    options = {"adapter": str(adapter), "image_encoder": str(encoder), "scale": scale}
    return method_of(MethodSpec(name="IP-Adapter", kind="ip_adapter", options=options))  # type: ignore[return-value]


def bench_of(backend: Any, photo: int = 0) -> Any:
    def weight(name: str) -> Path:
        raise MissingFileError(f"download {name}")

    return SimpleNamespace(backend=backend, photo=lambda person: rand(3, 64, 64, seed=photo), weight=weight)


def painted(bench: Any, *given: Any, **options: Any) -> dict[tuple[int, int], torch.Tensor]:
    made = method(*given, **options).paint(bench, "ann", None, PROMPTS, SAMPLING)
    return {(number, seed): picture for number, seed, picture in made}


def test_without_weight_the_pictures_are_those_of_the_words(backend, adapter, encoder):
    """The same noise, times and solver as all other methods."""
    before = backend.fingerprint()
    pictures = painted(bench_of(backend), adapter, encoder, scale=0.0)
    assert list(pictures) == [(0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2)]
    texts = [prompt.replace("{}", "a person") for prompt in PROMPTS]
    options = {"size": 64, "cfg": 3.0, "steps": 3, "negative": "blurry"}
    for seed in (1, 2):
        expected = sample_pictures(backend, texts, {}, seed=seed * 1000, **options)  # type: ignore[arg-type]
        for number, picture in enumerate(expected):
            assert (pictures[number, seed] - picture).abs().max() < 2e-3
    assert backend.fingerprint() == before and backend.unet.encoder_hid_proj is None


def test_the_photo_decides_with_weight(backend, adapter, encoder):
    texts = [prompt.replace("{}", "a person") for prompt in PROMPTS]
    before = sample_pictures(backend, texts, {}, size=64, cfg=3.0, steps=3, seed=1000)
    one, other = (painted(bench_of(backend, photo), adapter, encoder) for photo in (0, 1))
    nothing = painted(bench_of(backend), adapter, encoder, scale=0.0)
    assert (one[0, 1] - nothing[0, 1]).abs().max() > 0.01 and (one[0, 1] - other[0, 1]).abs().max() > 1e-3
    assert torch.equal(sample_pictures(backend, texts, {}, size=64, cfg=3.0, steps=3, seed=1000), before)


def test_a_base_that_it_was_not_published_for(backend):
    """The mini world and SD2.1 among them."""
    said = "IP-Adapter was published for SD1.5 and SDXL.*the text of this base is 64 wide"
    with pytest.raises(StableIdentityError, match=said):
        painted(bench_of(backend))
    with pytest.raises(StableIdentityError, match=said):
        method().content(bench_of(backend))


def test_files_that_do_not_fit(backend, adapter, encoder, tmp_path):
    save_file({"image_proj.proj.weight": rand(4, 4)}, tmp_path / "half.safetensors")
    with pytest.raises(DamagedFileError, match="is no IP-Adapter: it lacks"):
        painted(bench_of(backend), tmp_path / "half.safetensors", encoder)
    wide = {**plain_projection(96), "ip_adapter.1.to_k_ip.weight": rand(8, 96)}
    save_file(wide, tmp_path / "wide.safetensors")
    with pytest.raises(StableIdentityError, match="text of width 96, this base has 64"):
        painted(bench_of(backend), tmp_path / "wide.safetensors", encoder)
    with pytest.raises(MissingFileError, match="nowhere"):
        painted(bench_of(backend), tmp_path / "nowhere.safetensors", encoder)
    assert backend.unet.encoder_hid_proj is None


def test_keys_change_with_the_files(backend, adapter, encoder, tmp_path):
    bench, same = bench_of(backend), tmp_path / "moved.safetensors"
    same.write_bytes(adapter.read_bytes())
    content = method(adapter, encoder).content(bench)
    assert content == method(same, encoder).content(bench) and content.keys() == {"adapter", "encoder"}
    assert method(adapter, encoder).depends_on() == method("", "").depends_on()
    same.write_bytes(adapter.read_bytes() + b" ")
    assert content != method(same, encoder).content(bench)

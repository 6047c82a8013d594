"""The CLIP image encoder against transformers' own classes and PIL's resizing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig, CLIPVisionModel, CLIPVisionModelWithProjection

from helpers.make import rand, some_face
from helpers.tiny import fill
from stableidentity_core.encode import ClipImageEncoder, clip, encode_face, load_face_encoder
from stableidentity_core.errors import ShapeError, StableIdentityError

VISION = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
    "projection_dim": 24,
    "hidden_act": "gelu",
}

# Measured 3e-6 of values around 1: the same float32 sums, but attention may take another kernel.
SAME_FEATURE = 1e-4


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip")
    fill(CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION)), 3).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def portrait(astronaut) -> torch.Tensor:  # [3, 512, 512]
    pixels = Image.fromarray((astronaut.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    return torch.from_numpy(np.asarray(pixels.resize((512, 512))).copy()).permute(2, 0, 1).float() / 255


def twin_pixels(portrait: torch.Tensor, mean, std) -> torch.Tensor:  # [1, 3, 32, 32]
    """By PIL in floats: the paper's crop, bicubic as CLIP's processor, cut to 0..1, mean and deviation."""
    channels = []
    for channel, m, s in zip(portrait.numpy(), mean, std, strict=True):
        face = Image.fromarray(channel, mode="F").crop((64, 70, 440, 446))
        channels.append((np.asarray(face.resize((32, 32), Image.Resampling.BICUBIC)).clip(0, 1) - m) / s)
    return torch.from_numpy(np.stack(channels)).float()[None]


def expected(folder: Path, pixels: torch.Tensor) -> torch.Tensor:  # [1, 24]
    with torch.no_grad():
        return CLIPVisionModelWithProjection.from_pretrained(folder).eval()(pixel_values=pixels).image_embeds


@pytest.mark.parametrize("mirrored", [False, True])
def test_features_are_the_projected_embedding_of_the_face(folder, portrait, mirrored):
    pixels = twin_pixels(portrait, clip.MEAN, clip.STD)
    theirs = expected(folder, pixels.flip(-1) if mirrored else pixels)
    encoder = load_face_encoder(folder)
    ours = encoder(portrait[None], mirrored=mirrored)
    assert isinstance(encoder, ClipImageEncoder) and encoder.width == 24 and ours.shape == (1, 24)
    assert (ours - theirs).abs().max() < SAME_FEATURE and theirs.abs().max() > 0.1
    assert "MIT" in encoder.licence


def test_hair_and_background_outside_the_crop_are_not_seen(folder, portrait):
    encoder = load_face_encoder(folder)
    outside = torch.ones_like(portrait, dtype=torch.bool)
    outside[:, 70:446, 64:440] = False
    inside = portrait.clone()
    inside[:, 256, 256] = 1 - inside[:, 256, 256]
    assert torch.equal(encoder(portrait[None]), encoder(portrait.masked_fill(outside, 0.5)[None]))
    assert not torch.equal(encoder(portrait[None]), encoder(inside[None]))


def test_the_weights_own_mean_and_deviation_are_used(folder, portrait, tmp_path):
    for name in ("model.safetensors", "config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    settings = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    theirs = expected(folder, twin_pixels(portrait, settings["image_mean"], settings["image_std"]))
    assert (load_face_encoder(tmp_path)(portrait[None]) - theirs).abs().max() < SAME_FEATURE
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": 0.5}')
    with pytest.raises(StableIdentityError, match=r"image_mean 0\.5 .*needed three numbers"):
        load_face_encoder(tmp_path)


def copied(folder: Path, target: Path, name: str = "model.safetensors") -> Path:
    """The weights under another name, with their config.json."""
    state = load_file(folder / "model.safetensors")
    if name.endswith(".safetensors"):
        save_file(state, target / name)
    else:
        torch.save(state, target / name)
    (target / "config.json").write_bytes((folder / "config.json").read_bytes())
    return target / name


@pytest.mark.parametrize("name", ["face.safetensors", "pytorch_model.bin"])
def test_every_form_of_the_file_gives_the_same_encoder(folder, portrait, tmp_path, name):
    ours, theirs = load_face_encoder(copied(folder, tmp_path, name)), load_face_encoder(folder)
    assert ours.name == theirs.name and ours.name.startswith("clip:")
    assert torch.equal(ours(portrait[None]), theirs(portrait[None]))


def test_the_image_encoder_of_a_whole_clip_is_taken(portrait, tmp_path):
    text = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    whole = CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=20))
    fill(whole, 4).save_pretrained(tmp_path)
    with torch.no_grad():
        pixels = twin_pixels(portrait, clip.MEAN, clip.STD)
        theirs = whole.visual_projection(whole.vision_model(pixel_values=pixels).pooler_output)
    encoder = load_face_encoder(tmp_path)
    assert encoder.width == 20 and (encoder(portrait[None]) - theirs).abs().max() < SAME_FEATURE


def test_without_a_config_the_published_sizes_are_known_and_others_refused(folder, portrait, tmp_path, monkeypatch):
    path = copied(folder, tmp_path, "clip_vision.safetensors")
    (tmp_path / "config.json").unlink()
    with pytest.raises(StableIdentityError, match=r"width 64 with 2 layers and has no config\.json.*\(1280, 32\)"):
        load_face_encoder(path)
    monkeypatch.setitem(clip._PUBLISHED, (64, 2), (4, "gelu"))  # the published ones have gigabytes
    assert torch.equal(load_face_encoder(path)(portrait[None]), load_face_encoder(folder)(portrait[None]))


def test_an_encoder_without_projection_is_refused(tmp_path):
    fill(CLIPVisionModel(CLIPVisionConfig(**VISION)), 3).save_pretrained(tmp_path)
    with pytest.raises(StableIdentityError, match=r"without visual_projection\.weight.*CLIPVisionModelWithProjection"):
        load_face_encoder(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda state: state.pop("vision_model.encoder.layers.1.mlp.fc1.weight"),
            "not a complete CLIP image encoder for 2 layers of width 64: 1 missing keys",
        ),
        (
            lambda state: state.update({"vision_model.encoder.layers.2.mlp.fc1.bias": torch.zeros(96)}),
            "1 unexpected keys",
        ),
        (lambda state: state.update({"visual_projection.weight": torch.zeros(8, 64)}), r"config\.json|mismatched"),
    ],
    ids=["hole", "too much", "another width"],
)
def test_weights_that_do_not_fit_are_named(folder, tmp_path, change, said):
    state = load_file(folder / "model.safetensors")
    change(state)
    copied(folder, tmp_path)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(StableIdentityError, match=said):
        load_face_encoder(tmp_path)


@pytest.mark.parametrize("text", ["{broken", "[]", '{"vision_config": 3}'])
def test_a_broken_config_is_named(folder, tmp_path, text):
    copied(folder, tmp_path)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(StableIdentityError, match=r"config\.json.*cannot be read"):
        load_face_encoder(tmp_path)


def test_it_loads_and_works_in_inference_mode_and_after_it(folder, portrait):
    outside = load_face_encoder(folder)(portrait[None])
    with torch.inference_mode():
        encoder = load_face_encoder(folder)
        assert torch.equal(encoder(portrait[None]), outside)
    assert torch.equal(encoder(portrait[None]), outside)


def host_like(pictures: torch.Tensor) -> torch.Tensor:  # [B, 6]
    """What a host's CLIP_VISION does for us, as mean and deviation of each channel; in half precision, as hosts do."""
    return torch.cat([pictures.mean((2, 3)), pictures.std((2, 3))], 1).half()


def test_any_function_of_cropped_pictures_can_be_the_network():
    encoder = ClipImageEncoder(host_like, name="clip_vision:test", width=6, licence="none")
    face = some_face(512)
    crop = face.image[None, :, 70:446, 64:440]
    assert torch.equal(encoder(face.image[None]), host_like(crop).float())
    assert encode_face(encoder, face).feature.encoder == "clip_vision:test"
    seen = []
    ClipImageEncoder(lambda pictures: seen.append(pictures) or host_like(pictures), name="x", width=6)(
        rand(2, 3, 64, 64), mirrored=True
    )
    assert torch.equal(seen[0], rand(2, 3, 64, 64)[..., 9:56, 8:55].flip(-1))  # the crop's edges are rounded


@pytest.mark.parametrize("width", [5, 7])
def test_a_network_of_another_width_than_told_is_refused(width):
    encoder = ClipImageEncoder(host_like, name="clip_vision:test", width=width)
    with pytest.raises(ShapeError, match=rf"clip_vision:test has shape \[1, 6\], needed .*f={width}"):
        encoder(rand(1, 3, 64, 64))

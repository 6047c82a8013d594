"""Face encoders of timm against timm's own models, in the form that timm saves and that timm-face publishes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.models import save_for_hf

from helpers.make import rand, some_face
from helpers.tiny import fill
from stableidentity_core.encode import TimmFace, encode_face, load_face_encoder
from stableidentity_core.errors import MissingPackageError, StableIdentityError

# The config.json of gaunernst/vit_tiny_patch8_112.arcface_ms1mv3, with a smaller network's arguments.
PUBLISHED = {
    "architecture": "vit_tiny_patch16_224",
    "num_classes": 512,
    "num_features": 192,
    "global_pool": "token",
    "pretrained_cfg": {
        "input_size": [3, 112, 112],
        "fixed_input_size": True,
        "interpolation": "bicubic",
        "crop_pct": 1.0,
        "crop_mode": "center",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "num_classes": 512,
        "pool_size": None,
        "first_conv": "patch_embed.proj",
        "classifier": "head",
    },
    "model_args": {"patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 2},
}

# Measured 2e-6 of values around 1: the same float32 sums, but attention may take another kernel.
SAME_FEATURE = 1e-4


def arcface_like() -> torch.nn.Module:
    """112 pixels and an embedding of 512 in the classifier's place."""
    return fill(timm.create_model("vit_tiny_patch16_224", img_size=112, num_classes=512, **PUBLISHED["model_args"]), 1)


@pytest.fixture(scope="module")
def face_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("timm_face")
    save_file(arcface_like().state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(PUBLISHED))
    return folder


@pytest.fixture(scope="module")
def classifier_folder(tmp_path_factory) -> Path:
    """A ViT of 160 pixels that tells 7 classes, saved by timm itself."""
    folder = tmp_path_factory.mktemp("timm_classes")
    save_for_hf(fill(timm.create_model("test_vit", num_classes=7), 2), folder, safe_serialization=True)
    return folder


@pytest.fixture(scope="module")
def portrait(astronaut) -> torch.Tensor:  # [3, 512, 512]
    pixels = Image.fromarray((astronaut.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    return torch.from_numpy(np.asarray(pixels.resize((512, 512))).copy()).permute(2, 0, 1).float() / 255


def twin_pixels(portrait: torch.Tensor, box, size: int) -> torch.Tensor:  # [1, 3, size, size]
    """By PIL in floats: crop, bicubic, cut to 0..1, mean and deviation 0.5."""
    faces = [Image.fromarray(channel, mode="F").crop(box) for channel in portrait.numpy()]
    pixels = [np.asarray(face.resize((size, size), Image.Resampling.BICUBIC)).clip(0, 1) for face in faces]
    return torch.from_numpy(np.stack(pixels)).float()[None] * 2 - 1


@pytest.mark.parametrize("mirrored", [False, True])
def test_of_112_pixels_the_arcface_crop_and_the_embedding_are_taken(face_folder, portrait, mirrored):
    pixels = twin_pixels(portrait, (64, 60, 447, 443), 112)
    with torch.no_grad():
        theirs = arcface_like()(pixels.flip(-1) if mirrored else pixels)
    encoder = load_face_encoder(face_folder)
    ours = encoder(portrait[None], mirrored=mirrored)
    assert isinstance(encoder, TimmFace) and encoder.width == 512 and ours.shape == (1, 512)
    assert (ours - theirs).abs().max() < SAME_FEATURE and theirs.abs().max() > 0.1
    assert "not stated" in encoder.licence


def test_of_other_sizes_the_papers_crop_and_what_goes_into_the_classifier_are_taken(classifier_folder, portrait):
    network = fill(timm.create_model("test_vit", num_classes=7), 2)
    with torch.no_grad():
        tokens = network.forward_features(twin_pixels(portrait, (64, 70, 440, 446), 160))
        theirs = network.forward_head(tokens, pre_logits=True)
    encoder = load_face_encoder(classifier_folder)
    ours = encoder(portrait[None])
    assert encoder.width == 64 and (ours - theirs).abs().max() < SAME_FEATURE and theirs.abs().max() > 0.1
    assert encoder.licence == "apache-2.0"  # as its config.json says


def test_a_network_without_a_classifier_and_one_that_is_no_vit_work(tmp_path, portrait):
    for name in ("test_vit", "test_resnet"):
        network = timm.create_model(name, num_classes=0).eval()
        save_for_hf(network, tmp_path / name, safe_serialization=False)  # pytorch_model.bin
        encoder = load_face_encoder(tmp_path / name)
        with torch.no_grad():
            theirs = network(encoder.preprocess(portrait[None]))
        assert encoder.width == theirs.shape[1] and torch.equal(encoder(portrait[None]), theirs)
        assert encoder.name.startswith(f"timm:{name}:")


def test_it_loads_and_works_in_inference_mode_and_after_it(face_folder, portrait):
    outside = load_face_encoder(face_folder)(portrait[None])
    with torch.inference_mode():
        encoder = load_face_encoder(face_folder)
        assert torch.equal(encoder(portrait[None]), outside)
    assert torch.equal(encoder(portrait[None]), outside)
    assert encode_face(encoder, some_face(128)).feature.plain.shape == (512,)


def test_pictures_of_a_batch_do_not_see_each_other(face_folder):
    encoder = load_face_encoder(face_folder)
    batch = rand(3, 3, 256, 256)
    apart = torch.cat([encoder(picture[None]) for picture in batch])
    assert (encoder(batch) - apart).abs().max() < SAME_FEATURE


def with_config(folder: Path, target: Path, change) -> Path:
    """A copy of a network's folder with another config.json."""
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (target / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (target / "config.json").write_text(json.dumps(config))
    return target


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda config: config.update(architecture="vit_of_the_future"), "'vit_of_the_future', which timm .* does not"),
        (lambda config: config.pop("pretrained_cfg"), "needed architecture, num_classes and pretrained_cfg"),
        (lambda config: config["model_args"].update(heads_of_state=3), r"config\.json.*cannot build.*heads_of_state"),
        (lambda config: config["pretrained_cfg"].update(moon=1), r"config\.json.*cannot build.*moon"),
        (lambda config: config["model_args"].update(depth=3), r"not a complete vit_tiny_patch16_224.* 12 missing keys"),
        (lambda config: config["model_args"].update(embed_dim=96), "not a complete .*mismatched keys"),
        (lambda config: config.update(num_classes=9), r"2 mismatched keys \(e\.g\. head\.bias\)"),
        (lambda config: config["pretrained_cfg"].update(mean=[0.5]), r"mean \[0\.5\].*three numbers"),
        (lambda config: config["pretrained_cfg"].update(interpolation="lanczos"), "'lanczos', needed one of bilinear"),
        (lambda config: config["model_args"].update(in_chans=1), r"patch_embed\.proj\.weight"),
        (lambda config: config["model_args"].update(global_pool=""), r"outputs \[1, 197, 512\] for one picture"),
    ],
)
def test_a_config_that_does_not_fit_is_told(face_folder, tmp_path, change, said):
    with pytest.raises(StableIdentityError, match=said):
        load_face_encoder(with_config(face_folder, tmp_path, change))


def test_without_a_config_the_place_for_it_is_told(face_folder, tmp_path):
    save_file(load_file(face_folder / "model.safetensors"), tmp_path / "face.safetensors")
    with pytest.raises(StableIdentityError, match=r"looks like a timm network.*no config\.json.*Put the one"):
        load_face_encoder(tmp_path / "face.safetensors")


def test_without_timm_the_line_to_type_is_told(face_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingPackageError, match="pip install timm"):
        load_face_encoder(face_folder)

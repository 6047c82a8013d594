"""The face encoder against transformers' own classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import ViTForImageClassification, ViTImageProcessor

from helpers.make import rand, some_face
from helpers.tiny import tiny_face_vit
from stableidentity_core.encode import encode_face, load_face_vit
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.face import portrait

# Measured 2e-6: the same float32 sums, but attention may take another kernel.
SAME_FEATURE = 1e-4


@pytest.fixture(scope="module")
def photo(astronaut) -> Image.Image:
    pixels = (astronaut.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    return Image.fromarray(pixels).resize((512, 512), Image.Resampling.BICUBIC)


def as_tensor(photo: Image.Image) -> torch.Tensor:  # [3, H, W] in 0..1
    return torch.from_numpy(np.asarray(photo).copy()).permute(2, 0, 1).float() / 255


def published_pixels(photo: Image.Image, size: int) -> torch.Tensor:
    """What the published code hands to the ViT: a crop of the 512 photo through the model's own processor."""
    processor = ViTImageProcessor(size={"height": size, "width": size})
    return processor(images=photo.crop((64, 70, 440, 446)), return_tensors="pt")["pixel_values"]


@pytest.mark.parametrize("size", [32, 224])
def test_preprocessing_equals_the_published_crop_and_processor(tmp_path, photo, size):
    encoder = load_face_vit(tiny_face_vit(tmp_path))
    encoder.model.config.image_size = size
    ours, theirs = encoder.preprocess(as_tensor(photo)[None]), published_pixels(photo, size)
    # The processor resizes in 8 bits: at most one step of 2 / 255 away, half a step on average.
    assert (ours - theirs).abs().max() <= 2 / 255 + 1e-3
    assert (ours - theirs).abs().mean() < 1 / 255


def test_a_shifted_crop_would_be_noticed(tmp_path, photo):
    """The tolerance above is no licence: two pixels aside is far outside it."""
    encoder = load_face_vit(tiny_face_vit(tmp_path))
    encoder.model.config.image_size = 224
    theirs = published_pixels(photo, 224)
    assert (encoder.preprocess(as_tensor(photo).roll(2, dims=-1)[None]) - theirs).abs().max() > 0.1


@pytest.mark.parametrize("form", ["folder", "safetensors", "bin", "bin with config"])
def test_every_form_of_the_file_gives_transformers_cls_after_the_final_norm(tmp_path, vit_folder, photo, form):
    theirs = ViTForImageClassification.from_pretrained(vit_folder).eval()
    path = {
        "folder": lambda: vit_folder,
        "safetensors": lambda: _copy(vit_folder / "model.safetensors", tmp_path / "face.safetensors"),
        "bin": lambda: _as_bin(vit_folder, tmp_path),
        "bin with config": lambda: (
            _copy(vit_folder / "config.json", _as_bin(vit_folder, tmp_path).with_name("config.json")).parent
        ),
    }[form]()
    encoder = load_face_vit(path)
    with torch.no_grad():
        pixels = encoder.preprocess(as_tensor(photo)[None])
        expected = theirs.vit(pixels).last_hidden_state[:, 0]
    ours = encoder(as_tensor(photo)[None])
    assert encoder.width == 128 and ours.shape == (1, 128) and ours.dtype == torch.float32
    assert (ours - expected).abs().max() < SAME_FEATURE
    assert expected.abs().max() > 0.1  # not a comparison of zeros


def _copy(source, target):
    target.write_bytes(source.read_bytes())
    return target


def _as_bin(folder, target):
    """The same tensors under the same names, as Hugging Face pickled them."""
    path = target / "pytorch_model.bin"
    torch.save(load_file(folder / "model.safetensors"), path)
    return path


def test_the_name_tells_weights_apart_but_not_file_forms(tmp_path, vit_folder):
    bare = _copy(vit_folder / "model.safetensors", tmp_path / "bare.safetensors")
    other = tiny_face_vit(tmp_path / "other", width=128, seed=1)
    assert load_face_vit(vit_folder).name == load_face_vit(bare).name != load_face_vit(other).name


def test_pictures_of_a_batch_do_not_see_each_other(vit_folder):
    encoder = load_face_vit(vit_folder)
    batch = rand(3, 3, 512, 512)
    apart = torch.cat([encoder(picture[None]) for picture in batch])
    assert (encoder(batch) - apart).abs().max() < SAME_FEATURE


def test_a_portrait_of_another_size_has_nearly_the_same_feature(vit_folder, photo):
    """The crop follows the size, as in the published training (its final words forget this)."""
    encoder = load_face_vit(vit_folder)
    large, small = as_tensor(photo), as_tensor(photo.resize((256, 256), Image.Resampling.BICUBIC))
    cosine = torch.cosine_similarity(encoder(large[None]), encoder(small[None])).item()
    assert cosine > 0.999


def test_mirrored_feature_is_of_the_mirrored_crop_as_published(vit_folder, photo):
    """The published code crops first and mirrors then; the crop is not in the middle of the photo."""
    encoder = load_face_vit(vit_folder)
    face = encode_face(encoder, portrait(as_tensor(photo)))
    mirrored = encoder.preprocess(face.image[None]).flip(-1)
    with torch.no_grad():
        expected = encoder.model(pixel_values=mirrored).last_hidden_state[0, 0]
    assert (face.feature.plain - encoder(face.image[None])[0]).abs().max() < SAME_FEATURE
    assert (face.feature.mirrored - expected).abs().max() < SAME_FEATURE


def test_an_encoder_that_returns_nan_is_named(own_vit):
    own_vit.model.layernorm.weight.data.fill_(float("nan"))
    with pytest.raises(StableIdentityError, match=f"{own_vit.name}.*not finite"):
        encode_face(own_vit, some_face())


@pytest.fixture
def own_vit(vit_folder):
    return load_face_vit(vit_folder)

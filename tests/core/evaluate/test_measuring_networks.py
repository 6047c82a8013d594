"""CLIP, AlexNet and Inception of the published architectures with random weights, in the published file formats.

Each is held against the package that defines it: transformers, lpips, torch-fidelity.
"""

from __future__ import annotations

from pathlib import Path

import lpips
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchvision.models import AlexNet
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from helpers.faces import real_photo, trained_detector
from helpers.make import rand, randn, rng
from helpers.tiny import fill
from stableidentity_core.backends.clip_text import packaged_tokenizer
from stableidentity_core.errors import DamagedFileError, MissingFileError, ShapeError, StableIdentityError
from stableidentity_core.evaluate.metrics import METRICS, PictureDistance, Sample, features_of, made_of, score
from stableidentity_core.evaluate.networks import load_clip, load_inception, load_instruments, load_lpips
from stableidentity_core.evaluate.networks.inception import preprocess, tensorflow_inception
from stableidentity_core.weights import get_weight

try:
    from transformers import CLIPImageProcessorPil as Processor
except ImportError:  # transformers 4, which has only this one
    from transformers import CLIPImageProcessor as Processor

HEADS = Path(lpips.__file__).parent / "weights" / "v0.1" / "alex.pth"
SAME = 1e-5  # float32 sums in another order, of values around 1


def eight_bits(*shape: int, seed: int = 0) -> torch.Tensor:
    """Pictures as they come from PNG files."""
    return (rand(*shape, seed=seed) * 255).round() / 255


# LPIPS.


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory) -> tuple[nn.Sequential, Path]:
    network = fill(AlexNet(), seed=0)
    path = tmp_path_factory.mktemp("alexnet") / "alexnet-owt-7be5be79.pth"
    torch.save(network.state_dict(), path)
    return network.features, path


@pytest.fixture(scope="module")
def distance(alexnet) -> PictureDistance:
    return load_lpips(alexnet[1], HEADS)


def published_lpips(features: nn.Sequential) -> lpips.LPIPS:
    model = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    for part in range(1, 6):
        for number, layer in getattr(model.net, f"slice{part}").named_children():
            layer.load_state_dict(features[int(number)].state_dict())
    return model


def test_lpips_as_its_package_has_it(alexnet, distance):
    a, b = rand(3, 3, 64, 64), rand(2, 3, 64, 64, seed=1)
    twin = published_lpips(alexnet[0])
    found = distance.between(a, b)
    assert found.shape == (3, 2)
    with torch.no_grad():
        for row, one in enumerate(a):
            expected = twin(one.expand_as(b), b, normalize=True).flatten()
            assert torch.allclose(found[row].float(), expected, rtol=1e-4)  # float32 sums over thousands of places


def test_lpips_of_a_set_with_itself(distance):
    a = rand(20, 3, 48, 48)  # more than one chunk
    a[1] = a[0]
    found = distance.between(a, a)
    for same in (distance.between(a, a.clone()), found.T):
        assert torch.allclose(found, same, rtol=0, atol=1e-12)
    # Float64 differences of sums around 1.
    assert found.diagonal().abs().max() < 1e-12 and found[0, 1] < 1e-12 and found[0, 2] > 1e-3
    near = a[:1] + 1e-3 * randn(1, 3, 48, 48)
    assert 0 < distance.between(a[:1], near).item() < found[0, 2].item()


def test_alexnet_sees_each_picture_once(alexnet, monkeypatch):
    counted = []
    measured = load_lpips(alexnet[1], HEADS)
    forward = nn.Conv2d.forward
    monkeypatch.setattr(nn.Conv2d, "forward", lambda self, x: (counted.append(len(x)), forward(self, x))[1])
    a = rand(5, 3, 32, 32)
    measured.between(a, a)
    assert sum(counted) == 5 * 5  # five pictures in five layers


def test_lpips_refuses_what_it_cannot_measure(alexnet, distance, tmp_path):
    with pytest.raises(ShapeError):
        distance.between(rand(1, 1, 64, 64), rand(1, 1, 64, 64))
    with pytest.raises(StableIdentityError, match="at least 31 pixels, got 16"):
        distance.between(rand(1, 3, 16, 16), rand(1, 3, 16, 16))
    vgg = HEADS.with_name("vgg.pth")
    with pytest.raises(StableIdentityError, match=r"vgg.pth has 5 tensors .* needed the 5 of LPIPS 0.1 for AlexNet"):
        load_lpips(alexnet[1], vgg)
    with pytest.raises(StableIdentityError, match="is not a complete AlexNet"):
        load_lpips(HEADS, HEADS)
    with pytest.raises(MissingFileError):
        load_lpips(tmp_path / "alexnet.pth", HEADS)


# Inception.


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory) -> Path:
    network = fill(tensorflow_inception(), seed=0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(0.1 * torch.randn(module.running_mean.shape, generator=rng(1)))
            module.running_var.copy_(0.1 + 0.2 * torch.rand(module.running_var.shape, generator=rng(2)))
    path = tmp_path_factory.mktemp("inception") / "weights-inception-2015-12-05-6726825d.pth"
    torch.save(network.state_dict(), path)
    return path


def test_inception_as_torch_fidelity_has_it(inception_file):
    twin = FeatureExtractorInceptionV3("twin", ["2048"], feature_extractor_weights_path=str(inception_file))
    network = load_inception(inception_file)
    for shape in ((2, 3, 64, 48), (1, 3, 320, 320)):
        pictures = eight_bits(*shape)
        (expected,) = twin((pictures * 255).round().byte())
        found = network.features(pictures)
        assert found.shape == (shape[0], 2048) and expected.std() > 0.01
        assert (found - expected).abs().max() < 1e-4 * expected.abs().max()  # float32 through 94 convolutions
    assert network.name.startswith("inception:")


def test_pictures_are_resized_as_tensorflow_does():
    row = torch.arange(598) / 598  # twice 299: every second pixel, without a mean of two
    small = preprocess(row.expand(1, 3, 598, 598))
    assert torch.allclose(small[0, 0, 7], ((row * 255).round()[::2] - 128) / 128, atol=SAME)


def test_inception_of_another_kind_is_refused(tmp_path):
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "inception.pth")
    with pytest.raises(StableIdentityError, match=r"not a complete Inception v3 of 2015-12-05: \d+ missing keys"):
        load_inception(tmp_path / "inception.pth")


# CLIP.


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    packaged_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[CLIPModel, Path]:
    """Sizes that are all different, and two heads, so that none can stand for another."""
    part = {"num_attention_heads": 2, "hidden_size": 128}
    config = CLIPConfig(
        text_config={**part, "num_hidden_layers": 2, "intermediate_size": 96, "eos_token_id": 49407},
        vision_config={**part, "num_hidden_layers": 3, "intermediate_size": 80, "image_size": 32, "patch_size": 8},
        projection_dim=40,
    )
    model = fill(CLIPModel(config), seed=0)
    path = tmp_path_factory.mktemp("clip") / "model.safetensors"
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)
    return model, path


SENTENCES = ["a photo of a person", "a person as a pirate, oil painting", "long " * 100]


def by_transformers(model: CLIPModel, folder: Path, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    side = model.config.vision_config.image_size
    processor = Processor(size={"shortest_edge": side}, crop_size=side)
    shown = [Image.fromarray((picture * 255).round().byte().permute(1, 2, 0).numpy()) for picture in pictures]
    tokens = CLIPTokenizer.from_pretrained(folder)(
        SENTENCES, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
    )
    with torch.no_grad():
        output = model(pixel_values=processor(shown, return_tensors="pt")["pixel_values"], **tokens)
    return output.image_embeds, output.text_embeds


@pytest.mark.parametrize("kind", ["model.safetensors", "pytorch_model.bin"])
def test_a_small_clip_as_transformers_has_it(small, tokenizer, tmp_path, kind):
    model, path = small
    if kind.endswith(".bin"):
        path = tmp_path / kind
        torch.save({**model.state_dict(), "text_model.embeddings.position_ids": torch.arange(77)[None]}, path)
    clip = load_clip(path, tokenizer, label="small")
    pictures = eight_bits(20, 3, 32, 32)
    expected_pictures, expected_texts = by_transformers(model, tokenizer, pictures)
    assert torch.allclose(clip.pictures(pictures), expected_pictures, atol=SAME)
    assert torch.allclose(clip.texts(SENTENCES), expected_texts, atol=SAME)
    assert clip.label == "small" and clip.name.startswith("clip:")


def test_the_middle_of_a_picture_that_is_not_square(small, tokenizer):
    model, path = small
    coarse = nn.functional.interpolate(rand(1, 3, 4, 6), size=(80, 120), mode="bilinear")
    pictures = (coarse * 255).round() / 255
    expected, _texts = by_transformers(model, tokenizer, pictures)
    found = load_clip(path, tokenizer).pictures(pictures)
    assert torch.allclose(found, expected, atol=0.01)  # Pillow rounds to 8 bits after resizing
    ends = [load_clip(path, tokenizer).pictures(part) for part in (pictures[..., :80], pictures[..., 40:])]
    assert all((part - expected).abs().max() > 0.03 for part in ends), "another part would be told"


def test_clip_vit_b32_of_its_real_size(tokenizer, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIPModel(CLIPConfig()).eval()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    clip = load_clip(tmp_path / "pytorch_model.bin", tokenizer)
    pictures = eight_bits(1, 3, 224, 224)
    expected_pictures, expected_texts = by_transformers(model, tokenizer, pictures)
    assert torch.allclose(clip.pictures(pictures), expected_pictures, atol=SAME)
    assert torch.allclose(clip.texts(SENTENCES), expected_texts, atol=SAME)


def test_clip_files_that_cannot_be_used(small, tokenizer, tmp_path):
    state = small[0].state_dict()
    image_only = {key: value.contiguous() for key, value in state.items() if not key.startswith("text")}
    save_file(image_only, tmp_path / "image.safetensors")
    with pytest.raises(StableIdentityError, match=r"text_model\.embeddings.token_embedding\.weight is missing"):
        load_clip(tmp_path / "image.safetensors", tokenizer)
    save_file({k: v.contiguous() for k, v in state.items() if "layers.1" not in k}, tmp_path / "hole.safetensors")
    with pytest.raises(StableIdentityError, match="is not a complete CLIP model"):
        load_clip(tmp_path / "hole.safetensors", tokenizer)
    with pytest.raises(MissingFileError, match=r"vocab\.json"):
        load_clip(small[1], tmp_path)
    (tmp_path / "vocab.json").write_text('{"a": 0}')
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(DamagedFileError, match=r"a tokenizer of \d+ tokens, needed one of 49,408"):
        load_clip(small[1], tmp_path)


def test_no_pictures_give_no_rows(small, tokenizer, inception_file):
    clip = load_clip(small[1], tokenizer)
    nothing = torch.zeros(0, 3, 64, 64)
    assert clip.pictures(nothing).shape == clip.texts([]).shape == (0, 40)
    assert load_inception(inception_file).features(nothing).shape == (0, 2048)


def test_all_instruments_from_a_folder_of_models(small, tokenizer, inception_file, alexnet, vit_folder, tmp_path):
    """Every metric that there is, of the real architectures, for two people: one has no picture, the other no photo."""
    files = {
        "clip_vit_b32": small[1],
        "clip_vocabulary": tokenizer / "vocab.json",
        "clip_merges": tokenizer / "merges.txt",
        "alexnet": alexnet[1],
        "lpips_alex": HEADS,
        "inception_fid": inception_file,
        "retinaface_mobile0.25": trained_detector(),
    }
    for name, file in files.items():
        place = get_weight(name).path(tmp_path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(file)
    photo = real_photo("astronaut").float()
    instruments = load_instruments(
        [tmp_path],
        {"ada": photo, "ben": real_photo("grace_hopper").float()},
        recognisers=[vit_folder],
        clips=["clip_vit_b32"],
        detector="retinaface_mobile0.25",
        compared=rand(5, 2048),
    )
    pictures = torch.stack([photo, photo.flip(-1)])
    ada = Sample(person="ada", pictures=pictures, prompts=["{}", "{} in snow"], photo=photo)
    ben = Sample(person="ben", pictures=pictures[:0], prompts=[])
    metrics = made_of(instruments)
    assert {metric.name for metric in metrics} == METRICS.keys() - {"copied"}, "no limit is known for this encoder"
    scores = score([ada, ben], metrics)
    known = {name: value.isfinite().flatten()[0].item() for name, value in scores.values.items()}
    assert known == {name: True for name in known}
    assert not any(value[1].isfinite() for value in scores.values.values() if value.ndim), "nothing is known of Ben"
    assert scores.mean("photo_distance") > 0 and ada.features["photo_distances:" + instruments.distance.name][0] < 1e-6
    for name, feature in features_of(metrics).items():
        assert len(ada.of(feature)) in (1, 2) and ada.of(feature).numel() < 5000, name

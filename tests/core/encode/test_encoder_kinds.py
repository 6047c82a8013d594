"""Which face encoder a file holds is told by its content, and how alike two faces are by any of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models import save_for_hf
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from helpers.make import rand, randn, some_face
from helpers.tiny import tiny_face_vit
from stableidentity_core.encode import AUTO, KINDS, ClipImageEncoder, kind_of, load_face_encoder
from stableidentity_core.encode.weight_file import read_weight_file
from stableidentity_core.errors import MissingFileError, ShapeError, StableIdentityError
from stableidentity_core.evaluate.similarity import similarity

ARCFACE_KEYS = ("input_layer.0.weight", "body.0.res_layer.1.weight", "output_layer.3.weight")


def tiny_clip(folder: Path) -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes, image_size=32, patch_size=8, projection_dim=12))
    model.save_pretrained(folder)


def tiny_timm(folder: Path) -> None:
    save_for_hf(timm.create_model("test_vit", num_classes=0), folder, safe_serialization=True)


def ends_of_arcface(folder: Path) -> None:
    """The names alone; the whole network is in test_arcface."""
    folder.mkdir()
    torch.save({key: torch.zeros(1) for key in ARCFACE_KEYS}, folder / "backbone.pth")


MAKERS: dict[str, Callable] = {
    "FR-ViT": tiny_face_vit,
    "ArcFace": ends_of_arcface,
    "CLIP": tiny_clip,
    "timm": tiny_timm,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("kinds")
    for kind, make in MAKERS.items():
        make(root / kind)
    return {kind: root / kind for kind in MAKERS}


def test_every_kind_is_told_and_says_what_it_is():
    assert list(KINDS) == ["FR-ViT", "ArcFace", "CLIP", "timm"] and AUTO not in KINDS
    for kind in KINDS.values():
        assert kind.title and kind.width and kind.licence and kind.purpose


@pytest.mark.parametrize("kind", MAKERS)
def test_a_folder_is_recognised_by_its_content(folders, kind):
    assert kind_of(read_weight_file(folders[kind])) == kind


@pytest.mark.parametrize("kind", MAKERS)
def test_a_file_is_recognised_by_its_content_and_not_by_its_name(folders, tmp_path, kind):
    """Named as another kind's, as a safetensors or a pickle, with the config.json beside it."""
    (source,) = (file for file in folders[kind].iterdir() if file.suffix in (".safetensors", ".pth"))
    state = torch.load(source, weights_only=True) if source.suffix == ".pth" else load_file(source)
    other = "recognition_arcface_ir_se50" if kind != "ArcFace" else "clip_vision"
    save_file(state, tmp_path / f"{other}.safetensors")
    torch.save(state, tmp_path / f"{other}.pth")
    if (folders[kind] / "config.json").is_file():
        (tmp_path / "config.json").write_bytes((folders[kind] / "config.json").read_bytes())
    for suffix in (".safetensors", ".pth"):
        assert kind_of(read_weight_file(tmp_path / f"{other}{suffix}")) == kind


@pytest.mark.parametrize("kind", ["FR-ViT", "CLIP", "timm"])
def test_the_chosen_kind_loads_what_auto_loads_and_another_is_refused(folders, kind):
    found = load_face_encoder(folders[kind])
    assert load_face_encoder(folders[kind], kind).name == found.name
    assert found(rand(1, 3, 64, 64)).shape == (1, found.width)
    for other in KINDS.keys() - {kind}:
        with pytest.raises(StableIdentityError, match=rf"of the kind {kind} .*but {other} was chosen.*auto or {kind}"):
            load_face_encoder(folders[kind], other)


def test_a_kind_that_there_is_not_is_refused(folders):
    with pytest.raises(StableIdentityError, match="'arcface', needed one of auto, FR-ViT, ArcFace, CLIP, timm"):
        load_face_encoder(folders["CLIP"], "arcface")


@pytest.mark.parametrize("kind", [AUTO, "ArcFace"])
def test_unknown_content_is_told_by_its_first_names_and_the_kinds_there_are(tmp_path, kind):
    save_file({f"conv{i}.weight": torch.zeros(1) for i in range(5)}, tmp_path / "model.safetensors")
    with pytest.raises(StableIdentityError) as error:
        load_face_encoder(tmp_path, kind)
    for fact in ("5 tensors", "conv0.weight", "conv2.weight", "FR-ViT", "ArcFace", "CLIP", "timm", str(tmp_path)):
        assert fact in str(error.value)
    assert "open_clip" not in str(error.value)


def test_a_clip_of_open_clip_is_named_as_such(tmp_path):
    save_file({"visual.conv1.weight": torch.zeros(1), "logit_scale": torch.zeros(1)}, tmp_path / "clip.safetensors")
    with pytest.raises(StableIdentityError, match="in open_clip's format; use its Hugging Face version"):
        load_face_encoder(tmp_path / "clip.safetensors")


def test_the_state_of_a_training_is_refused(tmp_path):
    torch.save({"epoch": 3, "state_dict": {"embeddings.cls_token": torch.zeros(1)}}, tmp_path / "last.pth")
    with pytest.raises(StableIdentityError, match="2 entries that are not weights, the first is 'epoch'"):
        load_face_encoder(tmp_path / "last.pth")


def test_a_folder_of_several_files_asks_for_one_and_the_usual_name_wins(folders, tmp_path):
    state = load_file(folders["FR-ViT"] / "model.safetensors")
    for name in ("a.safetensors", "b.safetensors"):
        save_file(state, tmp_path / name)
    with pytest.raises(StableIdentityError, match=r"2 weight files \(a\.safetensors, b\.safetensors\)"):
        load_face_encoder(tmp_path)
    save_file(state, tmp_path / "model.safetensors")
    assert read_weight_file(tmp_path).path.name == "model.safetensors"


def test_nothing_at_the_path_is_told_with_what_to_fetch(tmp_path):
    (tmp_path / "readme.txt").write_text("no weights")
    for path in (tmp_path, tmp_path / "none.pth"):
        with pytest.raises(MissingFileError, match=r"Download model\.safetensors"):
            load_face_encoder(path)


def test_a_config_of_another_network_beside_it_does_not_decide(folders, tmp_path):
    """Names of weights come first: this config.json is of a ViT, the weights are of CLIP."""
    (tmp_path / "model.safetensors").write_bytes((folders["CLIP"] / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit", "hidden_size": 32}))
    assert kind_of(read_weight_file(tmp_path)) == "CLIP"


def constant(features: torch.Tensor) -> ClipImageEncoder:
    """An encoder that gives these features one after the other."""
    rows = iter(features)
    return ClipImageEncoder(lambda pictures: next(rows)[None], name="rows", width=features.shape[1])


def test_similarity_is_the_cosine_of_the_features():
    a, b = randn(2, 6)
    expected = sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))
    expected /= sum(x * x for x in a.tolist()) ** 0.5 * sum(y * y for y in b.tolist()) ** 0.5
    found = similarity(constant(torch.stack([3 * a, b])), some_face(), some_face())
    assert found == pytest.approx(expected, abs=1e-7)  # 3 a is rounded to float32, the rest is in double precision
    assert similarity(constant(torch.stack([a, -5 * a])), some_face(), some_face()) == pytest.approx(-1)


@pytest.mark.parametrize("kind", ["FR-ViT", "CLIP", "timm"])
def test_a_face_is_like_itself_in_any_size_and_less_like_another(folders, kind, astronaut):
    encoder = load_face_encoder(folders[kind])
    assert similarity(encoder, astronaut, astronaut) == pytest.approx(1, abs=1e-6)  # a float32 cosine
    assert similarity(encoder, some_face(64), some_face(128, seed=0)) > similarity(encoder, astronaut, some_face(64))


@pytest.mark.parametrize("kind", ["FR-ViT", "CLIP", "timm"])
def test_it_computes_where_its_network_is(folders, kind):
    """On `meta` there are no values, so that the way back to the portrait's device ends in an error."""
    encoder = load_face_encoder(folders[kind])
    seen = []

    def see(_model, args, named, _output):
        seen.extend(value.device.type for value in (*args, *named.values()) if isinstance(value, torch.Tensor))

    encoder.model.to("meta").register_forward_hook(see, with_kwargs=True)
    with pytest.raises(NotImplementedError, match="meta tensor"):
        encoder(rand(1, 3, 64, 64))
    assert seen == ["meta"]


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_feature_without_direction_is_refused(value):
    with pytest.raises(StableIdentityError, match="'rows' gave the second portrait a feature of length"):
        similarity(constant(torch.tensor([[1.0, 2.0], [value, value]])), some_face(), some_face())


def test_similarity_of_something_else_than_two_portraits_is_refused(folders):
    encoder = load_face_encoder(folders["FR-ViT"])
    with pytest.raises(ShapeError, match="portraits"):
        similarity(encoder, torch.zeros(1, 64, 64), some_face())

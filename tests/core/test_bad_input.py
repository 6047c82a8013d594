"""Whatever a user gives: it is taken, or refused in the pack's own words; nothing else ever comes out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models import save_for_hf
from torch import Tensor

from helpers.make import rand
from helpers.tiny import fill, tiny_face_vit, tiny_video_unet
from stableidentity_core.encode import load_face_encoder
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.evaluate.temporal.plot import clip_plot
from stableidentity_core.evaluate.temporal.score import Series, TemporalScore
from stableidentity_core.files.readable import files_in, path_kind, read_json_object, read_text
from stableidentity_core.methods import all_settings
from stableidentity_core.train import TrainConfig
from stableidentity_core.video.weights import arrange

ODD_VALUES = [
    *(None, True, False, -1, 0, 1, 3, 1.5, 1e308, 10**6, 10**30, "", "gelu", "a" * 5000, "a\0\ud800"),
    *([], [1, 2], [3, 7, 7], [0, 0, 0], ["a", "b", "c"], [[[]]], {}, {"a": 1}),
]
ODD_TENSORS: dict[str, Callable[[Tensor], Tensor | None]] = {
    "missing": lambda _value: None,
    "a single number": lambda _value: torch.tensor(1.0),
    "empty": lambda value: value[:0].clone(),
    "of width 0": lambda value: value[..., :0].clone(),
    "with one axis more": lambda value: value[None].clone(),
    "longer": lambda value: torch.cat([value, value]),
    "flat": lambda value: value.flatten().clone(),
    "whole numbers": lambda value: value.to(torch.int64),
    "true or false": lambda value: value > 0,
    "in eight bits": lambda value: value.to(torch.float8_e4m3fn),
    "not a number": lambda value: torch.full_like(value, float("nan")),
}
ODD_NAMES = ["", "encoder.layer.99999999.output.dense.weight", "vision_model.encoder.layers.99999999.mlp.fc1.weight"]
ODD_NAMES += [
    "input_blocks.99999999.0.weight",
    "down_blocks.7.resnets.123456789012.conv1.weight",
    "a\nb\x1b[31m",
    "x" * 5000,
]
SHARE = 12  # of the odd values each place gets one in so many, and each place others


def refusal(work: Callable[[], object]) -> str:
    """Empty if the work was done; what went wrong otherwise, and a failure unless it is said in the pack's words."""
    try:
        work()
    except StableIdentityError as error:
        text = str(error)
        assert text.replace("\n", "").isprintable() and len(text) < 3000, ascii(text)
        return text
    return ""


def clip_folder(folder: Path) -> Path:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPVisionConfig(**sizes, image_size=32, patch_size=8, projection_dim=24)
    fill(CLIPVisionModelWithProjection(config), 3).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
    return folder


def timm_folder(folder: Path) -> Path:
    network = fill(timm.create_model("test_vit", num_classes=7), 2)
    save_for_hf(network, folder, safe_serialization=True, model_args={"img_size": 160})
    return folder


MAKERS = {"vit": tiny_face_vit, "clip": clip_folder, "timm": timm_folder}


@pytest.fixture(scope="module", params=MAKERS)
def encoder_folder(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    MAKERS[request.param](folder)
    assert not refusal(lambda: load_face_encoder(folder)), "the folder is a good one before it is changed"
    return folder


@pytest.fixture
def changed(encoder_folder, tmp_path) -> Path:
    for file in encoder_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def places(config: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Where a configuration says something, also within its parts."""
    for name, value in config.items():
        yield (name,)
        if isinstance(value, dict):
            yield from ((name, *inner) for inner in places(value))


def with_value(config: dict[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    name, *inner = place
    return {**config, name: with_value(config[name], tuple(inner), value) if inner else value}


MORE_FIELDS = ["qkv_bias", "quantization_config", "torch_dtype", "return_dict", "auto_map", "attn_implementation"]
MORE_ARGUMENTS = [
    "depth",
    "embed_dim",
    "num_heads",
    "patch_size",
    "mlp_ratio",
    "in_chans",
    "checkpoint_path",
    "act_layer",
]


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_a_configuration_with_values_of_any_kind(changed, name):
    if not (changed / name).is_file():
        pytest.skip("this kind has no such file")
    config = json.loads((changed / name).read_text("utf-8"))
    config |= {field: None for field in MORE_FIELDS if name == "config.json" and field not in config}
    if "model_args" in config:
        config["model_args"] |= {argument: None for argument in MORE_ARGUMENTS}
    everywhere = list(places(config))
    refused = 0
    for number, place in enumerate(everywhere):
        for value in ODD_VALUES[number % SHARE :: SHARE]:
            (changed / name).write_text(json.dumps(with_value(config, place, value)))
            refused += bool(refusal(lambda: load_face_encoder(changed)(rand(1, 3, 64, 64))))
    assert refused > len(everywhere) // 2


BAD_JSON = {
    "a list": b"[1]",
    "nothing": b"",
    "null": b"null",
    "no finite number": b'{"hidden_size": NaN}',
    "deep": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a huge number": b'{"hidden_size": ' + b"9" * 10_000 + b"}",
    "another encoding": '{"a": "é"}'.encode("latin-1"),
    "cut": b'{"hidden_size": 3',
    "zeros": b"\0" * 64,
}


@pytest.mark.parametrize("kind", BAD_JSON)
def test_json_that_is_none_is_named_with_its_path(tmp_path, kind):
    (tmp_path / "config.json").write_bytes(BAD_JSON[kind])
    said = refusal(lambda: read_json_object(tmp_path / "config.json", "a configuration"))
    assert str(tmp_path / "config.json") in said and "cannot be read as a configuration" in said


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_in_every_encoding_that_json_knows(tmp_path, encoding):
    (tmp_path / "a.json").write_bytes('{"ä": 1}'.encode(encoding))
    assert read_json_object(tmp_path / "a.json", "a configuration") == {"ä": 1}


def test_weights_of_any_kind(changed):
    """Each weight in turn is odd, each in a few ways, and some have odd names."""
    path = changed / "model.safetensors"
    weights, kinds = load_file(path), list(ODD_TENSORS.values())
    refused = 0
    for number, name in enumerate(weights):
        for kind in kinds[number % SHARE :: SHARE]:
            value = kind(weights[name])
            save_file({**weights, name: value} if value is not None else _without(weights, name), path)
            refused += bool(refusal(lambda: load_face_encoder(changed)))
    for name in ODD_NAMES:
        save_file({**weights, name: torch.ones(1)}, path)
        refused += bool(refusal(lambda: load_face_encoder(changed)))
        (changed / "config.json").rename(changed / "aside.json")
        refusal(lambda: load_face_encoder(changed))
        (changed / "aside.json").rename(changed / "config.json")
    assert refused > len(weights) // 2


def _without(weights: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: value for key, value in weights.items() if key != name}


def test_weights_of_any_kind_without_a_configuration(changed):
    path = changed / "model.safetensors"
    (changed / "config.json").unlink()
    weights = load_file(path)
    for name in list(weights)[:4]:
        for kind in ODD_TENSORS.values():
            value = kind(weights[name])
            save_file({**weights, name: value} if value is not None else _without(weights, name), path)
            refusal(lambda: load_face_encoder(changed))


def test_video_models_of_any_kind():
    weights = tiny_video_unet().state_dict()
    assert not refusal(lambda: arrange(weights))
    refused = 0
    for number, name in enumerate(weights):
        for kind in list(ODD_TENSORS.values())[number % SHARE :: SHARE]:
            value = kind(weights[name])
            changed = {**weights, name: value} if value is not None else _without(weights, name)
            refused += bool(refusal(lambda changed=changed: arrange(changed)))
    for name in ODD_NAMES:
        refused += bool(refusal(lambda name=name: arrange({**weights, name: torch.ones(1)})))
    assert refused > len(weights) // 2


@pytest.mark.parametrize("name", sorted({*vars(TrainConfig()), *all_settings()} - {"method_settings"}))
def test_settings_of_any_kind(name):
    odd = [*ODD_VALUES, float("nan"), float("inf"), 2**64, -(2**63) - 1, b"", object(), torch.ones(2)]
    refused = [refusal(lambda value=value: TrainConfig().with_settings(**{name: value})) for value in odd]
    assert sum(map(bool, refused)) > len(odd) // 2
    assert all(said.startswith(f"{name} is ") and ", needed " in said for said in refused if said)


@pytest.mark.parametrize("seed", [-(2**63), 2**63, 2**64 - 1])
def test_every_seed_that_is_taken_can_be_used(seed):
    torch.Generator().manual_seed(TrainConfig(seed=seed).seed)


@pytest.mark.parametrize(
    "content", ["Zoë Kröger\n".encode("latin-1"), b"a\n\xff\xfe", b"\0\0\0", b"\xff\xfea", b"PK\x03\x04\0\0"]
)
def test_names_that_are_no_text(tmp_path, content):
    (tmp_path / "names.txt").write_bytes(content)
    said = refusal(lambda: read_text(tmp_path / "names.txt", "a list of names"))
    assert str(tmp_path) in said and ("Save it as UTF-8" in said or "is not a text file" in said)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_names_as_editors_write_them(tmp_path, encoding):
    (tmp_path / "names.txt").write_bytes("Zoë Kröger\r\nTom Cruise".encode(encoding))
    assert read_text(tmp_path / "names.txt", "a list of names").splitlines() == ["Zoë Kröger", "Tom Cruise"]


def odd_paths(folder: Path) -> list[Path]:
    (folder / "loop").symlink_to(folder / "loop")
    paths = [folder / "loop", folder / "loop" / "below", folder / ("a" * 300), folder / "/".join("ab" * 2500)]
    paths += [Path("a\0b"), folder / "\ud800", Path("a" * 5000)]
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")
        paths += [folder / "pipe", Path("/dev/null")]
    return paths


def test_places_where_no_file_can_be(tmp_path):
    for path in odd_paths(tmp_path):
        assert refusal(lambda path=path: path_kind(path)), ascii(path)[:80]
        assert refusal(lambda path=path: load_face_encoder(path)), ascii(path)[:80]
        assert refusal(lambda path=path: read_text(path, "a list of names")), ascii(path)[:80]
    assert path_kind(tmp_path / "none" / "below") == "nothing" and refusal(lambda: files_in(tmp_path / "none"))


def test_a_file_in_the_place_of_a_folder_has_nothing_below(tmp_path):
    (tmp_path / "file").touch()
    assert path_kind(tmp_path / "file" / "below") == "nothing"


@pytest.mark.filterwarnings("ignore:.*[Gg]lyph")
@pytest.mark.parametrize("title", ["$\\frac$.mp4", "a$b$c", "\udcff.mp4", "\x1b[31m", "a\nb", "安娜"])
def test_a_clip_may_have_any_name(title):
    score = TemporalScore(
        encoder="a", looked=False, faces=(True, True), to_photo=None, to_next=Series((0.5,)), first_to_last=0.5
    )
    assert clip_plot(score, title).ndim == 3

"""Face encoder files that are missing, broken or hostile."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from stableidentity_core.encode import load_face_vit
from stableidentity_core.errors import MissingFileError, StableIdentityError


@pytest.mark.parametrize("name", ["", "none.safetensors", "none.bin"])
def test_a_missing_file_names_path_source_and_size(tmp_path, name):
    path = tmp_path / name if name else tmp_path
    with pytest.raises(MissingFileError) as error:
        load_face_vit(path)
    for fact in (
        str(path),
        "https://huggingface.co/jayanta/vit-base-patch16-224-in21k-face-recognition",
        "343 MB",
        "download fr_vit",
    ):
        assert fact in str(error.value)


class _Touch:
    """Unpickled without care, this makes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path):
    trap = tmp_path / "trap"
    path = tmp_path / "pytorch_model.bin"
    torch.save({"embeddings.cls_token": torch.zeros(1, 1, 8), "more": _Touch(trap)}, path)
    with pytest.raises(StableIdentityError, match="could run code; it was not loaded"):
        load_face_vit(path)
    assert not trap.exists()
    # The trap is a real one:
    with open(tmp_path / "plain.pickle", "wb") as file:
        pickle.dump(_Touch(trap), file)
    with open(tmp_path / "plain.pickle", "rb") as file:
        pickle.load(file)
    assert trap.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_file_is_told_with_its_path(tmp_path, vit_folder, suffix, share):
    whole = vit_folder / "model.safetensors"
    if suffix == ".bin":
        torch.save(load_file(whole), tmp_path / "whole.bin")
        whole = tmp_path / "whole.bin"
    content = whole.read_bytes()
    path = tmp_path / f"face{suffix}"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(StableIdentityError, match=str(path)):
        load_face_vit(path)


@pytest.mark.parametrize(
    "content",
    [
        {"conv.weight": torch.zeros(3, 3)},
        [torch.zeros(3)],
        torch.zeros(3),
        {"state_dict": {"embeddings.cls_token": torch.zeros(1, 1, 8)}},
        {1: torch.zeros(3)},
        {"embeddings.cls_token": torch.zeros(1, 1, 8), "layernorm.weight": torch.zeros(8)},
    ],
    ids=["other network", "list", "bare tensor", "nested", "numbers as keys", "ends of a ViT alone"],
)
def test_what_is_not_a_vit_is_refused_with_its_place(tmp_path, content):
    path = tmp_path / "pytorch_model.bin"
    torch.save(content, path)
    with pytest.raises(StableIdentityError, match=str(tmp_path)):
        load_face_vit(path)


def changed(folder: Path, target: Path, change) -> Path:
    """A copy of a ViT's folder with other weights."""
    target.mkdir(exist_ok=True)
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, target / "model.safetensors")
    (target / "config.json").write_bytes((folder / "config.json").read_bytes())
    return target


def layer_one(state) -> list[str]:
    found = [key for key in state if ".layer.1." in key or ".layers.1." in key]
    assert found, "the key names of the layers have changed"
    return found


def test_a_missing_layer_is_counted_and_one_weight_of_it_named(tmp_path, vit_folder):
    folder = changed(vit_folder, tmp_path, lambda state: [state.pop(key) for key in layer_one(state)])
    with pytest.raises(StableIdentityError, match=r"not a complete ViT for 2 layers .*16 missing keys.*layers?\.1\."):
        load_face_vit(folder)


def test_a_hole_in_a_bare_file_is_found_without_a_config(tmp_path, vit_folder):
    folder = changed(vit_folder, tmp_path, lambda state: state.pop(layer_one(state)[0]))
    bare = (folder / "model.safetensors").rename(tmp_path.parent / "bare.safetensors")
    with pytest.raises(StableIdentityError, match="1 missing keys"):
        load_face_vit(bare)


def test_a_layer_too_many_is_refused(tmp_path, vit_folder):
    def add(state):
        state.update({key.replace(".1.", ".2."): state[key].clone() for key in layer_one(state)})

    with pytest.raises(StableIdentityError, match="unexpected keys"):
        load_face_vit(changed(vit_folder, tmp_path, add))


@pytest.mark.parametrize(
    "change",
    [lambda config: config.update(hidden_size=64), lambda config: config.update(image_size=64)],
    ids=["width", "positions"],
)
def test_weights_of_other_sizes_than_the_config_are_refused(tmp_path, vit_folder, change):
    folder = changed(vit_folder, tmp_path, lambda state: None)
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(StableIdentityError, match=r"config\.json|not a complete ViT"):
        load_face_vit(folder)


@pytest.mark.parametrize("text", ["{broken", "[]", ""])
def test_a_broken_config_is_named(tmp_path, vit_folder, text):
    folder = changed(vit_folder, tmp_path, lambda state: None)
    (folder / "config.json").write_text(text)
    with pytest.raises(StableIdentityError, match=r"config\.json"):
        load_face_vit(folder)

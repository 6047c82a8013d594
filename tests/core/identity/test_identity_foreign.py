"""Identity files that others wrote, and files that are none."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from helpers.make import randn
from stableidentity_core.errors import DamagedFileError, StableIdentityError
from stableidentity_core.identity import load_identity


def test_the_published_pt_of_shape_1_2_1024(tmp_path):
    words = randn(1, 2, 1024)
    torch.save(words, tmp_path / "00059-450.pt")
    identity = load_identity(tmp_path / "00059-450.pt")
    assert identity.trigger == "<00059-450>"
    assert torch.equal(identity.words["clip_h"], words[0])


def test_the_published_pt_as_its_script_saves_it_with_gradient_and_on_a_view(tmp_path):
    words = (randn(1, 2, 1024).requires_grad_(True) * 1.0).view(1, 2, 1024)
    torch.save(words, tmp_path / "a.pt")
    loaded = load_identity(tmp_path / "a.pt").words["clip_h"]
    assert torch.equal(loaded, words[0]) and not loaded.requires_grad


@pytest.mark.parametrize("width,space", [(768, "clip_l"), (1024, "clip_h"), (1280, "clip_g")])
def test_a1111_pt_with_string_to_param(tmp_path, width, space):
    words = randn(3, width)
    content = {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": torch.nn.Parameter(words)},
        "name": "my face",
        "step": 500,
        "sd_checkpoint": "abc",
        "sd_checkpoint_name": None,
    }
    torch.save(content, tmp_path / "my face.pt")
    identity = load_identity(tmp_path / "my face.pt")
    assert identity.trigger == "<my-face>"  # "*" is no trigger
    assert list(identity.words) == [space] and torch.equal(identity.words[space], words)


@pytest.mark.parametrize("vector", [randn(768), randn(2, 768)])
def test_diffusers_bin_with_its_token_as_key(tmp_path, vector):
    torch.save({"<cat-toy>": vector}, tmp_path / "learned_embeds.bin")
    identity = load_identity(tmp_path / "learned_embeds.bin")
    assert identity.trigger == "<cat-toy>"
    assert torch.equal(identity.words["clip_l"], vector.reshape(-1, 768))


def test_safetensors_of_other_trainers(tmp_path):
    """kohya: `emb_params`; SDXL: two technical names. Neither is what the person should be called."""
    save_file({"emb_params": randn(4, 768)}, tmp_path / "anna.safetensors")
    identity = load_identity(tmp_path / "anna.safetensors")
    assert identity.trigger == "<anna>" and identity.words["clip_l"].shape == (4, 768)
    save_file({"clip_l": randn(2, 768), "clip_g": randn(2, 1280)}, tmp_path / "xl.safetensors")
    identity = load_identity(tmp_path / "xl.safetensors")
    assert identity.trigger == "<xl>" and identity.words.keys() == {"clip_l", "clip_g"}


def test_half_precision_is_read_as_float32(tmp_path):
    save_file({"<a>": randn(2, 768).bfloat16()}, tmp_path / "a.safetensors")
    assert load_identity(tmp_path / "a.safetensors").words["clip_l"].dtype == torch.float32


@pytest.mark.parametrize("name", ["安娜.pt", "(((.pt", "a" * 100 + ".pt"])
def test_a_file_name_that_is_no_trigger_still_gives_one(tmp_path, name):
    torch.save(randn(2, 768), tmp_path / name)
    trigger = load_identity(tmp_path / name).trigger
    assert 3 <= len(trigger) <= 66 and trigger.isascii()


@pytest.mark.parametrize(
    "content,message",
    [
        ({"a": randn(2, 55)}, r"width 55, needed one of 768 \(clip_l\), 1024 \(clip_h\), 1280 \(clip_g\)"),
        ({"a": randn(2, 768), "b": randn(2, 1024)}, "contains 2 tensors, including 'b', .*ComfyUI would not use all"),
        ({"clip_l": randn(2, 768), "t5xxl": randn(2, 4096)}, "including 't5xxl', which are not keys"),
        ({f"layer{i:03}": randn(2, 768, seed=i) for i in range(99)}, r"'layer005' and 93 more, .*model or a LoRA"),
        ({"a": randn(100, 768)}, "contains 100 words of width 768, needed 1 to 75"),
        ({"a": torch.zeros(0, 768)}, "contains 0 words of width 768, needed 1 to 75"),
        ({"a": randn(2, 2, 768)}, r"contains a tensor \[2, 2, 768\], needed \[N, D\]"),
        ({"a": randn(2, 768).double() * 1e300}, "not finite in float32"),
        ({"a": torch.zeros(2, 0)}, "."),
        ({"a": torch.tensor(3.0)}, "does not contain an embedding"),
        ({"a": torch.full((2, 768), float("nan"))}, "not finite"),
    ],
)
def test_safetensors_that_hold_no_embedding_are_refused(tmp_path, content, message):
    save_file(content, tmp_path / "a.safetensors")
    with pytest.raises(StableIdentityError, match=message):
        load_identity(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "content",
    [{}, {"a": 1}, [], [randn(2, 768)], [{"a": 1}], "text", 3, None, {"string_to_param": 5}, {"string_to_param": {}}],
)
def test_pickles_that_hold_no_embedding_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(StableIdentityError, match="does not contain an embedding"):
        load_identity(tmp_path / "a.pt")


@pytest.mark.parametrize("suffix", [".pt", ".bin"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_torch_file_is_told_by_path(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    torch.save(randn(1, 2, 1024), path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DamagedFileError, match=str(path)):
        load_identity(path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><html>Not found</html>", ", but a web page"),
        (bytes(100), ": it begins with zeros"),
        (b"version https://git-lfs.github.com/spec/v1", ", but a Git LFS pointer"),
        (b"", ": it is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), ""),
        (b"{}", ""),
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".bin", ".safetensors", ""])
def test_a_download_that_went_wrong_is_called_what_it_is(tmp_path, suffix, content, what):
    """Common, and no reason to suspect code in it."""
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    message = rf"{path} \({len(content)} bytes\) is neither a safetensors nor a torch file{what}.*\. Copy it again"
    with pytest.raises(DamagedFileError, match=message):
        load_identity(path)


@pytest.mark.parametrize("name", ["a.SAFETENSORS", "a.pt", "a.bin", "a.txt", "a"])
def test_safetensors_under_any_ending(tmp_path, name):
    save_file({"x": randn(2, 768)}, tmp_path / name)
    assert torch.equal(load_identity(tmp_path / name).words["clip_l"], randn(2, 768))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["a.safetensors", "a.PT", "a.sft", "a"])
def test_torch_files_under_any_ending(tmp_path, name, zipped):
    torch.save({"x": randn(2, 768)}, tmp_path / name, _use_new_zipfile_serialization=zipped)
    assert torch.equal(load_identity(tmp_path / name).words["clip_l"], randn(2, 768))


@pytest.mark.parametrize("shape", [(75, 2_000_000), (2_000_000, 768), (1, 2, 1 << 40)])
@pytest.mark.parametrize("key", ["x", "clip_l"])
def test_a_small_file_that_stands_for_gigabytes_is_refused_before_it_is_copied(tmp_path, shape, key):
    path = tmp_path / "a.pt"
    torch.save({key: torch.zeros(1).expand(*shape)}, path)
    with pytest.raises(StableIdentityError, match=r"bytes of memory, more than the file has"):
        load_identity(path)


@pytest.mark.parametrize(
    "path", ["a\0b.pt", "a" * 300 + ".pt", "no/such/folder.pt", "\ud800.pt"], ids=["null", "long", "none", "surrogate"]
)
def test_paths_that_no_file_can_have(tmp_path, path):
    with pytest.raises(StableIdentityError, match="cannot be read: "):
        load_identity(tmp_path / path)


class _MakeFolder:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("suffix", [".pt", ".bin", ".ckpt", ""])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, zipped, suffix):
    trap, path = tmp_path / "trap", tmp_path / f"evil{suffix}"
    content = {"string_to_param": {"*": randn(2, 768)}, "more": _MakeFolder(trap)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(DamagedFileError, match="could run code"):
        load_identity(path)
    assert not trap.exists()
    pickle.loads(pickle.dumps(_MakeFolder(trap)))
    assert trap.exists(), "the trap is a real one"

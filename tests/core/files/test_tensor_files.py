"""Tensor files of others: told by content, judged before anything is copied, refused in a sentence."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from helpers.make import randn
from stableidentity_core.errors import DamagedFileError, MissingFileError
from stableidentity_core.files.tensors import read_any_tensors, read_pickled_tensors, read_tensors


def torch_bytes(content: object, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["a.pt", "a.bin", "a.safetensors", "A.SAFETENSORS", "a.ckpt", "a"])
@pytest.mark.parametrize("form", ["safetensors", "zip", "old"])
def test_the_content_decides_and_not_the_name(tmp_path, form, name):
    words = randn(2, 768)
    content = save({"w": words}, {"k": "v"}) if form == "safetensors" else torch_bytes({"w": words}, form == "zip")
    (tmp_path / name).write_bytes(content)
    found, header = read_any_tensors(tmp_path / name)
    assert found.keys() == {"w"} and torch.equal(found["w"], words)
    assert header == ({"k": "v"} if form == "safetensors" else {})


def test_a_header_whose_length_looks_like_the_start_of_a_pickle_is_safetensors(tmp_path):
    header = b'{"__metadata__":{"k":"v"}}'.ljust(0x280)
    (tmp_path / "a.pt").write_bytes(struct.pack("<Q", len(header)) + header)
    assert (tmp_path / "a.pt").read_bytes().startswith(pickle.PROTO + b"\x02")
    assert read_any_tensors(tmp_path / "a.pt") == ({}, {"k": "v"})


@pytest.mark.parametrize(
    "content,message",
    [
        (b"", "it is empty"),
        (b"  <!DOCTYPE html><html>log in</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\0" * 100, "neither a safetensors nor a torch file"),
        (b"PK\x03\x04" + b"\0" * 96, "not a complete torch file"),
        (b"\x80\x02" + b"\0" * 98, "damaged"),
        (save({"w": torch.ones(9)})[:-3], "not a complete safetensors file"),
        (struct.pack("<Q", 1 << 60) + b"{", "not a complete safetensors file"),
    ],
)
def test_what_is_neither_is_called_what_it_is(tmp_path, content, message):
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(DamagedFileError, match=message):
        read_any_tensors(tmp_path / "a.pt")


UNFIT: dict[str, Callable[[], Tensor]] = {
    "meta": lambda: torch.empty(2, 768, device="meta"),
    "sparse": lambda: torch.eye(4).to_sparse(),
    "sparse rows": lambda: torch.eye(4).to_sparse_csr(),
    "quantised": lambda: torch.quantize_per_tensor(torch.ones(2, 768), 0.1, 0, torch.qint8),
    "quantised channels": lambda: torch.quantize_per_channel(
        torch.ones(2, 8), torch.ones(2), torch.zeros(2), 0, torch.quint8
    ),
    "complex": lambda: torch.ones(2, 768, dtype=torch.complex64),
    "half complex": lambda: torch.ones(2, 768).to(torch.complex32),
    "stride 0": lambda: torch.ones(1).expand(75, 2_000_000),
    "overlapping": lambda: torch.ones(4000).as_strided((3000, 1000), (1, 1)),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
}


@pytest.mark.filterwarnings("ignore")  # torch's, about the tensors it makes here
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", UNFIT)
def test_tensors_that_are_not_plain_are_refused_by_name(tmp_path, kind, zipped):
    path = tmp_path / "a.pt"
    path.write_bytes(torch_bytes({"outer": [{"the words": UNFIT[kind]()}]}, zipped))
    named = r"contains the tensor 'outer\.0\.the words'"
    if kind in ("half complex", "nested") and not zipped:  # which torch itself does not always read in its old format
        named = f"(not a complete torch file, or of a kind|{named})"
    with pytest.raises(DamagedFileError, match=rf"{path} .*{named}"):
        read_pickled_tensors(path)


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex32])
def test_complex_numbers_in_safetensors_are_refused_by_name(tmp_path, dtype):
    try:
        content = save({"w": torch.ones(2, 768).to(dtype)})
    except (KeyError, ValueError, RuntimeError):
        pytest.skip("this safetensors cannot write it")
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"the tensor 'w', which is of the type complex"):
        read_tensors(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2]
    + [torch.int64, torch.uint8, torch.bool],
)
def test_all_plain_types_are_read(tmp_path, dtype):
    values = torch.arange(6).reshape(2, 3).to(dtype)
    forms = [save({"w": values}), torch_bytes({"w": values})]
    if dtype.itemsize > 1 or not dtype.is_floating_point:  # torch itself reads no eight-bit floats in its old format
        forms.append(torch_bytes({"w": values}, zipped=False))
    for content in forms:
        (tmp_path / "a").write_bytes(content)
        found = read_any_tensors(tmp_path / "a")[0]["w"]
        assert found.dtype == dtype and torch.equal(found.double(), values.double())


def test_tied_weights_and_views_are_plain(tmp_path):
    weight = randn(300, 400)
    content = {"a": weight, "b": weight, "turned": weight.t(), "row": weight[3], "step": 5, "names": ["x", ("y", None)]}
    torch.save(content, tmp_path / "a.pt")
    found = read_pickled_tensors(tmp_path / "a.pt")
    assert all(torch.equal(found[key], content[key]) for key in ("a", "b", "turned", "row"))
    assert found["a"] is found["b"] and found["step"] == 5 and found["names"] == ["x", ("y", None)]


def test_attributes_that_a_file_hangs_on_its_tensors_are_gone(tmp_path):
    words = torch.nn.Parameter(torch.ones(2, 3))
    words.numel = words.clone = words.detach = 5  # type: ignore[method-assign]
    torch.save({"w": words}, tmp_path / "a.pt")
    found = read_pickled_tensors(tmp_path / "a.pt")["w"]
    assert type(found) is Tensor and found.numel() == 6 and not found.requires_grad


def test_tensors_in_sum_larger_than_the_file_are_refused(tmp_path):
    """Each is what is stored, but thousands stand for the same values."""
    base = torch.ones(500_000)
    torch.save([base.view(500, 1000)[:, :].view(-1) for _ in range(50)], tmp_path / "a.pt")
    with pytest.raises(DamagedFileError, match="more than the file has"):
        read_pickled_tensors(tmp_path / "a.pt")


def rezipped(content: bytes, method: int, add: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", method) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry) + add, method)
    return buffer.getvalue()


def test_a_zip_bomb_is_refused_unread(tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(rezipped(torch_bytes({"w": torch.zeros(10_000_000)}), zipfile.ZIP_DEFLATED))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(DamagedFileError, match=r"compressed or overlapping.*torch\.save"):
        read_pickled_tensors(path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def a_loop() -> list:
    loop: list = [1]
    loop.append(loop)
    return loop


def deep(levels: int) -> list:
    outer: list = []
    for _ in range(levels):
        outer = [outer]
    return outer


def deep_pickle(levels: int) -> bytes:
    """Lists within each other, as the pickler itself cannot write them."""
    return pickle.PROTO + b"\x02" + pickle.EMPTY_LIST * levels + pickle.APPEND * (levels - 1) + pickle.STOP


def archive(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a/data.pkl", data)
        file.writestr("a/version", "3\n")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content,message",
    [
        (torch_bytes(a_loop()), "nested more than"),
        (torch_bytes(deep(200)), "nested more than"),
        (archive(deep_pickle(100_000)), "nested more than"),
        (torch_bytes({("a", 1): torch.ones(2)}), "keys of the type tuple"),
        (torch_bytes({"\ud800": torch.ones(2)}), "lone surrogates"),
        (torch_bytes(torch.device("cuda")), ""),
    ],
    ids=["loop", "deep", "deeper than any stack", "key", "surrogate", "no tensors"],
)
def test_strange_containers(tmp_path, content, message):
    (tmp_path / "a.pt").write_bytes(content)
    if message:
        with pytest.raises(DamagedFileError, match=message):
            read_pickled_tensors(tmp_path / "a.pt")
    else:
        read_pickled_tensors(tmp_path / "a.pt")


@pytest.mark.parametrize("read", [read_tensors, read_pickled_tensors, read_any_tensors])
def test_what_is_no_file_is_said(tmp_path, read):
    (tmp_path / "folder.pt").mkdir()
    (tmp_path / "nowhere.pt").symlink_to(tmp_path / "gone")
    (tmp_path / "loop.pt").symlink_to(tmp_path / "loop.pt")
    expected: list[tuple[Path | str, type[Exception], str]] = [
        (tmp_path / "folder.pt", DamagedFileError, "is a folder, needed a file"),
        (tmp_path / "nowhere.pt", MissingFileError, "it does not exist"),
        (tmp_path / "none.pt", MissingFileError, "it does not exist"),
        (tmp_path / "loop.pt", DamagedFileError, "points to itself"),
        (tmp_path / ("a" * 5000), DamagedFileError, "longer than the file system allows"),
        (tmp_path / "a\0b", DamagedFileError, "null character"),
        (tmp_path / "\ud800.pt", DamagedFileError, "lone surrogates"),
    ]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.pt")
        expected += [
            (tmp_path / "pipe.pt", DamagedFileError, "is a pipe"),
            (Path("/dev/zero"), DamagedFileError, "is a device"),
        ]
    for path, kind, message in expected:
        with pytest.raises(kind, match=message) as refusal:
            read(Path(path))
        assert len(str(refusal.value)) < 1000 and str(refusal.value).isprintable()

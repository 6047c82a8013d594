"""Embedding files of all formats: `<x>` puts the same vectors into a prompt as the host's own `embedding:x`."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from helpers.pack import pack_module
from stableidentity_core.errors import StableIdentityError
from stableidentity_core.identity import load_identity

pytestmark = [pytest.mark.host, pytest.mark.filterwarnings("ignore")]

WIDTHS = {"sd15": {"l": 768}, "sd2": {"h": 1024}, "sdxl": {"l": 768, "g": 1280}}
ROW = 77


def words(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 3
    return drawn.to(dtype)


@dataclass(frozen=True)
class Case:
    file: str
    content: Any
    read_for: tuple[str, ...] = ()  # bases for which the pack must read it
    old: bool = False  # a torch file as before 1.6
    torch_file: bool | None = None  # in contradiction to the ending

    def write(self, folder: Path) -> str:
        """The name that prompts say."""
        path = folder / self.file
        zipped = path.suffix.lower() != ".safetensors" if self.torch_file is None else self.torch_file
        if zipped:
            torch.save(self.content, path, _use_new_zipfile_serialization=not self.old)
        else:
            save_file(self.content, path)
        stem, ending = os.path.splitext(self.file)
        return stem if ending in (".safetensors", ".pt", ".bin") else self.file


def a1111(tensor: Tensor, **more: Any) -> dict[str, Any]:
    return {"string_to_token": {"*": 265}, "string_to_param": {"*": tensor}, "name": "x", "step": 5, **more}


L, H, G = words(2, 768), words(2, 1024, seed=1), words(2, 1280, seed=2)
READ = {
    "one tensor": Case("a.safetensors", {"<a>": L}, ("sd15",)),
    "one tensor of SD2": Case("a.safetensors", {"anything": H}, ("sd2",)),
    "its own key": Case("a.safetensors", {"clip_h": H}, ("sd2",)),
    "pair of SDXL": Case("a.safetensors", {"clip_l": L, "clip_g": G}, ("sdxl",)),
    "pair of OneTrainer": Case(
        "a.safetensors", {"clip_l": L, "clip_l_out": L + 1, "clip_g": G, "clip_g_out": G + 1}, ("sdxl",)
    ),
    "pair of diffusers": Case("a.safetensors", {"text_encoders_0": L, "text_encoders_1": G}, ("sdxl",)),
    "one of diffusers": Case("a.safetensors", {"text_encoders_0": L}, ("sd15",)),
    "kohya": Case("a.safetensors", {"emb_params": words(4, 768)}, ("sd15",)),
    "OneTrainer": Case("a.safetensors", {"emb_params": L, "emb_params_out": L + 1}, ("sd15",)),
    "OneTrainer, .pt": Case("a.pt", {"emb_params": L, "emb_params_out": L + 1}, ("sd15",)),
    "A1111": Case("a.pt", a1111(words(3, 768)), ("sd15",)),
    "A1111, old file": Case("a.pt", a1111(L), ("sd15",), old=True),
    "A1111 of SD2, parameter": Case("a.pt", a1111(torch.nn.Parameter(H)), ("sd2",)),
    "A1111 in 16 bits": Case("a.pt", a1111(L.half()), ("sd15",)),
    "A1111 with more keys": Case("a.pt", a1111(L, clip_l=L + 1, emb=L + 2), ("sd15",)),
    "diffusers, one vector": Case("a.bin", {"<cat>": words(768)}, ("sd15",)),
    "diffusers, old file": Case("a.bin", {"<cat>": L}, ("sd15",), old=True),
    "a key that is a number": Case("a.bin", {0: L}, ("sd15",)),
    "a scalar beside": Case("a.bin", {"<cat>": L, "step": torch.tensor(3)}, ("sd15",)),
    "a text beside": Case("a.bin", {"<cat>": L, "by": "me"}, ("sd15",)),
    "[N, 1, D]": Case("a.safetensors", {"x": words(3, 1, 768)}, ("sd15",)),
    "[N, 1, 1, D]": Case("a.safetensors", {"x": words(2, 1, 1, 1024)}, ("sd2",)),
    "[1, 1, D]": Case("a.pt", {"x": words(1, 1, 768)}, ("sd15",)),
    "[1, N, D], which the host cannot": Case("a.safetensors", {"x": words(1, 2, 1024)}, ("sd2",)),
    "published": Case("a.pt", words(1, 2, 1024), ("sd2",)),
    "bare": Case("a.pt", L, ("sd15",)),
    "list of dicts": Case("a.pt", [{"x": L}, {"y": words(768, seed=4)}], ("sd15",)),
    "list of SDXL": Case("a.pt", [{"x": L, "y": G}], ("sdxl",)),
    "list, deep": Case("a.pt", [{"x": words(2, 3, 768)}], ("sd15",)),
    "bundle in a LoRA": Case(
        "a.safetensors",
        {"lora.up": words(8, 4), "bundle_emb.x.string_to_param.*": L, "bundle_emb.y.string_to_param.*": L + 1},
        ("sd15",),
    ),
    "bundle of SDXL": Case(
        "a.safetensors",
        {"lora.up": words(8, 4), "bundle_emb.x.clip_l": L, "bundle_emb.x.clip_g": G, "bundle_emb.x.clip_l_out": L + 1},
        ("sdxl",),
    ),
    "70 words": Case("a.safetensors", {"x": words(70, 768)}, ("sd15",)),
    "capital ending": Case("a.SAFETENSORS", {"x": L}, ("sd15",)),
    "capital ending of torch": Case("a.PT", {"x": L}, ("sd15",)),
    "other ending": Case("a.ckpt", {"x": L}, ("sd15",)),
    "two endings": Case("a.pt.bin", {"x": L}, ("sd15",)),
    "safetensors called .pt": Case("a.pt", {"x": L}, ("sd15",), torch_file=False),
    "safetensors called .bin, two": Case("a.bin", {"clip_l": L, "clip_g": G}, ("sdxl",), torch_file=False),
    "torch called .safetensors": Case("a.safetensors", a1111(L), ("sd15",), torch_file=True),
    "old torch called .safetensors": Case("a.safetensors", {"x": L}, ("sd15",), old=True, torch_file=True),
}
TYPES = ["float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int8", "int64", "uint8", "uint16", "bool"]
READ |= {
    f"{name}, {ending}": Case(f"a.{ending}", {"x": words(2, 768, dtype=getattr(torch, name))}, ("sd15",))
    for name in TYPES
    for ending in ("safetensors", "pt")
}
OTHER = {
    "two tensors": Case("a.safetensors", {"<a>": L, "<b>": L + 1}),
    "two tensors, .bin": Case("a.bin", {"<v1>": words(768), "<v2>": words(768, seed=5)}),
    "two params of A1111": Case("a.pt", {"string_to_param": {"*": L, "+": L + 1}}),
    "OneTrainer, the wrong one first": Case("a.safetensors", {"emb_params": L.half(), "emb_params_out": L + 1}),
    "OneTrainer, the wrong one first, .pt": Case("a.pt", {"emb_params_out": L + 1, "emb_params": L}),
    "only OneTrainer's other ones": Case("a.safetensors", {"clip_l_out": L, "clip_g_out": G}),
    "three text encoders": Case("a.safetensors", {"clip_l": L, "clip_g": G, "t5xxl": words(2, 4096)}),
    "a pair of another model": Case("a.safetensors", {"text_encoders_0": L, "text_encoders_1": words(2, 4096)}),
    "a key of its own and more": Case("a.safetensors", {"clip_l": L, "more": L + 1}),
    "two bases": Case("a.safetensors", {"clip_l": L, "clip_h": H}),
    "list of two bases": Case("a.pt", [{"x": L, "y": H}]),
    "list with another width": Case("a.pt", [{"x": L, "y": words(2, 5)}]),
    "key of another base": Case("a.safetensors", {"clip_l": H}),
    "list of tensors": Case("a.pt", [L, L]),
    "list of texts": Case("a.pt", ["a", "b"]),
    "several windows": Case("a.safetensors", {"x": words(100, 768)}),
    "[M, N, D]": Case("a.safetensors", {"x": words(2, 3, 768)}),
    "no words": Case("a.safetensors", {"x": torch.zeros(0, 768)}),
    "a scalar": Case("a.safetensors", {"x": torch.tensor(1.0)}),
    "not finite": Case("a.safetensors", {"x": torch.full((2, 768), float("nan"))}),
    "complex": Case("a.pt", {"x": L.to(torch.complex64)}),
    "sparse": Case("a.pt", {"x": L.to_sparse()}),
    "meta": Case("a.pt", {"x": L.to("meta")}),
    "quantised": Case("a.pt", {"x": torch.quantize_per_tensor(L, 0.1, 0, torch.qint8)}),
    "Textual Inversion's own code": Case("a.pt", {"string_to_param": torch.nn.ParameterDict({"*": L})}),
    "another width": Case("a.safetensors", {"x": words(2, 64)}),
    "nested": Case("a.pt", {"x": {"y": L}}),
    "nothing": Case("a.pt", {}),
    "None": Case("a.pt", None),
    "bundle and a key": Case("a.safetensors", {"clip_l": L, "bundle_emb.x.string_to_param.*": L + 1}),
    "bundle of vectors": Case("a.safetensors", {"bundle_emb.x.clip_l": words(768), "lora.up": words(2, 768)}),
    "SDXL, one of them": Case("a.safetensors", {"clip_l": L}),
}


@pytest.fixture(scope="module")
def host(comfyui) -> SimpleNamespace:
    """The pack's adapter, and the host's tokenizers by base."""
    adapter, families = (pack_module(f"nodes.host.{name}", comfyui) for name in ("prompts", "families"))
    import comfy.sd1_clip
    import comfy.sdxl_clip
    import comfy.text_encoders.sd2_clip

    kinds = {
        "sd15": comfy.sd1_clip.SD1Tokenizer,
        "sd2": comfy.text_encoders.sd2_clip.SD2Tokenizer,
        "sdxl": comfy.sdxl_clip.SDXLTokenizer,
    }
    return SimpleNamespace(
        adapter=adapter, families=families.FAMILIES, tokenizers={base: kind() for base, kind in kinds.items()}
    )


def tokenizer_of(host, base: str, folder: Path):
    """The base's tokenizer with the folder for embeddings."""
    tokenizer = host.tokenizers[base]
    for name in ("clip_l", "clip_h", "clip_g"):
        if hasattr(tokenizer, name):
            getattr(tokenizer, name).embedding_directory = [str(folder)]
    return tokenizer


def embedded(rows: list[list[tuple[Any, float]]], width: int) -> list[Any]:
    """What the host's encoder makes of a tokenizer's row: ids, and every vector in a place of its own."""
    (row,) = rows
    placed: list[Any] = []
    for token, weight in row:
        if isinstance(token, Tensor):
            vectors = token.view(1, -1, token.shape[-1]).to(torch.float32)[0]
            assert vectors.shape[-1] == width, "dropped by the host"
            placed += [(vector.tolist(), weight) for vector in vectors]
        else:
            placed.append((token, weight))
    assert len(placed) == ROW, "more than the host's encoder takes"
    assert any(isinstance(token, list) for token, _weight in placed), "not found by the host"
    return placed


def theirs(host, base: str, folder: Path, name: str) -> dict[str, list[Any]] | None:
    """The places of a prompt with the host's own embedding; None where the host fails or leaves something out."""
    tokenizer = tokenizer_of(host, base, folder)
    try:
        rows = tokenizer.tokenize_with_weights(f"a photo of (embedding:{name}:1.2) laughing")
        return {key: embedded(rows[key], width) for key, width in WIDTHS[base].items()}
    except Exception:  # whatever the host raises: then there is nothing to compare with
        return None


def ours(host, base: str, folder: Path, path: Path, session: Path) -> dict[str, list[Any]]:
    """The same with Load Identity and Apply Identity."""
    identity = load_identity(path, "x")
    tokenizer, family = tokenizer_of(host, base, folder), host.families[tuple(sorted(WIDTHS[base]))]
    spaces = [SimpleNamespace(name=f"clip_{key}", width=width) for key, width in WIDTHS[base].items()]
    host.adapter.check_fits(identity, SimpleNamespace(spaces=spaces, family=family))
    applied = host.adapter.IdentityTokenizer(tokenizer, session, family, {"<x>": identity})
    rows = applied.tokenize_with_weights("a photo of (<x>:1.2) laughing")
    return {key: embedded(rows[key], width) for key, width in WIDTHS[base].items()}


@pytest.fixture
def both(host, tmp_path) -> Callable[[Case, str], tuple[Any, Any]]:
    folder, session = tmp_path / "embeddings", tmp_path / "session"
    folder.mkdir()

    def compare(case: Case, base: str):
        name = case.write(folder)
        try:
            own = ours(host, base, folder, folder / case.file, session)
        except StableIdentityError as error:
            own = error
        return own, theirs(host, base, folder, name)

    return compare


@pytest.mark.parametrize("kind", READ)
def test_what_the_host_reads_is_read_alike(both, kind):
    case = READ[kind]
    for base in WIDTHS:
        own, host = both(case, base)
        if base in case.read_for:
            assert not isinstance(own, Exception), own
        if not isinstance(own, Exception) and host is not None:
            assert own == host, base


@pytest.mark.parametrize("kind", OTHER)
def test_the_rest_is_refused_and_never_read_in_another_way(both, kind):
    for base in WIDTHS:
        own, host = both(OTHER[kind], base)
        if isinstance(own, Exception):
            assert str(own).endswith((".", "'")) and len(str(own)) < 900
        else:
            assert own == host, base


def test_the_table_has_files_that_the_host_reads_and_refuses(both):
    """Else nothing would be compared."""
    counted = {
        kind: both(case, case.read_for[0])[1] is not None for kind, case in READ.items() if case.file == "a.safetensors"
    }
    assert sum(counted.values()) > 20
    assert not counted["[1, N, D], which the host cannot"] and not counted["torch called .safetensors"]


KEYS = [
    "clip_l",
    "clip_h",
    "clip_g",
    "clip_l_out",
    "emb_params",
    "emb_params_out",
    "text_encoders_0",
    "text_encoders_1",
]
KEYS += ["<a>", "string_to_param", "bundle_emb.x.clip_l", "bundle_emb.x.string_to_param.*", "bundle_emb.y.clip_g"]
SHAPES = [*[(2, 768), (2, 1024)] * 3, (2, 1280), (768,), (1, 2, 768), (2, 1, 768), (2, 2, 768), (), (2, 5), (0, 768)]


def mixture(chance: random.Random, ending: str) -> Any:
    """Tensors of any shapes and types under any keys, in torch files also nested and in lists."""

    def tensor() -> Tensor:
        dtype = chance.choice(["float32", "float32", "float16", "float64", "int32"])
        return words(*chance.choice(SHAPES), dtype=getattr(torch, dtype), seed=chance.randrange(99))

    flat = {key: tensor() for key in chance.sample(KEYS, chance.choice((1, 1, 1, 2, 3)))}
    if ending == "safetensors":
        return flat
    return chance.choice([flat, {"string_to_param": flat, "x": tensor()}, [flat], [flat, {"x": tensor()}], tensor()])


@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_no_mixture_is_read_in_another_way(both, ending):
    chance = random.Random(1)
    alike = 0
    for _ in range(150):
        case = Case(f"a.{ending}", mixture(chance, ending))
        for base in WIDTHS:
            own, host = both(case, base)
            if not isinstance(own, Exception) and host is not None:
                assert own == host, (base, case)
                alike += 1
    assert alike > 20

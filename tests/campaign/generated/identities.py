"""Identity files: of this pack, of other programs, spoilt, and things that were never an embedding."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save

from campaign.generated.category import Case
from campaign.mutate import ODD_NUMBERS, changed_header, odd_text, spoilt
from stableidentity_core.identity import Identity, load_identity, save_identity

MB = 1 << 20
TYPES = (
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.uint8,
    torch.bool,
    torch.complex64,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
)
KEYS = (
    "<anna>",
    "*",
    "emb_params",
    "emb_params_out",
    "clip_l",
    "clip_g",
    "clip_h",
    "t5xxl",
    "text_encoders_0",
    "",
    "x",
)
SUFFIXES = (".safetensors", ".pt", ".bin", ".SAFETENSORS", ".PT", ".ckpt", "")


def words(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def torch_bytes(content: Any, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def odd_tensor(random: Random) -> torch.Tensor:
    """A tensor of any type, shape, layout and values; small on disk."""
    shape = random.choice(((2, 1024), (1, 2, 1024), (1024,), (), (0, 1024), (2, 0), (75, 768), (76, 768), (2, 3, 4, 5)))
    made = words(random.randrange(100), *shape)
    ways: list[Callable[[], torch.Tensor]] = [
        lambda: made,
        lambda: made.to(random.choice(TYPES)),
        lambda: made * float("nan"),
        lambda: made * 1e38 * 10,
        lambda: torch.zeros(1).expand(75, 2_000_000),
        lambda: torch.zeros(1).expand(2, 1024),
        lambda: made.to_sparse() if made.ndim else made,
        lambda: torch.empty(2, 1024, device="meta"),
        lambda: torch.quantize_per_tensor(words(1, 2, 1024), 0.1, 0, torch.qint8),
        lambda: torch.nn.Parameter(words(2, 2, 1024)),
        lambda: words(3, 2, 1024).T,
        lambda: torch.nested.nested_tensor([torch.zeros(2, 8), torch.zeros(1, 8)]),
    ]
    return random.choice(ways)()


def odd_content(random: Random, depth: int = 0) -> Any:
    """What torch.save may hold."""
    ways: list[Callable[[], Any]] = [
        lambda: odd_tensor(random),
        lambda: {random.choice(KEYS): odd_tensor(random) for _ in range(random.choice((0, 1, 2, 4)))},
        lambda: {"string_to_param": {"*": odd_tensor(random)}, "name": odd_text(random)[:99]},
        lambda: {"string_to_param": odd_tensor(random)},
        lambda: random.choice(ODD_NUMBERS),
        lambda: None,
        lambda: odd_text(random)[:99],
        lambda: {random.choice((1, None, 2.5, (1, 2), True)): odd_tensor(random)},
    ]
    if depth < 2:
        ways.append(lambda: [odd_content(random, depth + 1) for _ in range(random.choice((0, 1, 3)))])
        ways.append(lambda: {odd_text(random)[:30]: odd_content(random, depth + 1)})
    return random.choice(ways)()


class Identities:
    name = "identity files"
    memory = 200 * MB

    def __init__(self, folder: Path):
        anna, pair = folder / "anna.safetensors", folder / "pair.safetensors"
        header = {"method": "stableidentity", "steps": "450", "settings": '{"steps": 450, "seed": 0}'}
        save_identity(Identity(trigger="anna", words={"clip_h": words(0, 2, 1024)}, header=header), anna)
        save_identity(Identity(trigger="anna", words={"clip_l": words(1, 2, 768), "clip_g": words(2, 2, 1280)}), pair)
        a1111 = {"string_to_param": {"*": words(3, 2, 1024)}, "name": "anna", "step": 5, "sd_checkpoint": None}
        self.valid = {
            ".safetensors": [anna.read_bytes(), pair.read_bytes(), save({"emb_params": words(4, 4, 768)})],
            ".pt": [torch_bytes(a1111), torch_bytes(a1111, zipped=False), torch_bytes(words(5, 1, 2, 1024))],
            ".bin": [torch_bytes({"<anna>": words(6, 768)})],
        }

    def case(self, random: Random, folder: Path) -> Case:
        label, suffix, content = self._made(random)
        if random.random() < 0.1:
            suffix = random.choice(SUFFIXES)
        path = folder / f"{random.choice(('anna', 'a b', '2026', 'ä', '...', 'a' * 120))}{suffix}"
        path.write_bytes(content)
        trigger = random.choice((None, None, None, "ben", odd_text(random)[:99]))
        return Case(f"{label}{suffix}", lambda: _loaded(path, trigger, folder))

    def _made(self, random: Random) -> tuple[str, str, bytes]:
        way = random.random()
        suffix = random.choice(sorted(self.valid))
        valid = random.choice(self.valid[suffix])
        if way < 0.3:
            return "spoilt ", suffix, spoilt(valid, random)
        if way < 0.6:
            return "header ", ".safetensors", changed_header(random.choice(self.valid[".safetensors"]), random)
        if way < 0.9:
            return (
                "torch file ",
                random.choice((".pt", ".bin")),
                torch_bytes(odd_content(random), random.random() < 0.8),
            )
        if way < 0.95:
            return "tensors ", ".safetensors", _saved(random)
        return "noise ", suffix, random.choice((b"", b"{}", b"\0" * 100, random.randbytes(random.randrange(3000))))


def _saved(random: Random) -> bytes:
    shapes = ((2, 1024), (2, 768), (2, 1280), (1, 64), (3,), (0, 768), (80, 768), (2, 2, 768))
    kinds = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int32, torch.float8_e4m3fn)
    tensors = {
        random.choice(KEYS): words(number, *random.choice(shapes)).to(random.choice(kinds))
        for number in range(random.choice((1, 1, 2, 3)))
    }
    return save(
        tensors, {"format": random.choice(("stableidentity-1", "pt", odd_text(random)[:20].replace("\0", ""))) or "x"}
    )


def _loaded(path: Path, trigger: str | None, folder: Path) -> None:
    """What is accepted can be saved and comes back the same."""
    identity = load_identity(path, trigger)
    for space, values in identity.words.items():
        assert values.dtype == torch.float32 and values.ndim == 2 and values.isfinite().all(), space
    again = folder / "again" / "again.safetensors"
    save_identity(identity, again)
    back = load_identity(again)
    assert back.trigger == identity.trigger, "another trigger after saving"
    assert back.words.keys() == identity.words.keys(), "other text spaces after saving"
    assert all(torch.equal(back.words[space], identity.words[space]) for space in back.words), (
        "other words after saving"
    )

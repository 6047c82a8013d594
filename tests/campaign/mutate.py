"""Bytes, JSON values and texts as they should not be; every choice is drawn from the given generator."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

ODD_NUMBERS = (0, -1, 1, 2, 3, 7, 2**31, 2**63, 2**64, 10**30, -(2**63), 0.5, 1e-300, 1e300)
ODD_TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "\n",
    "\r\n",
    "\t",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\ud800",
    "a\udcffb",
    "\ufeff",
    "\u200b",
    "\u202eabc",
    "ä" * 130,
    "🙂" * 80,
    "a" * 300,
    "a" * 100_000,
    "../../x",
    "..",
    ".",
    "/",
    "/etc/passwd",
    "C:\\x",
    "a/b",
    "a\\b",
    "con",
    "NUL.txt",
    "com¹",
    "lpt²",
    "%s%n",
    "{}",
    "{0.__class__}",
    "${HOME}",
    "$(id)",
    "<anna>",
    "<<anna>>",
    "<anna",
    "anna>",
    "<a b>",
    "<lora:x:1>",
    "(<anna>:1.2)",
    "<anna:1.2>",
    "＜anna＞",
    "&lt;anna&gt;",
    "<an\u200bna>",
    "<anna|ben>",
    "<b>bold</b>",
    "5 < x > 3",
    "embedding:anna",
    "embedding:<anna>",
    "2026",
    "1.5",
    "-1",
    "1e9",
    "nan",
    "inf",
    "0x10",
    "١٢",
    "²",
    "null",
    "None",
    "true",
    "[]",
    "{",
    "--help",
    "-",
    "--",
    "@file",
    "анна",
    "İ",
    "ß",
    "\u0301",
)


def odd_text(random: Random) -> str:
    """One of the known odd ones, two of them together, or characters from anywhere."""
    way = random.random()
    if way < 0.5:
        return random.choice(ODD_TEXTS)
    if way < 0.7:
        return random.choice(ODD_TEXTS)[:200] + random.choice(("", " ", "a", ">")) + random.choice(ODD_TEXTS)[:200]
    alphabet = (range(32, 127), range(0, 0x300), range(0x2000, 0x2070), range(0, 0x11000))
    codes = random.choice(alphabet)
    return "".join(chr(random.choice(codes)) for _ in range(random.choice((1, 2, 5, 20, 65, 120))))


def odd_value(random: Random, depth: int = 0) -> Any:
    """A JSON value of any type."""
    ways: list[Callable[[], Any]] = [
        lambda: None,
        lambda: random.random() < 0.5,
        lambda: random.choice(ODD_NUMBERS),
        lambda: random.choice((float("nan"), float("inf"))),
        lambda: odd_text(random)[:300],
    ]
    if depth < 3:
        ways += [
            lambda: [odd_value(random, depth + 1) for _ in range(random.choice((0, 1, 3)))],
            lambda: {odd_text(random)[:40]: odd_value(random, depth + 1) for _ in range(random.choice((0, 1, 2)))},
        ]
    return random.choice(ways)()


def changed_json(value: Any, random: Random) -> Any:
    """The same with one thing in it changed, removed or added, at any depth."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(sorted(value))
        return _changed_mapping(value, key, random)
    if isinstance(value, list) and value and random.random() < 0.7:
        place = random.randrange(len(value))
        return [*value[:place], changed_json(value[place], random), *value[place + 1 :]]
    return odd_value(random)


def _changed_mapping(value: Mapping[str, Any], key: str, random: Random) -> dict[str, Any]:
    way = random.random()
    rest = {name: inner for name, inner in value.items() if name != key}
    if way < 0.2:
        return rest
    if way < 0.3:
        return {**rest, odd_text(random)[:60]: value[key]}
    if way < 0.4:
        return {**value, odd_text(random)[:60]: odd_value(random)}
    return {**value, key: changed_json(value[key], random)}


def as_text(value: Any, random: Random) -> bytes:
    """JSON in one of the encodings that programs write."""
    text = json.dumps(value, ensure_ascii=random.random() < 0.7)
    encoding = random.choice(("utf-8",) * 8 + ("utf-16", "utf-8-sig", "latin-1"))
    return text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")


def spoilt(content: bytes, random: Random) -> bytes:
    """Some bytes flipped, set, cut out, doubled or added; more often near the beginning, where headers are."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 5, 30))):
        if not data:
            return random.randbytes(random.choice((0, 1, 8, 100)))
        place = int(len(data) * random.random() ** random.choice((1, 1, 4)))
        _spoil_at(data, min(place, len(data) - 1), random)
    return bytes(data)


def _spoil_at(data: bytearray, place: int, random: Random) -> None:
    length = random.choice((1, 1, 2, 4, 8, 64, 1000))
    match random.randrange(7):
        case 0:
            data[place] ^= 1 << random.randrange(8)
        case 1:
            data[place] = random.choice((0, 1, 127, 128, 255))
        case 2:
            data[place : place + length] = random.randbytes(length)
        case 3:
            del data[place : place + length]
        case 4:
            data[place:place] = data[place : place + length]
        case 5:
            data[place:place] = random.randbytes(length)
        case 6:
            del data[place:]


def split_safetensors(blob: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data of a valid file."""
    size = int.from_bytes(blob[:8], "little")
    return json.loads(blob[8 : 8 + size]), blob[8 + size :]


def joined_safetensors(header: Any, data: bytes, size: int | None = None) -> bytes:
    """A file of this header, whatever it is; `size` lies about its length."""
    text = header if isinstance(header, bytes) else json.dumps(header, ensure_ascii=False).encode("utf-8", "replace")
    text += b" " * (-len(text) % 8)
    return (len(text) if size is None else size).to_bytes(8, "little", signed=False) + text + data


DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "C64", "F4", "X")


def changed_header(blob: bytes, random: Random) -> bytes:
    """A safetensors file whose header says something else; its length is right."""
    header, data = split_safetensors(blob)
    way = random.random()
    tensors = sorted(key for key in header if key != "__metadata__")
    told = header.get("__metadata__") or {}
    if way < 0.5 and told:
        header["__metadata__"] = _changed_told(told, random)
    elif way < 0.75:
        entry = header[random.choice(tensors)]
        what = random.choice(("dtype", "shape", "data_offsets"))
        entry[what] = random.choice(DTYPES) if what == "dtype" else changed_json(entry[what], random)
    elif way < 0.85:
        header[odd_text(random)[:60]] = header.pop(random.choice(tensors))
    else:
        header = changed_json(header, random)
    lie = random.choice((0, 1, 2**40, 2**63, 2**64 - 1)) if random.random() < 0.03 else None
    return joined_safetensors(header, data, lie)


def _changed_told(told: Mapping[str, str], random: Random) -> dict[str, str]:
    """Header entries stay texts, as the format has it, mostly."""
    key = random.choice(sorted(told))
    value: Any = odd_text(random)[:2000]
    try:
        inner = json.loads(told[key])
        if random.random() < 0.6:
            value = json.dumps(changed_json(inner, random))
    except ValueError:
        pass
    if random.random() < 0.1:
        value = odd_value(random)
    changed = {name: text for name, text in told.items() if name != key}
    return changed if random.random() < 0.15 else {**changed, key: value}


def one_of(random: Random, ways: Sequence[Callable[[], Any]]) -> Any:
    return random.choice(ways)()

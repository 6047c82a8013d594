"""The people saved in the host's embeddings folders, read from the headers of their files alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path

from ..errors import StableIdentityError
from ..files.tensor_header import TensorHeader, read_tensor_header
from .file import ENDINGS, FORMAT, MAX_BYTES
from .places import Places, signature
from .portraits import ENDINGS as PORTRAIT_ENDINGS
from .portraits import portrait_paths
from .prompt import normalize_trigger

BASES = {  # by text space and width; the last one found counts
    **{("clip_l", 768): "SD 1", ("clip_h", 1024): "SD 2", ("clip_g", 1280): "SDXL"},
    **{("t5xxl", 4096): "SD 3.5", ("umt5xxl", 4096): "Wan", ("qwen3_4b", 2560): "Z-Image, Flux.2 klein"},
}
LIKENESS = ("likeness", "face_similarity")  # keys of a header, the first one found counts


class Kind(Enum):
    """What a file in an embeddings folder is."""

    PERSON = "person"  # saved by this pack
    EMBEDDING = "embedding"  # another program's
    DAMAGED = "damaged"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the file alone says."""

    kind: Kind
    problem: str = ""  # why it is damaged
    trigger: str = ""  # "<anna>"
    widths: Mapping[str, int] = field(default_factory=dict)  # {text space: width}
    texts: Mapping[str, str] = field(default_factory=dict)  # the header; untrusted


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A file in an embeddings folder."""

    path: Path
    top: Path  # the embeddings folder
    facts: Facts
    prompt: str  # NAME of `embedding:NAME`, or "" if no name refers to this file alone
    portrait: Path | None
    changed: int  # nanoseconds since 1970

    @property
    def file(self) -> str:
        """The path below the embeddings folder, with forward slashes."""
        return self.path.relative_to(self.top).as_posix()

    @property
    def base(self) -> str:
        """The kind of base model that the words are for, in words."""
        known = [title for space, title in BASES.items() if self.facts.widths.get(space[0]) == space[1]]
        return known[-1] if known else ", ".join(f"{space} {width}" for space, width in self.facts.widths.items())

    @property
    def likeness(self) -> float | None:
        """The similarity to the photo that the header names, -1 to 1."""
        for key in LIKENESS:
            try:
                value = float(self.facts.texts.get(key, ""))
            except ValueError:
                continue
            return value if -1 <= value <= 1 else None
        return None


def saved_people(folders: Sequence[Path]) -> list[Saved]:
    """All embeddings in folders and their subfolders, in the order of folders and names.

    A damaged file is listed with the reason; files without the extension of an embedding are left out.
    """
    places, found = Places(folders), []
    pictures = {path for path in places.tops if path.name.endswith(PORTRAIT_ENDINGS)}
    for path, top in places.tops.items():
        if path.name.startswith(".") or not path.name.lower().endswith(ENDINGS) or not path.is_file():
            continue
        state = signature(path)
        saved = Saved(
            path=path,
            top=top,
            facts=_facts(path, state),
            prompt=places.prompt_name(path),
            portrait=next((picture for picture in portrait_paths(path) if picture in pictures), None),
            changed=state[0] if state else 0,
        )
        found.append(saved)
    order = {top: number for number, top in reversed([*enumerate(folders)])}
    return sorted(found, key=lambda saved: (order[saved.top], *_sorted_as(saved)))


def facts_of(path: Path) -> Facts:
    """What a file in an embeddings folder says; a damaged one is described, not raised."""
    return _facts(path, signature(path))


def _sorted_as(saved: Saved) -> tuple[str, str, str]:
    """Folder by folder, without regard to capitals."""
    return saved.path.parent.as_posix().casefold(), saved.path.stem.casefold(), saved.path.name


@lru_cache(maxsize=1 << 16)
def _facts(path: Path, _signature: tuple[int, ...]) -> Facts:
    """Read once for each state of the file."""
    if path.suffix.lower() != ENDINGS[0]:
        return Facts(kind=Kind.EMBEDDING)  # a torch file has no header; this pack writes none
    try:
        header = read_tensor_header(path)
        return _person(path, header) if header.texts.get("format") == FORMAT else Facts(kind=Kind.EMBEDDING)
    except StableIdentityError as error:
        return Facts(kind=Kind.DAMAGED, problem=str(error))


def _person(path: Path, header: TensorHeader) -> Facts:
    spaces = header.texts.get("text_space", "").split(",")
    shapes = dict(zip(spaces, header.shapes.values(), strict=False)) if len(spaces) == 1 else dict(header.shapes)
    widths = {space: shape[-1] if len(shape) == 2 else 0 for space, shape in shapes.items()}
    told = dict(zip(spaces, header.texts.get("text_width", "").split(","), strict=False))
    if len(header.shapes) != len(spaces) or {space: str(width) for space, width in widths.items()} != told:
        raise StableIdentityError(
            f"{path.name} does not contain the words that its header names. It was changed after it was saved; use "
            "the original."
        )
    if path.stat().st_size > MAX_BYTES:
        raise StableIdentityError(f"{path.name} has more than {MAX_BYTES:,} bytes: this is no person.")
    trigger = normalize_trigger(header.texts.get("trigger", ""))
    return Facts(kind=Kind.PERSON, trigger=trigger, widths=widths, texts=header.texts)

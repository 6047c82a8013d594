"""What is known of one file of weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Weight:
    """One file that other people publish; what nobody published stays None and is never guessed."""

    name: str  # what loaders and the command line call it
    section: str  # of MODELS.md: "needed", "choice" or "optional"
    purpose: str
    file: str
    folder: str  # below ComfyUI's `models`, with forward slashes
    urls: tuple[str, ...]  # the source, then mirrors; all of them hold the same bytes
    source: str  # markdown: who publishes it, and what the mirrors are
    revision: str | None = None  # release or commit that the first url names
    bytes: int | None = None
    about: str | None = None  # rounded size of the source's page, where the exact one is not known
    sha256: str | None = None
    hash_from: str | None = None  # who published the hash
    licence: str
    note: str = "–"  # what is not known, and what to be aware of
    elsewhere: tuple[str, ...] = ()  # folders below `models` where other packs keep the same file

    def path(self, models: Path) -> Path:
        """Where the file belongs in a `models` folder."""
        return models / self.folder / self.file

    @property
    def size(self) -> str:
        """The size for people, such as `109,497,761 bytes`."""
        return f"{self.bytes:,} bytes" if self.bytes is not None else self.about or "size not known"

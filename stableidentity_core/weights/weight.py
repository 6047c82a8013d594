"""An entry of the table of weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Weight:
    """One third-party file; values that are not published are None and never guessed."""

    name: str  # in loaders and on the command line
    section: str  # of MODELS.md: "needed", "choice", "optional", "evaluation" or "compared"
    purpose: str
    file: str
    folder: str  # below ComfyUI's `models`, with forward slashes
    urls: tuple[str, ...]  # the source, then mirrors with the same bytes
    source: str  # markdown: the publisher and the mirrors
    revision: str | None = None  # release or commit in the first url
    bytes: int | None = None
    about: str | None = None  # rounded size from the source's page, if the exact size is unknown
    sha256: str | None = None
    hash_from: str | None = None  # who published the hash
    licence: str
    note: str = "–"  # what is unknown, and restrictions
    elsewhere: tuple[str, ...] = ()  # folders below `models` where other packs keep the same file

    def path(self, models: Path) -> Path:
        """Where the file belongs in a `models` folder."""
        return models / self.folder / self.file

    @property
    def size(self) -> str:
        """The size as text, such as `109,497,761 bytes`."""
        return f"{self.bytes:,} bytes" if self.bytes is not None else self.about or "unknown size"

"""What is measured, where, and what comes of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["measured", "failed", "broken off", "not begun"]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where jobs compute."""

    device: str  # cpu or cuda, which ROCm calls itself too
    short: bool  # tiny networks and few steps: whether it works, not how well
    comfyui: str = ""  # its folder, if there is one

    @property
    def host(self) -> Path | None:
        return Path(self.comfyui) if self.comfyui else None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table.

    Attributes:
        figures: raw numbers and facts, for the JSON file.
        goal: in words; `met` is None where it does not apply, such as to tiny networks.
        reason: why there is no figure.
    """

    what: str
    measured: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    goal: str = ""
    met: bool | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one process measures.

    Attributes:
        work: `module:function`; it takes the setting and the arguments and yields rows.
        seconds: that it is expected to take; only decides whether it is still begun.
    """

    part: str
    what: str
    work: str
    seconds: float
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of a job; rows that were measured before a fault are kept."""

    part: str
    what: str
    state: State
    reason: str = ""
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)


def as_line(value: Row | dict[str, Any]) -> str:
    """A row, or what a job failed of, as a line of JSON."""
    return json.dumps(asdict(value) if isinstance(value, Row) else value) + "\n"

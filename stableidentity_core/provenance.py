"""Header fields of all identity files."""

from __future__ import annotations

from datetime import datetime, timezone

from . import __version__


def provenance() -> dict[str, str]:
    """The pack's version and the date (UTC)."""
    return {"version": __version__, "date": datetime.now(timezone.utc).strftime("%Y-%m-%d")}

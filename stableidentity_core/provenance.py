"""What the headers of all identity files share."""

from __future__ import annotations

from datetime import datetime, timezone

from . import __version__


def provenance() -> dict[str, str]:
    """By which version and on which day (UTC)."""
    return {"version": __version__, "date": datetime.now(timezone.utc).strftime("%Y-%m-%d")}

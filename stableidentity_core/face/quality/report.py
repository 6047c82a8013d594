"""Findings about a photo, for people, for the file header, and as an error."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...errors import StableIdentityError


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One measure of a photo and whether it will do."""

    measure: str
    value: float
    unit: str  # "%", "px", "degrees"
    limit: str  # "at most 30", "10 to 85"
    good: bool
    advice: str  # a plain sentence of what to change; empty when good

    @property
    def line(self) -> str:
        figure = f"{self.measure}: {self.value:.3g} {self.unit} ({self.limit})"
        return figure if self.good else f"{figure}. {self.advice}"


@dataclass(frozen=True, kw_only=True)
class QualityReport:
    """All findings about one photo."""

    findings: tuple[Finding, ...]
    left_out: tuple[str, ...] = ()  # a sentence for each measure that could not be taken

    @property
    def bad(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.good)

    @property
    def good(self) -> bool:
        return not self.bad

    def text(self) -> str:
        """Lines for people: what to change first, then the rest."""
        taken = f"{len(self.findings)} measure{'' if len(self.findings) == 1 else 's'}"
        if not self.findings:
            head = "Photo quality: nothing could be measured."
        elif self.good:
            head = f"Photo quality: good in all of {taken}."
        else:
            head = f"Photo quality: {len(self.bad)} of {taken} to improve."
        lines = [f"[!] {finding.line}" for finding in self.bad]
        lines += [f"[ok] {finding.line}" for finding in self.findings if finding.good]
        return "\n".join([head, *lines, *(f"[not measured] {sentence}" for sentence in self.left_out)])

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; figures to four digits."""
        findings = [asdict(finding) | {"value": float(f"{finding.value:.4g}")} for finding in self.findings]
        return {"good": self.good, "findings": findings, "left_out": list(self.left_out)}


def require_good(report: QualityReport, what: str = "The photo") -> None:
    """For the strict switch: a photo with a bad finding is an error.

    Raises:
        StableIdentityError: listing every bad finding with its advice.
    """
    if report.good:
        return
    faults = "; ".join(f"({number}) {finding.line}" for number, finding in enumerate(report.bad, start=1))
    count = f"{len(report.bad)} fault{'' if len(report.bad) == 1 else 's'}"
    raise StableIdentityError(f"{what} has {count}: {faults} Use a better photo, or switch the strict check off.")

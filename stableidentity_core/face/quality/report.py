"""Findings about a photo: as text, for the file header, and as an error."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...errors import StableIdentityError

NO_DETECTOR = "No face detector was used: the picture was assumed to be an aligned portrait."


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One measure of a photo and whether it is within its limit."""

    measure: str
    value: float
    unit: str  # "%", "px", "degrees"
    limit: str  # "at most 30", "10 to 85"
    good: bool
    advice: str  # a sentence on what to change; empty when good

    @property
    def line(self) -> str:
        figure = f"{self.measure}: {self.value:.3g} {self.unit} ({self.limit})"
        return figure if self.good else f"{figure}. {self.advice}"


@dataclass(frozen=True, kw_only=True)
class QualityReport:
    """All findings about one photo."""

    findings: tuple[Finding, ...]
    left_out: tuple[str, ...] = ()  # a sentence for each measure that could not be taken
    contradictions: tuple[str, ...] = ()  # sentences about masks that do not fit the face
    face_seen: bool = True  # False: neither a detector nor a parser has confirmed a face where it was measured
    detected: bool = True  # False: no detector was used
    remarks: tuple[str, ...] = ()  # other sentences about how the portrait and its masks were made

    @property
    def bad(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.good)

    @property
    def good(self) -> bool:
        """No finding is bad and no mask contradicts the face; if `face_seen` is False this says little."""
        return not self.bad and not self.contradictions

    def text(self) -> str:
        """The report as lines of text: problems of masks and photo first, then the rest."""
        lines = [f"[!] {sentence}" for sentence in self.contradictions]
        lines += [] if self.detected else [NO_DETECTOR]
        lines += [self._headline(), *(f"[!] {finding.line}" for finding in self.bad)]
        mark = "[ok]" if self.face_seen else "[within limits]"
        lines += [f"{mark} {finding.line}" for finding in self.findings if finding.good]
        lines += [f"[not measured] {sentence}" for sentence in self.left_out]
        return "\n".join([*lines, *self.remarks])

    def _headline(self) -> str:
        count = len(self.findings)
        taken = f"{count} measure{'' if count == 1 else 's'}"
        if not self.findings:
            return "Photo quality: unknown, nothing could be measured."
        if not self.face_seen:
            return (
                f"Photo quality: unknown. If it is an aligned portrait, {count - len(self.bad)} of {taken} are within "
                "the limits."
            )
        if self.bad:
            return f"Photo quality: {len(self.bad)} of {taken} to improve."
        return f"Photo quality: good in {'all ' if count > 1 else ''}{taken}."

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, rounded to four digits."""
        good = None if self.good and not self.face_seen else self.good  # unknown
        findings = [asdict(finding) | {"value": float(f"{finding.value:.4g}")} for finding in self.findings]
        return {
            "good": good,
            "face_detected": self.detected,
            "contradictions": list(self.contradictions),
            "findings": findings,
            "left_out": list(self.left_out),
        }


def require_good(report: QualityReport, what: str = "The photo") -> None:
    """For the strict option: raise for a photo with a bad finding or with masks that contradict its face.

    Raises:
        StableIdentityError: lists every problem with its advice.
    """
    if report.good:
        return
    lines = [*report.contradictions, *(finding.line for finding in report.bad)]
    faults = "; ".join(f"({number}) {line}" for number, line in enumerate(lines, start=1))
    count = f"{len(lines)} problem{'' if len(lines) == 1 else 's'}"
    advice = [*["correct the masks"] * bool(report.contradictions), *["use a better photo"] * bool(report.bad)]
    remedy = f"{' and '.join(advice)}, or turn the strict check off."
    raise StableIdentityError(f"{what} has {count}: {faults} {remedy[0].upper()}{remedy[1:]}")

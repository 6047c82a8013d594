"""Findings about a photo: as text, for the file header, and as an error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from ...errors import StableIdentityError
from .evidence import DETECTED, Evidence


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
    evidence: Evidence = DETECTED  # that there is a face where it was measured
    remarks: tuple[str, ...] = ()  # other sentences about how the portrait and its masks were made

    @property
    def bad(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.good)

    @property
    def good(self) -> bool:
        """No finding is bad and no mask contradicts the face; without evidence of a face this says little."""
        return not self.bad and not self.contradictions

    @property
    def warnings(self) -> tuple[tuple[str, ...], ...]:
        """What the user should know first: about the masks, about whether there is a face, and about the photo."""
        return self.contradictions, self.evidence.doubts, tuple(finding.line for finding in self.bad)

    def text(self) -> str:
        """The report as lines of text, the most important one first."""
        return report_text([self])

    def rest(self) -> str:
        """What follows the warnings."""
        mark = "[ok]" if self.evidence.certain else "[within limits]"
        lines = [*self.evidence.remarks, self._headline()]
        lines += [f"{mark} {finding.line}" for finding in self.findings if finding.good]
        lines += [f"[not measured] {sentence}" for sentence in self.left_out]
        return "\n".join([*lines, *self.remarks])

    def _headline(self) -> str:
        count, good = len(self.findings), len(self.findings) - len(self.bad)
        taken = f"{count} measure{'' if count == 1 else 's'}"
        left = ", others could not be taken" if self.left_out else ""
        if not self.findings:
            return "Photo quality: unknown, nothing could be measured."
        if not self.evidence.certain:
            return (
                f"Photo quality: unknown. If there is a face where it was measured, {good} of {taken} "
                f"{'is' if good == 1 else 'are'} within the limits{left}."
            )
        if self.bad:
            return f"Photo quality: {len(self.bad)} of {taken} to improve{left}."
        return f"Photo quality: good in {'all ' if count > 1 and not left else ''}{taken}{left}."

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, rounded to four digits."""
        good = None if self.good and not self.evidence.certain else self.good  # unknown
        findings = [asdict(finding) | {"value": float(f"{finding.value:.4g}")} for finding in self.findings]
        return {
            "good": good,
            "face_detected": self.evidence.detected,
            "contradictions": list(self.contradictions),
            "findings": findings,
            "left_out": list(self.left_out),
        }


def report_text(reports: Sequence[QualityReport]) -> str:
    """The reports of one or several photos as one text, whose first line is the most important one.

    First come the warnings of all photos: masks that contradict the face, then that it is uncertain whether there is
    a face, then what is bad about the photos. A warning that holds for several photos is given once.
    """
    lines: list[str] = []
    for kind in zip(*(report.warnings for report in reports), strict=True):
        for sentence in dict.fromkeys(chain(*kind)):
            name = _photos([number for number, said in enumerate(kind, 1) if sentence in said], len(kind))
            lines.append(f"[!] {name}{': ' if name else ''}{sentence}")
    if len(reports) == 1:
        return "\n".join([*lines, reports[0].rest()])
    rests = [f"{_photos([number], len(reports))}\n{report.rest()}" for number, report in enumerate(reports, 1)]
    return "\n\n".join(["\n".join(lines)] * bool(lines) + rests)


def _photos(numbers: Sequence[int], count: int) -> str:
    """Some photos of several: "Photo 2 of 3", "Photos 1 and 3 of 3", "All 3 photos"; "" for a single one."""
    if count == 1:
        return ""
    if len(numbers) == count:
        return f"All {count} photos"
    *others, last = map(str, numbers)
    return f"Photos {', '.join(others)} and {last} of {count}" if others else f"Photo {last} of {count}"


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

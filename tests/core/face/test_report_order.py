"""Which line of the report comes first, for every combination of what can be found."""

from __future__ import annotations

import itertools

from stableidentity_core.face.quality import Evidence, Finding, QualityReport, report_text

BAD = Finding(measure="yaw", value=44.0, unit="degrees", limit="at most 30", good=False, advice="Turn the head.")
GOOD = Finding(measure="blur", value=1.2, unit="px", limit="at most 3", good=True, advice="")
MASK = "The face mask does not fit the face: it misses 90% of it."
EVIDENCE = [
    Evidence(detected=detected, parsed=parsed, marked=marked)
    for detected, parsed, marked in itertools.product((True, False), (None, True, False), (False, True))
]
COMBINATIONS = [
    QualityReport(
        findings=findings, contradictions=masks, evidence=evidence, left_out=left_out, remarks=("No parsing.",)
    )
    for findings, masks, evidence, left_out in itertools.product(
        ((), (GOOD,), (BAD,), (GOOD, BAD), (GOOD, GOOD)), ((), (MASK,)), EVIDENCE, ((), ("Pose was not measured.",))
    )
]


def expected_first(report: QualityReport) -> str:
    """Written from the user's side: which of these sentences would change what they do next?"""
    evidence = report.evidence
    if report.contradictions:
        return f"[!] {MASK}"
    if evidence.parsed is False:
        return "[!] The parser finds no face"
    if not (evidence.detected or evidence.parsed or evidence.marked):
        return "[!] Nobody has looked for a face"
    if BAD in report.findings:
        return "[!] yaw: 44 degrees"
    if not evidence.detected:
        return "No face detector was used"
    return "Photo quality: "


def test_the_first_line_is_the_one_that_matters():
    for report in COMBINATIONS:
        check(report)


def check(report: QualityReport) -> None:
    lines = report.text().splitlines()
    assert lines[0].startswith(expected_first(report))
    warned = [line.startswith("[!]") for line in lines]
    assert warned == sorted(warned, reverse=True), "every warning stands before the rest"
    assert lines[-1] == "No parsing." and len(lines) == len({*lines}) + max(0, report.findings.count(GOOD) - 1)
    praised = [line for line in lines if "good in" in line or line.startswith("[ok]")]
    seen, parsed = report.evidence.detected or report.evidence.parsed, report.evidence.parsed
    assert not praised or (seen and parsed is not False)
    assert sum(line.startswith("Photo quality:") for line in lines) == 1


def test_praise_is_not_for_what_was_not_measured():
    report = QualityReport(findings=(GOOD, GOOD), left_out=("The head's pose was not measured.",))
    assert report.text().splitlines()[0] == "Photo quality: good in 2 measures, others could not be taken."
    assert QualityReport(findings=(GOOD, GOOD)).text().startswith("Photo quality: good in all 2 measures.")


def photo(*findings: Finding, mask: bool = False, **evidence: bool) -> QualityReport:
    return QualityReport(
        findings=findings, contradictions=(MASK,) * mask, evidence=Evidence(**{"detected": True} | evidence)
    )


def test_of_several_photos_the_worst_comes_first_and_is_said_once():
    nobody = Evidence(detected=False).doubts[0]
    text = report_text([photo(BAD), photo(GOOD, detected=False), photo(GOOD, BAD, mask=True), photo(BAD)])
    head, *blocks = text.split("\n\n")
    assert head.splitlines() == [
        f"[!] Photo 3 of 4: {MASK}",
        f"[!] Photo 2 of 4: {nobody}",
        "[!] Photos 1, 3 and 4 of 4: yaw: 44 degrees (at most 30). Turn the head.",
    ]
    assert [block.splitlines()[0] for block in blocks] == [f"Photo {number} of 4" for number in range(1, 5)]
    assert text.count(MASK) == text.count(nobody) == text.count("Turn the head.") == 1
    assert report_text([photo(GOOD, detected=False)] * 3).startswith(f"[!] All 3 photos: {nobody}\n\nPhoto 1 of 3\n")
    assert report_text([photo(GOOD)] * 2).splitlines()[:2] == ["Photo 1 of 2", "Photo quality: good in 1 measure."]


def test_the_first_line_of_two_photos_is_that_of_the_worse_one():
    for pair in itertools.product(COMBINATIONS[::7], COMBINATIONS[3::11]):
        check_two(pair)


def check_two(pair: tuple[QualityReport, QualityReport]) -> None:
    """Unless neither has a warning."""
    order = [f"[!] {MASK}", "[!] The parser", "[!] Nobody", "[!] yaw"]
    firsts = [expected_first(report) for report in pair]
    ranks = [next((rank for rank, one in enumerate(order) if first.startswith(one[:11])), 9) for first in firsts]
    first = report_text(pair).splitlines()[0]
    if min(ranks) == 9:
        assert first == "Photo 1 of 2"
    else:
        assert order[min(ranks)].removeprefix("[!] ")[:6] in first and first.startswith("[!] ")

"""Everything that an evaluation has measured, read from its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DamagedFileError, MissingFileError, StableIdentityError
from ...files.json_text import parse_object
from ..folder import Folder
from ..spec import MethodSpec, Suite
from ..world import read_world
from .bootstrap import Interval, interval_of


@dataclass(frozen=True)
class Found:
    """The measurements of one method.

    Attributes:
        people: in the order of the suite, as far as their pictures are measured.
        metrics: {name: what `measure` gives}.
        seconds: {stage: mean seconds a person}, as far as they were taken.
        peak: the most memory in bytes that any of its work took; None where unknown.
    """

    spec: MethodSpec
    people: Sequence[str]
    metrics: Mapping[str, Mapping[str, Any]]
    seconds: Mapping[str, float]
    peak: int | None = None

    def values(self, metric: str, people: Sequence[str]) -> list[float | None]:
        """Of these people; None where nothing is known."""
        known = self.metrics.get(metric, {}).get("people") or []
        by_person = dict(zip(self.people, known, strict=False))
        return [by_person.get(person) for person in people]

    def interval(self, metric: str) -> Interval:
        """Over the people; a value of all people together has no interval."""
        one = self.metrics.get(metric, {})
        if one.get("people") is None:
            return interval_of([one.get("all")])
        return interval_of(one["people"])

    def note(self, metric: str) -> str:
        """Why a value says little, such as too few pictures."""
        return str(self.metrics.get(metric, {}).get("note") or "")

    def pictures(self, metric: str) -> dict[str, list[float | None]]:
        """{person: a value of each picture}, for metrics that have them."""
        each = self.metrics.get(metric, {}).get("pictures") or []
        return dict(zip(self.people, each, strict=False))


def find_results(folder: Folder, suite: Suite) -> list[Found]:
    """What is measured, in the order of the suite; methods without any picture are left out.

    Raises:
        MissingFileError: nothing is measured yet.
        DamagedFileError: a file of the folder is damaged, or of other pictures than the suite's.
    """
    times = _times(folder)
    found = []
    for spec in suite.methods:
        path = folder.values(spec.name)
        if path.is_file():
            content = _read(path)
            _check_pictures(path, content, suite)
            own = [one for one in times if one["method"] == spec.name]
            peaks = [one["peak"] for one in own if one["peak"]]
            found.append(Found(spec, content["people"], content["metrics"], _seconds(own), max(peaks, default=None)))
    if not found:
        raise MissingFileError(f"{folder.root} has no measurements. Run `evaluate run` or `evaluate score` first.")
    return found


def titles_of(found: Sequence[Found]) -> dict[str, str]:
    """{metric: title} of everything that was measured."""
    return {name: str(one["title"]) for each in found for name, one in each.metrics.items()}


def people_of(found: Sequence[Found]) -> list[str]:
    """Everybody of whom anything is measured."""
    return list(dict.fromkeys(person for each in found for person in each.people))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = parse_object(path.read_text("utf-8"), "the measurements")
        if not isinstance(content["people"], list) or not isinstance(content["metrics"], dict):
            raise StableIdentityError("it has no people or no metrics")
    except (OSError, UnicodeDecodeError, KeyError, StableIdentityError) as error:
        raise DamagedFileError(f"{path} is damaged: {error}. Remove it and run `evaluate score` again.") from error
    return content


def _check_pictures(path: Path, content: Mapping[str, Any], suite: Suite) -> None:
    """Raise DamagedFileError if the values are of other pictures than the suite's."""
    lists = [one for metric in content["metrics"].values() for one in metric.get("pictures") or []]
    if content.get("prompts") != list(suite.prompts) or any(len(values) != suite.pictures for values in lists):
        raise DamagedFileError(
            f"{path} is of other prompts or seeds than the suite's. Was suite.json changed by hand? Run the suite "
            "again with `evaluate run`."
        )


def _times(folder: Folder) -> list[dict[str, Any]]:
    """What the work of the last suite took; damaged files are as if they were not there."""
    known, found = {*read_world(folder).tasks}, []
    for path in sorted(path for path in (folder.root / "times").glob("*.json") if path.stem in known):
        try:
            one = parse_object(path.read_text("utf-8"), "a time")
            kinds = {"method": str, "stage": str, "seconds": float, "people": int}
            found.append({**{name: kind(one[name]) for name, kind in kinds.items()}, "peak": one.get("peak_bytes")})
        except (OSError, KeyError, TypeError, ValueError, StableIdentityError):  # ValueError: also no text
            continue
    return found


def _seconds(times: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """{stage: mean seconds a person}"""
    stages = {
        stage: [one for one in times if one["stage"] == stage] for stage in sorted({one["stage"] for one in times})
    }
    return {
        stage: sum(one["seconds"] for one in own) / sum(one["people"] for one in own) for stage, own in stages.items()
    }

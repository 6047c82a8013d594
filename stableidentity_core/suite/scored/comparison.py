"""Several measurements side by side: methods with the people that they were used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import StableIdentityError
from ...files.names import safe_file_name
from ..results.found import Found
from ..results.tables import markdown
from ..spec import MethodSpec
from .pictures import PictureScores


@dataclass(frozen=True, eq=False)
class Comparison:
    """Measurements that compare.

    Attributes:
        rows: method and measurement, in the order given.
        names: {photo: name of the person, different for each}.
    """

    rows: Sequence[tuple[str, PictureScores]]
    names: Mapping[str, str]

    @property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(method for method, _scores in self.rows))

    @property
    def people(self) -> list[str]:
        return list(self.names.values())

    @property
    def prompts(self) -> list[str]:
        """Each once."""
        return list(dict.fromkeys(self.rows[0][1].prompts))

    @property
    def first(self) -> PictureScores:
        return self.rows[0][1]

    def found(self) -> list[Found]:
        """As the suite's results, with one method a row."""
        return [self._found(method) for method in self.methods]

    def table(self) -> str:
        """Means over people with their intervals, in Markdown."""
        return markdown(self.found(), len(self.people))

    def _found(self, method: str) -> Found:
        own = [scores for name, scores in self.rows if name == method]
        metrics = {name: _together([scores.metrics[name] for scores in own]) for name in own[0].metrics}
        return Found(MethodSpec(name=method, kind="pictures"), [self.names[one.face] for one in own], metrics, {})


def compare(scores: Sequence[PictureScores], names: Sequence[str] = ()) -> Comparison:
    """Put measurements side by side.

    Args:
        names: the method of each; without them, what the measurements say, numbered where that is not different.

    Raises:
        StableIdentityError: no measurement, another number of names, two of one method and person, or measurements
            that do not compare, since prompts or networks differ.
    """
    if not scores:
        raise StableIdentityError("There is nothing to compare, needed at least one measurement of Score Pictures.")
    if names and len(names) != len(scores):
        raise StableIdentityError(
            f"There are {len(names)} names ({', '.join(names)}) for {len(scores)} measurements, needed one for each, "
            "or none at all."
        )
    for number, one in enumerate(scores[1:], start=2):
        _check(number, one, scores[0])
    methods = [safe_file_name(name) for name in names] or _numbered(scores)
    pairs = [(method.lower(), one.face) for method, one in zip(methods, scores, strict=True)]
    if twice := next((method for (method, _), pair in zip(pairs, pairs, strict=True) if pairs.count(pair) > 1), None):
        raise StableIdentityError(
            f"Two measurements of one person have the name {twice!r}. Give different names, such as fast and paper."
        )
    return Comparison(list(zip(methods, scores, strict=True)), _people(scores))


def _check(number: int, one: PictureScores, first: PictureScores) -> None:
    if one.prompts != first.prompts:
        pairs = enumerate(zip(one.prompts, first.prompts, strict=False), start=1)
        at = next((at for at, (own, other) in pairs if own != other), 0)
        what = f"prompt {at} is {one.prompts[at - 1]!r:.80}" if at else f"it has {len(one.prompts)} pictures"
        other = f"{first.prompts[at - 1]!r:.80}" if at else f"{len(first.prompts)} pictures"
        raise StableIdentityError(
            f"Measurement {number} does not compare with the first: {what}, there {other}. Make both with the same "
            "list of prompts, and as many pictures of each."
        )
    if one.networks != first.networks or one.metrics.keys() != first.metrics.keys():
        raise StableIdentityError(
            f"Measurement {number} was made by other networks ({', '.join(one.networks)}) than the first "
            f"({', '.join(first.networks)}), so that values do not compare. Use the same settings in all Score "
            "Pictures."
        )


def _numbered(scores: Sequence[PictureScores]) -> list[str]:
    """A measurement of a method that the person has already gets a number."""
    taken: dict[tuple[str, str], int] = {}
    names = []
    for one in scores:
        count = taken[one.method, one.face] = taken.get((one.method, one.face), 0) + 1
        names.append(safe_file_name(one.method if count == 1 else f"{one.method}-{count}"))
    return names


def _people(scores: Sequence[PictureScores]) -> dict[str, str]:
    names: dict[str, str] = {}
    for one in scores:
        if one.face not in names:
            same = sum(name == one.person or name.startswith(f"{one.person}-") for name in names.values())
            names[one.face] = safe_file_name(f"{one.person}-{same + 1}" if same else one.person)
    return names


def _together(people: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One metric of several people."""
    first = people[0]
    return {
        "title": first["title"],
        "people": [one["people"][0] for one in people],
        "all": None,
        "note": first["note"],
        "pictures": [one["pictures"][0] for one in people] if first["pictures"] else None,
        "pairs": [one["pairs"][0] for one in people] if first["pairs"] else None,
    }

"""The work of a suite, in tasks with keys by content: what has the key of work that is done is not done again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .folder import key_of
from .methods import Method, method_of
from .spec import MethodSpec, Suite

Stage = Literal["learn", "paint", "score", "measure"]
VERSION = 1  # of the work itself: raised when the same task would give other results


@dataclass(frozen=True)
class Task:
    """One piece of work.

    Attributes:
        people: who is learned together; one person, where pictures are painted or scored; everybody, where a method is
            measured.
        key: changes with everything that the result depends on.
        needs: keys of the work that it uses.
    """

    stage: Stage
    method: str
    people: tuple[str, ...]
    key: str
    needs: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Different for all tasks of a suite."""
        first, *others = self.people
        if self.stage == "measure":
            return f"measure {self.method}"
        return f"{self.stage} {self.method}, {first}{f' and {len(others)} more' if others else ''}"


@dataclass(frozen=True)
class Plan:
    """All tasks of a suite.

    Args:
        facts: of the bench, see `Bench.facts`.
        photos: {person: their seed and the content hash of the photo}, in the order of the suite.
        contents: {method: what is in the files that its options name}, see `Method.content`.
        added: {method: {person: content hash of the pictures}} of pictures that other programs made.
    """

    suite: Suite
    facts: Mapping[str, str]
    photos: Mapping[str, str]
    added: Mapping[str, Mapping[str, str]]
    contents: Mapping[str, Any] = field(default_factory=dict)

    def tasks(self) -> list[Task]:
        """In an order in which each task comes after those that it needs."""
        found = [task for spec in self.suite.methods for task in self._of_method(spec)]
        compared = self.suite.scoring.compared
        scores = {
            spec.name: [one for one in found if one.stage == "score" and one.method == spec.name]
            for spec in self.suite.methods
        }
        for spec in self.suite.methods:
            used = [one.key for name in dict.fromkeys([spec.name, compared or spec.name]) for one in scores[name]]
            everybody = list(self.photos.items())  # among whom a person is recognised
            key = self._key("measure", spec.name, used, everybody, self.facts["measuring"])
            found.append(Task("measure", spec.name, tuple(self.photos), key, tuple(used)))
        order: Sequence[Stage] = ("learn", "paint", "score", "measure")
        return sorted(found, key=lambda task: order.index(task.stage))

    def _of_method(self, spec: MethodSpec) -> list[Task]:
        method = method_of(spec)
        learning = self._learning(spec, method) if method.learns else []
        learned = {person: (task.key,) for task in learning for person in task.people}
        rest = []
        for person in self.photos:
            if method.paints:
                painting = self._painting(spec, method, person, learned.get(person, ()))
                rest += [painting, self._scoring(spec, person, painting.key, (painting.key,))]
            elif made := self.added.get(spec.name, {}).get(person):
                rest.append(self._scoring(spec, person, made, ()))
        return learning + rest

    def _painting(self, spec: MethodSpec, method: Method, person: str, needs: tuple[str, ...]) -> Task:
        world = [self.facts[name] for name in ("model", "decoder")]
        made_of = (self.photos[person], needs, self.suite.prompts, asdict(self.suite.sampling))
        key = self._key("paint", spec.name, *self._parts(spec, method, person), world, *made_of)
        return Task("paint", spec.name, (person,), key, needs)

    def _scoring(self, spec: MethodSpec, person: str, made: str, needs: tuple[str, ...]) -> Task:
        photo, measuring = self.photos[person], self.facts["measuring"]
        key = self._key("score", spec.name, made, photo, self.suite.prompts, measuring)
        return Task("score", spec.name, (person,), key, needs)

    def _learning(self, spec: MethodSpec, method: Method) -> list[Task]:
        people, at_once = list(self.photos), self.suite.at_once
        tasks = []
        for first in range(0, len(people), at_once):
            part = people[first : first + at_once]
            photos = [self.photos[person] for person in part]
            world = [self.facts[name] for name in ("model", "decoder", "encoder", "names")]
            key = self._key("learn", spec.name, *self._parts(spec, method), world, photos)
            tasks.append(Task("learn", spec.name, tuple(part), key))
        return tasks

    def _parts(self, spec: MethodSpec, method: Method, person: str = "") -> tuple[object, ...]:
        content = self.contents.get(spec.name)
        if method.content_of_people and isinstance(content, Mapping):
            content = content.get(person)
        return method.depends_on(), content

    def _key(self, stage: Stage, method: str, *parts: object) -> str:
        return key_of(VERSION, stage, method, self.suite.threads, *parts)

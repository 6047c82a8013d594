"""What a way of making pictures of people is, to the suite."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from ...errors import StableIdentityError
from ..bench import Bench
from ..spec import MethodSpec, Sampling

Painted = Iterator[tuple[int, int, Tensor]]  # number of the prompt, seed, picture [3, S, S] in 0..1
Writer = Callable[[Path], None]  # writes what was learned of a person


def fits(value: Any, usual: Any) -> bool:
    """Whether a value is of the kind of the usual one; a whole number will do for any number."""
    kind = (int, float) if isinstance(usual, float) else type(usual)
    return isinstance(value, kind) and isinstance(value, bool) == isinstance(usual, bool)


class Method(ABC):
    """One entry of a suite file, checked.

    Raises:
        StableIdentityError: at construction, for options that it does not take.
    """

    kind: ClassVar[str]  # in suite files
    options: ClassVar[Mapping[str, Any]] = {}  # that it takes, with their defaults
    learns = True  # whether there is something to be learned and kept for each person
    shows_the_person = True  # False: somebody else, whose likeness is not measured
    paints = True  # False: the pictures come from elsewhere
    content_of_people = False  # whether `content` has an entry for each person, on which their pictures depend alone
    learns_words = False  # whether what it keeps are identity files, which the report's map shows

    def __init__(self, spec: MethodSpec):
        self.spec = spec
        if unknown := sorted(spec.options.keys() - self.options.keys()):
            known = ", ".join(self.options) or "none"
            raise StableIdentityError(
                f"The method {spec.name!r} has an unknown option {unknown[0]!r}; options of {self.kind}: {known}."
            )
        for name, value in spec.options.items():
            if not fits(value, self.options[name]):
                raise StableIdentityError(
                    f"The option {name} of {spec.name!r} is {value!r:.60}, needed such as {self.options[name]!r}."
                )
        self.values = {**self.options, **spec.options}

    def depends_on(self) -> Mapping[str, Any]:
        """The options that its results depend on, but for paths of files; part of the keys of its work."""
        return {"kind": self.kind, **self.values}

    def content(self, bench: Bench) -> Mapping[str, Any]:
        """What is in the files that its options name; also part of the keys.

        Raises:
            StableIdentityError: a file cannot be used.
        """
        return {}

    def learn(self, bench: Bench, people: Sequence[str]) -> dict[str, Writer]:
        """Learn these people; what is written for each is given to `paint`."""
        raise NotImplementedError

    @abstractmethod
    def paint(
        self, bench: Bench, person: str, learned: Path | None, prompts: Sequence[str], sampling: Sampling
    ) -> Painted:
        """All prompts with all seeds, in any order."""

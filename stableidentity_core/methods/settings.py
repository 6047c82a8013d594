"""Settings that only one method has, as widgets and command-line options offer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import StableIdentityError


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A choice among names, or a number in a range.

    Attributes:
        name: as it is stored in files, and of the widget; unique among all methods and training settings.
        default: a str where there are `choices`, otherwise a float.
        help: a sentence or more for the user.
        choices: the values of a setting that is a choice.
        low, high: the range of a setting that is a number, ends included.
    """

    name: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0

    def check(self, value: Any) -> None:
        """Raise StableIdentityError unless the setting can have this value."""
        if self.choices:
            fits, needed = isinstance(value, str) and value in self.choices, f"one of {self.choices}"
        else:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            fits, needed = number and self.low <= value <= self.high, f"a number from {self.low:g} to {self.high:g}"
        if not fits:
            raise StableIdentityError(f"{self.name} is {value!r:.60}, needed {needed}.")

    def read(self, text: str) -> Any:
        """The inverse of `str`; raises StableIdentityError if the text is no value of this setting."""
        try:
            value = text if self.choices else float(text)
        except ValueError:
            value = text
        self.check(value)
        return value


def complete(settings: Sequence[Setting], values: Mapping[str, Any], method: str) -> dict[str, Any]:
    """Checked values of all settings, the defaults where none is given.

    Raises:
        StableIdentityError: a value that a setting cannot have, or one of a setting that the method does not have.
    """
    known = {setting.name: setting for setting in settings}
    for name, value in values.items():
        if name not in known:
            has = ", ".join(known) or "none"
            raise StableIdentityError(f"{method} has no setting {name!r}; its own settings: {has}. Leave it out.")
        known[name].check(value)
    return {name: values.get(name, setting.default) for name, setting in known.items()}

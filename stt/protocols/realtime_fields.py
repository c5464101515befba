"""Checked access to the fields of a Realtime event: each knows its dotted path (client RE4).

What is read can be written again: texts hold no half characters, numbers are finite.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from stt.ids import shortened
from stt.protocols.realtime_errors import InvalidValue

MOST_ITEMS = 100  # of a list (client S1)
MOST_CHARACTERS = 10_000  # of a text; each is sent back with every `session.updated`

Choice = TypeVar("Choice", bound=str)


@dataclass(frozen=True, slots=True)
class Place:
    """A value in an event, and the way to it."""

    path: str
    value: object

    def fields(self) -> dict[str, Any]:
        """The members of an object. Raises InvalidValue."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        return self.value

    def find(self, name: str) -> Place | None:
        """A member of an object, null included; None where it is absent. Raises InvalidValue."""
        fields = self.fields()
        if name not in fields:
            return None
        return Place(f"{self.path}.{name}" if self.path else name, fields[name])

    def is_null(self) -> bool:
        """Whether it is JSON's null, which switches things off (RC1)."""
        return self.value is None

    def text(self) -> str:
        """A text; half characters, which could not be sent back, are replaced."""
        if not isinstance(self.value, str) or len(self.value) > MOST_CHARACTERS:
            raise self.wrong(f"a text of at most {MOST_CHARACTERS} characters")
        return self.value.encode("utf-8", "replace").decode()

    def texts(self) -> tuple[str, ...]:
        """A list of texts; null is an empty one."""
        return tuple(place.text() for place in self._items())

    def _items(self) -> Iterator[Place]:
        if self.value is None:
            return
        if not isinstance(self.value, list) or len(self.value) > MOST_ITEMS:
            raise self.wrong(f"a list of at most {MOST_ITEMS} texts")
        for at, value in enumerate(self.value):
            yield Place(f"{self.path}[{at}]", value)

    def number(self, low: float, high: float) -> float:
        """A number within bounds."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(f"a number from {low:g} to {high:g}")
        if not low <= value <= high or not math.isfinite(value):
            raise self.wrong(f"a number from {low:g} to {high:g}")
        return float(value)

    def whole(self, low: int, high: int) -> int:
        """A whole number within bounds; 500.0 is one."""
        value = self.number(low, high)
        if value != round(value):
            raise self.wrong(f"a whole number from {low} to {high}")
        return round(value)

    def choice(self, allowed: Collection[Choice]) -> Choice:
        """One of these texts."""
        for value in allowed:
            if self.value == value:
                return value
        raise self.wrong(f"one of {', '.join(allowed)}")

    def wrong(self, wanted: str) -> InvalidValue:
        """What to raise of a value that is not what was wanted."""
        return InvalidValue(f"{self.path} must be {wanted}, got {shortened(self.value)}", self.path)

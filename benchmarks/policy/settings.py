"""What is evaluated: the options of the engine, of the stream and of the clock, by name.

A sweep names an option as its dataclass does ("soft", "silence", "step"); "encoder" is the length
the encoder gets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

from benchmarks.policy.corpus import CorpusError
from benchmarks.policy.replay import Pace
from stt.engines.options import EngineOptions
from stt.errors import SettingError
from stt.speech.stream import SpeechOptions

ENCODER = "encoder"
ENCODER_LENGTHS = ("1", "2", "3", "5", "10", "30", "auto")  # seconds; the sweep of REC-80
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to recognise a recording."""

    engine: EngineOptions = field(default_factory=lambda: EngineOptions(device="cpu"))
    speech: SpeechOptions = field(default_factory=SpeechOptions)
    pace: Pace = field(default_factory=Pace)
    detect: bool = False
    """Whether the language must be found, even where it is known."""

    def having(self, name: str, value: str) -> Setting:
        """The same with one option changed. Raises CorpusError for a name or value that is none."""
        if name == ENCODER:
            name = "encoder_context"
        for part in ("engine", "speech", "pace"):
            options = getattr(self, part)
            if name in _names(options):
                try:
                    return replace(self, **{part: _changed(options, name, value)})
                except (ValueError, SettingError) as error:
                    raise CorpusError(f"{name}={value}: {error}") from error
        raise CorpusError(f"There is no option {name}. Options: {', '.join(sorted(self.names()))}.")

    def taking_what_it_costs(self) -> Setting:
        """The same, with calls that take as long on the clock as they cost in CPU seconds."""
        return replace(self, pace=replace(self.pace, delay=None))

    def names(self) -> set[str]:
        """All that can be changed."""
        return {ENCODER, *_names(self.engine), *_names(self.speech), *_names(self.pace)}


def _names(options: Any) -> Iterator[str]:
    """The names of the plain options, those of dataclasses inside included."""
    for one in fields(options):
        value = getattr(options, one.name)
        if is_dataclass(value):
            yield from _names(value)
        elif value is None or isinstance(value, bool | int | float | str):
            yield one.name


def _changed(options: D, name: str, value: str) -> D:
    """The options with one changed, wherever it stands."""
    for one in fields(options):  # type: ignore[arg-type]  # a dataclass
        inner = getattr(options, one.name)
        if one.name == name:
            return replace(options, **{name: _read(value, inner)})  # type: ignore[type-var]
        if is_dataclass(inner) and not isinstance(inner, type) and name in _names(inner):
            return replace(options, **{one.name: _changed(inner, name, value)})  # type: ignore[type-var]
    raise AssertionError(f"{name} was among the names")


def _read(value: str, before: object) -> object:
    """The value as the type of the default has it."""
    if isinstance(before, bool):
        if value not in ("0", "1"):
            raise ValueError("must be 0 or 1")
        return value == "1"
    if isinstance(before, int | float):
        return type(before)(value)
    return value

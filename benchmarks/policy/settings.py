"""What is evaluated: the options of the engine, of the stream and of the clock, by name.

A sweep names an option as its dataclass does ("soft", "silence", "step"); "encoder" is the length
the encoder gets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

from benchmarks.policy.corpus import CorpusError
from benchmarks.policy.replay import Pace
from stt.engines.options import EngineOptions
from stt.errors import SettingError
from stt.events import FinalChoice, Task
from stt.speech.options import SpeechOptions
from stt.speech.policy import Commit

ENCODER = "encoder"
ENCODER_LENGTHS = ("1", "2", "3", "5", "10", "30", "auto")  # seconds; the sweep of REC-80
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to recognise a recording."""

    engine: EngineOptions = field(
        default_factory=lambda: EngineOptions(device="cpu", calibrate=False)
    )
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
        elif _kind(one) in READ:
            yield one.name


def _kind(one: Field[Any]) -> str:
    """The type of an option as its annotation has it, less ``| None``."""
    return str(one.type).removesuffix(" | None")


def _changed(options: D, name: str, value: str) -> D:
    """The options with one changed, wherever it stands."""
    for one in fields(options):  # type: ignore[arg-type]  # a dataclass
        inner = getattr(options, one.name)
        if one.name == name:
            changed = READ[_kind(one)](value)
        elif is_dataclass(inner) and not isinstance(inner, type) and name in _names(inner):
            changed = _changed(inner, name, value)
        else:
            continue
        return replace(options, **{one.name: changed})  # type: ignore[type-var]
    raise AssertionError(f"{name} was among the names")


def _switch(value: str) -> bool:
    if value not in ("0", "1"):
        raise ValueError("must be 0 or 1")
    return value == "1"


def _choice(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return value

    return read


READ: dict[str, Callable[[str], object]] = {
    "bool": _switch,
    "int": int,
    "float": float,
    "str": str,
    "Path": Path,
    "Commit": _choice(*get_args(Commit)),
    "FinalChoice": _choice(*get_args(FinalChoice)),
    "Task": _choice(*get_args(Task)),
}
"""How a text becomes an option, by its annotation; options of other types cannot be named here."""

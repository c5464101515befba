"""One environment variable: how its text becomes a value, and what to say when it cannot.

Pure; only ``stt_config`` uses it, which has the table of all settings and reads the environment.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from stt.context_setting import ALLOWED, ContextSetting, tidied

T = TypeVar("T")
L = TypeVar("L", bound=str)

# int() also takes 1_000 and the digits of other scripts, which are slips of the pen here.
DIGITS = r"-?[0-9]{1,15}"


@dataclass(frozen=True, slots=True)
class Reader(Generic[T]):
    """Reads one kind of value."""

    allowed: str
    """What a value may be, as the end of a sentence that begins "must be"."""
    read: Callable[[str], T]
    """Text without blanks around it -> value. Raises ValueError on anything not allowed."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table."""

    name: str
    """The environment variable."""
    default: object
    allowed: str
    """The end of a sentence that begins "must be"."""
    read: Callable[[str], object]
    """Raises ValueError on a value that is not allowed."""
    help: str
    aliases: tuple[str, ...]
    """Older names, in the order they are looked for."""
    secret: bool
    """Whether its value must not be shown."""
    default_text: str
    """The default as the documentation has it."""

    def find(self, environ: Mapping[str, str]) -> tuple[str, str] | None:
        """The variable that is set, and its value; a blank value counts as unset."""
        for name in (self.name, *self.aliases):
            if value := environ.get(name, "").strip():
                return name, value
        return None

    def problem(self, variable: str, value: str) -> str:
        """The sentence about a bad value."""
        shown = "(not shown)" if self.secret else repr(value)
        alias = "" if variable == self.name else f" (another name of {self.name})"
        return f"{variable}={shown}{alias}: must be {self.allowed}"


def row(
    name: str,
    default: T,
    reader: Reader[T],
    help: str,  # noqa: A002 - the name of the column
    *aliases: str,
    secret: bool = False,
    default_text: str = "",
) -> T:
    """Declare a setting, as a field of ``Settings``."""
    text = default_text or _as_text(default)
    line = Setting(name, default, reader.allowed, reader.read, help, aliases, secret, text)
    declared: Any = field(default=default, repr=not secret, metadata={"setting": line})
    return declared  # type: ignore[no-any-return]  # typed as the value it will hold


def _as_text(default: object) -> str:
    """A default as somebody would type it."""
    match default:
        case None | ():
            return "unset"
        case bool():
            return "1" if default else "0"
        case float():
            return f"{default:g}"
        case _:
            return str(default)


def optional(reader: Reader[T]) -> Reader[T | None]:
    """A setting that may stay unset, which is None."""
    return Reader(reader.allowed, reader.read)


def matching(pattern: str, allowed: str) -> Reader[str]:
    """Text of a certain shape."""

    def read(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(value)
        return value

    return Reader(allowed, read)


def choice(*names: L) -> Reader[L]:
    """One of a few words, in any case."""
    known = {name.lower(): name for name in names}

    def read(value: str) -> L:
        if value.lower() not in known:
            raise ValueError(value)
        return known[value.lower()]

    return Reader(f"one of {', '.join(names)}", read)


def whole(low: int, high: int) -> Reader[int]:
    """A whole number, in digits."""

    def read(value: str) -> int:
        if not re.fullmatch(DIGITS, value) or not low <= int(value) <= high:
            raise ValueError(value)
        return int(value)

    return Reader(f"a whole number from {low} to {high}", read)


def number(low: float, high: float) -> Reader[float]:
    """A number; NaN and infinity are none."""

    def read(value: str) -> float:
        parsed = float(value)
        if not math.isfinite(parsed) or not low <= parsed <= high:
            raise ValueError(value)
        return parsed

    return Reader(f"a number from {low:g} to {high:g}", read)


def status(*allowed: int) -> Reader[int]:
    """One of a few HTTP statuses."""
    words = choice(*(str(code) for code in allowed))
    return Reader(words.allowed, lambda value: int(words.read(value)))


def _read_switch(value: str) -> bool:
    known = dict.fromkeys(("1", "true", "yes", "on"), True)
    known |= dict.fromkeys(("0", "false", "no", "off"), False)
    if value.lower() not in known:
        raise ValueError(value)
    return known[value.lower()]


def _read_context(value: str) -> str:
    """Looked through here, so that a slip stops the start; the engine asks what it means."""
    ContextSetting.parse(value)
    return tidied(value)


def _read_origins(value: str) -> tuple[str, ...]:
    """Origins as browsers send them: scheme://host[:port], lower case, no path (RFC 6454 6.2)."""
    origins = tuple(part.strip().rstrip("/").lower() for part in value.split(",") if part.strip())
    for origin in origins:
        if origin not in ("*", "null") and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+", origin):
            raise ValueError(value)
    return origins


def _read_keys(value: str) -> tuple[tuple[str, str], ...]:
    """The last colon separates, so a key may hold colons; it travels in a header, so no blanks."""
    pairs = [part.strip().rpartition(":") for part in value.split(",") if part.strip()]
    for key, _, tenant in pairs:
        if not re.fullmatch(r"[!-~]+", key) or not re.fullmatch(r"\S{1,128}", tenant):
            raise ValueError(value)
    if not pairs or len({key for key, _, _ in pairs}) < len(pairs):
        raise ValueError(value)
    return tuple((key, tenant) for key, _, tenant in pairs)


SWITCH = Reader("1, true, yes, on or 0, false, no, off", _read_switch)
CONTEXT = Reader(ALLOWED, _read_context)
ORIGINS = Reader("origins such as https://example.org, or * or null, with commas", _read_origins)
KEYS = Reader(
    "key:tenant pairs with commas, such as KEY1:alice,KEY2:bob; no key twice, no blanks in a key",
    _read_keys,
)
WORD = matching(r"\S+", "one word without blanks")
LANGUAGE = matching(r"[a-z]{2,3}", "a language code such as en or de")

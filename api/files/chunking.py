"""``chunking_strategy``: how a client wants a file cut into utterances (client OF9).

It comes as ``auto``, as bracketed keys (``chunking_strategy[type]=server_vad``), as the SDKs write
an object in a form, or as JSON. What a client does not say stays as the service has it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from stt.errors import BadField

NAME = "chunking_strategy"
LONGEST_MS = 60_000  # that a client may name
SILENCE_S = (0.1, 10.0)  # that can end an utterance here; the bounds of STT_ENDPOINT_MS
PADDING_S = 1.0  # most audio before an onset; more brings only silence


class Fields(Protocol):
    """A form, or a query."""

    def get(self, key: str, /) -> str | None:
        """The first value of a name."""


@dataclass(frozen=True, slots=True)
class Chunking:
    """What it says, as a stream takes it; None: nothing."""

    silence: float | None = None
    padding: float | None = None
    voice: float | None = None


def read_chunking(fields: Fields) -> Chunking:
    """The strategy of a request, checked. Raises BadField naming the key at fault."""
    said = _said(fields)
    kind = said.get("type")
    if kind not in (None, "", "auto", "server_vad"):
        raise BadField(f"{NAME}[type]", f"{NAME} must be auto, or of type server_vad.")
    threshold = _number(said, "threshold", 1.0)
    silence = _number(said, "silence_duration_ms", LONGEST_MS)
    padding = _number(said, "prefix_padding_ms", LONGEST_MS)
    shortest, longest = SILENCE_S
    return Chunking(
        silence=None if silence is None else min(max(silence / 1000, shortest), longest),
        padding=None if padding is None else min(padding / 1000, PADDING_S),
        voice=None if threshold is None else voice_probability(threshold),
    )


def voice_probability(threshold: float) -> float:
    """From which probability a sound is a voice, for a threshold of OpenAI's.

    Its usual 0.5 is the 0.7 that was chosen for our detector; more is stricter, as there.
    """
    return 0.45 + 0.5 * threshold


def _said(fields: Fields) -> Mapping[str, Any]:
    keys = ("type", "threshold", "prefix_padding_ms", "silence_duration_ms")
    said = {key: value for key in keys if (value := fields.get(f"{NAME}[{key}]")) is not None}
    text = (fields.get(NAME) or "").strip()
    if text in ("", "auto", "server_vad", "null"):
        return said
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadField(NAME, f"{NAME} must be auto, or an object of type server_vad.")
    return found | said


def _number(said: Mapping[str, Any], key: str, most: float) -> float | None:
    value = said.get(key)
    if value is None or value == "":
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= most:
        raise BadField(f"{NAME}[{key}]", f"{NAME}[{key}] must be a number from 0 to {most:g}.")
    return number

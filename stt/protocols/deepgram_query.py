"""The query of Deepgram's `/v1/listen`, live and prerecorded (client DG2-DG4).

Pure: text in, choices out. What we do not serve is ignored and a value out of bounds is brought
within them; refused is only what would leave the audio unreadable (DG2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from stt.errors import BadInput
from stt.events import MAX_CHANNELS, RATES, SAMPLE_RATE, USUAL_RATES
from stt.ids import fitting, shortened

RAW = ("linear16", "linear32", "mulaw", "alaw")
"""Encodings of bare samples."""
CONTAINED = (
    "flac", "opus", "ogg-opus", "ogg", "webm", "webm-opus", "mp3", "mp4", "m4a", "aac", "wav",
)  # fmt: skip
"""Encodings that come in a container, which its own first bytes tell (DG3)."""

ENDPOINT_FLOOR = 0.3
"""s. Clients ask for 10 or 25 ms, which would cut speech within its words; each end of an utterance
costs a decoding of Whisper, and pieces shorter than a phrase are recognised badly."""
ENDPOINT_CEILING = 5.0  # s; a longer silence would leave an utterance open for good
UTTERANCE_END = (1.0, 5.0)  # s (DG4)
MULTILINGUAL = "multi"
_BOOST = re.compile(r":-?\d+(\.\d+)?$")


@dataclass(frozen=True, slots=True)
class DeepgramQuery:
    """What we can use of a query."""

    language: str | None = None
    """As the client wrote it: `en`, `en-US`, `multi`; None: it did not say."""
    detect_language: bool = False
    interim_results: bool = False
    vad_events: bool = False
    endpointing: float | None = None
    """s of silence that end an utterance; None: the service's."""
    speech_finals: bool = True
    """False: the client asked for no endpointing, so no end of an utterance is marked."""
    utterance_end: float | None = None
    """s without words after which UtteranceEnd is said; None: never."""
    encoding: str | None = None
    """One of ``RAW``; None: a container."""
    sample_rate: int = 16_000
    channels: int = 1
    keyterms: tuple[str, ...] = ()
    utterances: bool = False
    """Prerecorded: list the utterances too."""

    @property
    def detects(self) -> bool:
        """Whether the language is to be heard, whatever the service's default is."""
        return self.detect_language or self.language == MULTILINGUAL


def read_query(pairs: Iterable[tuple[str, str]]) -> DeepgramQuery:
    """The choices in a query. Raises BadInput where the audio could not be read (DG2)."""
    query: dict[str, list[str]] = {}
    for name, value in pairs:
        query.setdefault(name, []).append(value.strip())
    encoding = _encoding(_first(query, "encoding"))
    interims = _switch(query, "interim_results")
    ends = _first(query, "endpointing").lower()
    return DeepgramQuery(
        language=_first(query, "language") or None,
        # A list of languages to choose from asks for detection too.
        detect_language=_first(query, "detect_language").lower() not in ("", "0", "false"),
        interim_results=interims,
        vad_events=_switch(query, "vad_events"),
        endpointing=_within(_seconds(ends), ENDPOINT_FLOOR, ENDPOINT_CEILING),
        speech_finals=ends != "false",
        utterance_end=(
            _within(_seconds(_first(query, "utterance_end_ms")), *UTTERANCE_END)
            if interims
            else None
        ),
        encoding=encoding,
        sample_rate=_rate(_first(query, "sample_rate"), encoding),
        channels=_channels(_first(query, "channels"), encoding),
        keyterms=fitting(_keyterms(query)),
        utterances=_switch(query, "utterances"),
    )


def known_language(query: DeepgramQuery, languages: frozenset[str]) -> str | None:
    """The code of the language that is named; one that the model does not know is ignored."""
    name = (query.language or "").lower()
    code = name.replace("_", "-").partition("-")[0]
    return next((known for known in (name, code) if known in languages), None)


def cleaned(terms: Iterable[str]) -> tuple[str, ...]:
    """Key terms without what is no text; a term that comes twice counts once."""
    printable = ("".join(c if c.isprintable() else " " for c in term) for term in terms)
    return tuple(dict.fromkeys(filter(None, (" ".join(term.split()) for term in printable))))


def _first(query: dict[str, list[str]], name: str) -> str:
    return query.get(name, [""])[0]


def _switch(query: dict[str, list[str]], name: str) -> bool:
    return _first(query, name).lower() in ("true", "1")


def _encoding(value: str) -> str | None:
    name = value.lower()
    if name in RAW:
        return name
    if name and name not in CONTAINED:
        served = ", ".join((*RAW, *CONTAINED))
        raise BadInput(f"encoding={shortened(value)} is not served; use one of {served}")
    return None


def _rate(value: str, encoding: str | None) -> int:
    """Only read where there is an encoding of bare samples; a container says its own."""
    if encoding is None:
        return SAMPLE_RATE
    if not value:
        return USUAL_RATES.get(encoding, SAMPLE_RATE)
    number = _whole(value)
    if number not in RATES:
        raise BadInput(
            f"sample_rate={shortened(value)} is not served; use {RATES[0]} to {RATES[-1]} Hz"
        )
    return number


def _channels(value: str, encoding: str | None) -> int:
    if encoding is None or not value:
        return 1
    number = _whole(value)
    if not 1 <= number <= MAX_CHANNELS:
        raise BadInput(f"channels={shortened(value)} is not served; use 1 to {MAX_CHANNELS}")
    return number


def _whole(value: str) -> int:
    """-1 where it is no number: nothing that is served."""
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else -1


def _seconds(value: str) -> float | None:
    """Of a number of milliseconds; None where it is none."""
    return int(value) / 1000 if re.fullmatch(r"[0-9]{1,9}", value) else None


def _within(value: float | None, least: float, most: float) -> float | None:
    return None if value is None else min(max(value, least), most)


def _keyterms(query: dict[str, list[str]]) -> tuple[str, ...]:
    """`keyterm`, and `keywords` as `word:boost`; a word that is to be heard less is left out."""
    boosted = [word for word in query.get("keywords", []) if ":-" not in word]
    return cleaned((*query.get("keyterm", []), *(_BOOST.sub("", word) for word in boosted)))

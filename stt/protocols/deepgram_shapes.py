"""What Deepgram's messages and answers are made of, live and prerecorded (client 4.2, DP2, DP3).

Pure: data to the objects of JSON. The fields are those of Deepgram's published SDK types.
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from stt.events import Word
from stt.protocols.wire import JSON

MODEL = {"name": "whisper", "version": "hark", "arch": "whisper"}
MODEL_UUID = str(uuid.uuid5(uuid.NAMESPACE_DNS, "whisper.hark"))
CODES = {
    400: "Bad Request",
    401: "INVALID_AUTH",
    403: "INSUFFICIENT_PERMISSIONS",
    413: "PAYLOAD_TOO_LARGE",
    429: "TOO_MANY_REQUESTS",
    503: "SERVICE_UNAVAILABLE",
}
"""What a refusal is called, by its status."""
MAX_HEADER = 300  # characters
ISO = {"jw": "jv"}
"""Whisper's code for a language, where it is not the standard's."""


def created_now() -> str:
    """The time, as Deepgram writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def alternative(
    text: str,
    words: Sequence[Word],
    *,
    bounds: tuple[float, float] | None = None,
    languages: Sequence[str] = (),
) -> JSON:
    """The one reading of a stretch of audio; ``bounds``: no word reaches beyond them.

    Its confidence is the mean of its words', 0 without any, as Deepgram has it for no text.
    """
    shown = [shape for word in words if (shape := _word(word, bounds))]
    confidences = [shape["confidence"] for shape in shown]
    found: JSON = {
        "transcript": text,
        "confidence": round(sum(confidences) / len(confidences), 4) if shown else 0.0,
        "words": shown,
    }
    return found | ({"languages": [iso(code) for code in languages]} if languages else {})


def iso(code: str) -> str:
    """A language's code as clients look it up."""
    return ISO.get(code, code)


def metadata(*, request_id: str, sha256: str, created: str, duration: float, channels: int) -> JSON:
    """What is told of a whole stream or file."""
    return {
        "transaction_key": "deprecated",
        "request_id": request_id,
        "sha256": sha256,
        "created": created,
        "duration": ms(duration),
        "channels": channels,
    }


def error_body(status: int, message: str, request_id: str) -> JSON:
    """A refusal (DP3)."""
    code = CODES.get(status, "INTERNAL_SERVER_ERROR" if status >= 500 else "Bad Request")
    return {"err_code": code, "err_msg": message, "request_id": request_id}


def ms(seconds: float) -> float:
    """Seconds, to the millisecond."""
    return round(seconds, 3)


def header_line(message: str) -> str:
    """One line of plain characters, which is all that a header may hold."""
    plain = message.encode("ascii", "replace").decode()
    return "".join(c if c.isprintable() else " " for c in plain)[:MAX_HEADER]


def _word(word: Word, bounds: tuple[float, float] | None) -> JSON | None:
    """None for a word without times, which this protocol cannot say."""
    written = word.text.strip()
    if word.start is None or word.end is None or not written:
        return None
    start, end = word.start, word.end
    if bounds is not None:
        start, end = (min(max(at, bounds[0]), bounds[1]) for at in (start, end))
    return {
        "word": _bare(written),
        "start": ms(start),
        "end": ms(end),
        "confidence": round(word.probability or 0.0, 4),
        "punctuated_word": written,
    }


def _bare(written: str) -> str:
    """In small letters and without the punctuation around it; marks of vowels stay."""
    begin, end = 0, len(written)
    while begin < end and unicodedata.category(written[begin]).startswith("P"):
        begin += 1
    while end > begin and unicodedata.category(written[end - 1]).startswith("P"):
        end -= 1
    return written[begin:end].lower() or written

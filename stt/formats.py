"""A finished transcript as json, text, verbose_json, srt or vtt, and the errors beside it.

The shapes are those of OpenAI's ``/v1/audio/transcriptions`` (client-protocols OF15-OF21, OE1), as
the SDKs read them. Pure: strings only, no HTTP.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from stt.errors import STTError
from stt.events import Final, Task, Word
from stt.replies import Transcription

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]
FORMATS: tuple[ResponseFormat, ...] = get_args(ResponseFormat)

Granularity = Literal["word", "segment"]
GRANULARITIES: tuple[Granularity, ...] = get_args(Granularity)
SEGMENTS: tuple[Granularity, ...] = ("segment",)

LEAST_PROBABILITY = 1e-9  # of a word, as JSON knows no infinity; its logarithm is -20.7

# Whisper's languages by their codes. verbose_json names the language in full (OF20).
_TABLE = (
    "en:english zh:chinese de:german es:spanish ru:russian ko:korean fr:french ja:japanese "
    "pt:portuguese tr:turkish pl:polish ca:catalan nl:dutch ar:arabic sv:swedish "
    "it:italian id:indonesian hi:hindi fi:finnish vi:vietnamese he:hebrew uk:ukrainian "
    "el:greek ms:malay cs:czech ro:romanian da:danish hu:hungarian ta:tamil no:norwegian "
    "th:thai ur:urdu hr:croatian bg:bulgarian lt:lithuanian la:latin mi:maori "
    "ml:malayalam cy:welsh sk:slovak te:telugu fa:persian lv:latvian bn:bengali sr:serbian "
    "az:azerbaijani sl:slovenian kn:kannada et:estonian mk:macedonian br:breton eu:basque "
    "is:icelandic hy:armenian ne:nepali mn:mongolian bs:bosnian kk:kazakh sq:albanian "
    "sw:swahili gl:galician mr:marathi pa:punjabi si:sinhala km:khmer sn:shona yo:yoruba "
    "so:somali af:afrikaans oc:occitan ka:georgian be:belarusian tg:tajik sd:sindhi "
    "gu:gujarati am:amharic yi:yiddish lo:lao uz:uzbek fo:faroese ht:haitian_creole "
    "ps:pashto tk:turkmen nn:nynorsk mt:maltese sa:sanskrit lb:luxembourgish my:myanmar "
    "bo:tibetan tl:tagalog mg:malagasy as:assamese tt:tatar haw:hawaiian ln:lingala "
    "ha:hausa ba:bashkir jw:javanese su:sundanese yue:cantonese"
)
LANGUAGES: dict[str, str] = {
    code: name.replace("_", " ")
    for code, _, name in (entry.partition(":") for entry in _TABLE.split())
}
CODES = {name: code for code, name in LANGUAGES.items()}


@dataclass(frozen=True, slots=True)
class Rendered:
    """The body of an answer."""

    body: str
    content_type: str


def language_code(name: str) -> str | None:
    """The code of a language given as ``en``, ``EN-us`` or ``English``; None: not known."""
    name = name.strip().lower()
    code = name.replace("_", "-").partition("-")[0]
    return CODES.get(name) or (code if code in LANGUAGES else None)


def render(
    transcription: Transcription,
    response_format: ResponseFormat,
    *,
    granularities: Collection[Granularity] = SEGMENTS,
    task: Task = "transcribe",
    logprobs: bool = False,
    usage: bool = True,
) -> Rendered:
    """The answer in ``response_format``.

    Granularities count for verbose_json only (OF7), ``logprobs`` for json only (OF8). OpenAI's
    types for translations have no ``usage``.
    """
    match response_format:
        case "text":
            return Rendered(f"{transcription.text}\n", "text/plain; charset=utf-8")
        case "srt":
            return Rendered(srt(transcription), "text/plain; charset=utf-8")
        case "vtt":
            return Rendered(vtt(transcription), "text/vtt; charset=utf-8")
        case "verbose_json":
            body = verbose(transcription, granularities=granularities, task=task)
        case "json":
            body = {"text": transcription.text}
            if logprobs:
                body["logprobs"] = [
                    entry
                    for piece, final in transcription.pieces
                    for entry in token_logprobs(piece, final)
                ]
    if usage:
        seconds = _seconds(transcription.duration)
        body["usage"] = {"type": "duration", "seconds": seconds}
    return Rendered(f"{json.dumps(body, ensure_ascii=False)}\n", "application/json")


def verbose(
    transcription: Transcription,
    *,
    granularities: Collection[Granularity] = SEGMENTS,
    task: Task = "transcribe",
) -> dict[str, Any]:
    """The object of verbose_json: no segment field is ever missing or null (OF19)."""
    language = "en" if task == "translate" else transcription.language or ""
    body: dict[str, Any] = {
        "task": task,
        "language": LANGUAGES.get(language, language),
        "duration": _seconds(transcription.duration),
        "text": transcription.text,
    }
    if "segment" in granularities or not granularities:  # left out when only words are asked: OF21
        spoken = enumerate(_spoken(transcription))
        body["segments"] = [_segment(number, final) for number, final in spoken]
    if "word" in granularities:
        finals = _spoken(transcription)
        body["words"] = [item for final in finals for item in _words(final.words)]
    return body


def srt(transcription: Transcription) -> str:
    """SubRip cues, one per utterance (OF17)."""
    return "".join(
        f"{number}\n{_clock(final.start, ',')} --> {_clock(final.end, ',')}\n"
        f"{_line(final.text).replace('-->', '->')}\n\n"
        for number, final in enumerate(_spoken(transcription), start=1)
    )


def vtt(transcription: Transcription) -> str:
    """WebVTT cues, one per utterance; its markup characters are escaped (OF18)."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(final.start, '.')} --> {_clock(final.end, '.')}\n{_escaped(final.text)}\n\n"
        for final in _spoken(transcription)
    )


def token_logprobs(piece: str, final: Final) -> list[dict[str, Any]]:
    """The ``logprobs`` of an utterance, its words as tokens: joined, they are ``piece`` (OF8).

    Tokens do not leave the engines; the probability of a word is the mean of its tokens'.
    """
    gap = piece.removesuffix(final.text)
    words = [(word.text, word.probability) for word in final.words]
    if "".join(text for text, _ in words) != final.text:
        words = [(final.text, None)]
    return [
        {
            "token": (token := text if number else gap + text),
            "bytes": list(token.encode()),
            "logprob": _finite(final.average_logprob) if known is None else _log(known),
        }
        for number, (text, known) in enumerate(words)
    ]


def error_object(error: STTError, *, param: str | None = None) -> dict[str, Any]:
    """An error in OpenAI's shape (OE1); ``param``: the field at fault, if the error knows none."""
    return openai_error(error.status, error.message, error.code, param=param or error.param)


def openai_error(
    status: int, message: str, code: str | None, *, param: str | None = None
) -> dict[str, Any]:
    """The same for what is no error of ours, such as an unknown path (OE1, native HT3)."""
    kinds = {403: "permission_error", 429: "rate_limit_error"}
    other = "server_error" if status >= 500 else "invalid_request_error"
    kind = kinds.get(status, other)
    if status == 401:
        code = "invalid_api_key"  # the one that OpenAI has, and programs look for
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _spoken(transcription: Transcription) -> Iterator[Final]:
    return (final for final in transcription.finals if final.text)


def _segment(number: int, final: Final) -> dict[str, Any]:
    return {
        "id": number,
        "seek": round(final.start * 100),  # in feature frames of 10 ms, as Whisper counts
        "start": _seconds(final.start),
        "end": _seconds(final.end),
        "text": final.text,
        "tokens": [],  # tokens do not leave the engines
        "temperature": 0.0,
        "avg_logprob": _finite(final.average_logprob),
        "compression_ratio": _finite(final.compression_ratio),
        "no_speech_prob": _finite(final.no_speech_probability),
    }


def _words(words: Collection[Word]) -> Iterator[dict[str, Any]]:
    for word in words:
        if word.start is not None and word.end is not None:
            start, end = _seconds(word.start), _seconds(word.end)
            yield {"word": word.text.strip(), "start": start, "end": end}


def _seconds(value: float) -> float:
    return round(_finite(value), 3)


def _finite(value: float) -> float:
    """JSON knows no infinity and no NaN."""
    return value if math.isfinite(value) else 0.0


def _log(probability: float) -> float:
    return math.log(min(max(probability, LEAST_PROBABILITY), 1.0))


def _clock(seconds: float, point: str) -> str:
    """``HH:MM:SS``, ``point``, milliseconds."""
    minutes, milliseconds = divmod(round(max(seconds, 0.0) * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


def _line(text: str) -> str:
    """A cue ends at a blank line, so its text has no line breaks."""
    return " ".join(text.split())


def _escaped(text: str) -> str:
    line = _line(text)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

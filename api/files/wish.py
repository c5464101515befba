"""What a client wants of a file: the fields of ``/v1/audio/transcriptions`` (client OF2-OF12).

Every field is checked before the file is decoded; a bad one is named. Unknown fields are ignored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import cast

from werkzeug.datastructures import CombinedMultiDict, MultiDict

from api.files.chunking import Chunking, read_chunking
from stt.errors import BadField, BadInput
from stt.events import Abilities, FinalChoice, Task
from stt.formats import (
    FORMATS,
    GRANULARITIES,
    SEGMENTS,
    Granularity,
    ResponseFormat,
    language_code,
)
from stt.ids import DEFAULT_TENANT, as_hint, checked_hint, checked_id
from stt_file import FileOptions

Fields = MultiDict[str, str] | CombinedMultiDict[str, str]

STREAMED: tuple[ResponseFormat, ...] = ("json", "text")
"""Formats whose text can come piece by piece."""
PLAIN = frozenset(
    ("model", "language", "prompt", "temperature", "response_format", "stream", "task", "hotwords",
     "final", "encoding", "sample_rate", "tenant_id", "chunking_strategy")
)  # fmt: skip
"""Fields that are text; a file under such a name is a mistake."""
TRUE, FALSE = ("true", "1"), ("", "false", "0")


@dataclass(frozen=True, slots=True)
class Wish:
    """One request's fields. ``temperature`` and ``known_speaker_*`` change nothing (OF5, OF11)."""

    model: str | None = None
    response_format: ResponseFormat = "json"
    granularities: tuple[Granularity, ...] = SEGMENTS
    logprobs: bool = False
    stream: bool = False
    language: str | None = None
    task: Task = "transcribe"
    prompt: str = ""
    hotwords: str = ""
    final: FinalChoice | None = None
    """None: the service's default."""
    chunking: Chunking = field(default_factory=Chunking)
    encoding: str | None = None
    sample_rate: int | None = None
    channels: int = 1
    """Of bare samples; the mean is heard."""
    tenant: str = DEFAULT_TENANT

    def options(self, *, tenant: str, label: str) -> FileOptions:
        """What the service must know of it."""
        timed = "word" in self.granularities and self.response_format == "verbose_json"
        return FileOptions(
            tenant=tenant,
            language=self.language,
            task=self.task,
            prompt=self.prompt,
            hotwords=self.hotwords,
            final=self.final,
            word_times=timed or self.logprobs,  # the same alignment gives both
            silence=self.chunking.silence,
            padding=self.chunking.padding,
            voice=self.chunking.voice,
            label=label,
        )


def read_wish(
    fields: Fields, abilities: Abilities | None = None, *, path: Task | None = None
) -> Wish:
    """The fields of a request, checked. Raises BadField naming the one at fault.

    Args:
        fields: of the form, or of the query.
        abilities: what the model can do; as long as there is none, anything is taken.
        path: the task that the path names. The one of ``translate`` has neither stream nor
            granularities (OF22).
    """
    abilities = abilities or Abilities()
    response_format = _format(fields.get("response_format") or "json")
    translates = path == "translate"
    stream = not translates and _stream(fields.get("stream"), response_format)
    _check_temperature(fields.get("temperature"))
    return Wish(
        model=fields.get("model") or None,
        response_format=response_format,
        granularities=SEGMENTS if translates else _granularities(fields),
        logprobs=_logprobs(fields) and response_format in STREAMED,
        stream=stream,
        language=_language(fields, abilities),
        task=_task(path, fields.get("task"), abilities),
        prompt=_hint("prompt", fields.get("prompt") or ""),
        hotwords=_hint("hotwords", as_hint(_hotwords(fields))),
        final=_final(fields.get("final")),
        chunking=read_chunking(fields),
        encoding=fields.get("encoding") or None,
        sample_rate=_sample_rate(fields.get("sample_rate")),
        tenant=_tenant(fields.get("tenant_id")),
    )


def _format(value: str) -> ResponseFormat:
    if value == "diarized_json":
        raise BadField(
            "response_format", "diarized_json is not served: speakers are not told apart."
        )
    if value not in FORMATS:
        raise BadField("response_format", f"response_format must be one of {', '.join(FORMATS)}.")
    return value


def _stream(value: str | None, response_format: ResponseFormat) -> bool:
    text = (value or "").strip().lower()
    if text not in (*TRUE, *FALSE):
        raise BadField("stream", "stream must be true or false.")
    if text in TRUE and response_format not in STREAMED:
        names = " or ".join(STREAMED)
        raise BadField("response_format", f"With stream=true response_format must be {names}.")
    return text in TRUE


def _all(fields: Fields, name: str) -> list[str]:
    """The values of a repeated field, with brackets as the SDKs write it, or without (OF7)."""
    return [*fields.getlist(f"{name}[]"), *fields.getlist(name)]


def _granularities(fields: Fields) -> tuple[Granularity, ...]:
    given = _all(fields, "timestamp_granularities")
    if any(value not in GRANULARITIES for value in given):
        name = "timestamp_granularities[]"
        raise BadField(name, f"{name} must be word or segment.")
    return tuple(cast(Granularity, value) for value in given) or SEGMENTS


def _logprobs(fields: Fields) -> bool:
    given = _all(fields, "include")
    if any(value != "logprobs" for value in given):
        raise BadField("include[]", "include[] must be logprobs.")
    return bool(given)


def _language(fields: Fields, abilities: Abilities) -> str | None:
    """One language; of several candidates the model chooses among all it knows (OF3, OF4)."""
    if value := fields.get("language"):
        return _code("language", value, abilities)
    name = "languages[]"
    codes = [_code(name, value, abilities) for value in _all(fields, "languages") if value]
    return codes[0] if len(codes) == 1 else None


def _code(name: str, value: str, abilities: Abilities) -> str:
    code = language_code(value)
    if code is None:
        raise BadField(name, f"{value[:40]!r} is not a language; use a code such as en.")
    if abilities.languages and code not in abilities.languages:
        raise BadField(name, f"The model does not know the language {code}.")
    return code


def _hint(name: str, value: str) -> str:
    try:
        return checked_hint(value, name)
    except BadInput as error:
        raise BadField(name, error.message) from None


def _hotwords(fields: Fields) -> list[str]:
    """Hot words, and the keywords that some clients send one by one (OF4)."""
    given = [*fields.getlist("hotwords"), *_all(fields, "keywords")]
    return [word for word in given if word.strip()]


def _task(path: Task | None, value: str | None, abilities: Abilities) -> Task:
    task = path if path == "translate" else value or "transcribe"
    if task not in ("transcribe", "translate"):
        raise BadField("task", "task must be transcribe or translate.")
    if task == "translate" and not abilities.translates:
        raise BadField("model" if path == task else "task", "The model cannot translate.")
    return cast(Task, task)


def _final(value: str | None) -> FinalChoice | None:
    match value or None:
        case None | "consistent" | "best" as choice:
            return choice
    raise BadField("final", "final must be consistent or best.")


def _check_temperature(value: str | None) -> None:
    """Checked and no more: the engine decodes without sampling (OF5)."""
    try:
        number = float(value or 0)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise BadField("temperature", "temperature must be a number from 0 to 1.")


def _sample_rate(value: str | None) -> int | None:
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 6):
        raise BadField("sample_rate", "sample_rate must be a whole number of Hz.")
    return int(value)


def _tenant(value: str | None) -> str:
    try:
        return checked_id(value or DEFAULT_TENANT, "tenant_id")
    except BadInput as error:
        raise BadField("tenant_id", error.message) from None

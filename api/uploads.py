"""Files and raw audio on POST /transcribe: the transcript is the answer (native section 4.2).

The shapes are those of OpenAI's ``/v1/audio/transcriptions``, errors included. An upload creates no
chunk and no session (UP7). What the audio is, its content says: names and types are ignored (UP2).
"""

from __future__ import annotations

import io
import json
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from flask import Request, Response
from werkzeug.datastructures import CombinedMultiDict, MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser

from stt.auth import Whom
from stt.errors import BadInput, QueueFull, STTError, TooLarge
from stt.events import FinalChoice, Samples, Task
from stt.formats import (
    FORMATS,
    GRANULARITIES,
    SEGMENTS,
    Granularity,
    ResponseFormat,
    error_object,
    language_code,
    render,
)
from stt.ids import DEFAULT_TENANT, checked_hint, checked_id
from stt.replies import Transcription

Fields = MultiDict[str, str] | CombinedMultiDict[str, str]


class Recordings(Protocol):
    """Who transcribes a whole file: the Recorder."""

    def transcribe(
        self,
        samples: Samples,
        *,
        tenant: str,
        language: str | None,
        task: Task,
        prompt: str,
        hotwords: str,
        final: FinalChoice | None,
        word_times: bool,
    ) -> Transcription:
        """Blocks until it is done. Raises QueueFull, NotReady, EngineError, BadInput."""


class Decode(Protocol):
    """A file's bytes to samples."""

    def __call__(
        self,
        data: bytes,
        *,
        max_seconds: float,
        encoding: str | None = None,
        sample_rate: int | None = None,
    ) -> Samples:
        """Raises UndecodableAudio, UnsupportedAudio, TooLarge."""


class BadField(BadInput):
    """A form field or query parameter that cannot be used."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants of a file: the fields of ``/v1/audio/transcriptions`` (client OF2-OF12).

    ``model``, ``include[]`` and unknown fields are accepted and change nothing (OF2, OF12).
    """

    response_format: ResponseFormat = "json"
    granularities: tuple[Granularity, ...] = SEGMENTS
    language: str | None = None
    task: Task = "transcribe"
    prompt: str = ""
    hotwords: str = ""
    final: FinalChoice | None = None
    """None: the service's default."""
    encoding: str | None = None
    sample_rate: int | None = None
    tenant: str = DEFAULT_TENANT


def uploader(
    recorder: Recordings,
    decode: Decode,
    whom: Whom,
    *,
    max_seconds: float,
    at_once: int,
    languages: Callable[[], frozenset[str]] = frozenset,
) -> Callable[[Request, bytes], Response]:
    """The answer to a multipart or raw audio request, refusals included (UP5). Blocks.

    It takes the request and the beginning of its body, if that has been read.

    Args:
        recorder: transcribes.
        decode: turns the file's bytes into samples.
        whom: the principal of the current request; its tenant is the one that waits its turn.
        max_seconds: of audio in one file.
        at_once: files that may be on their way. Each holds a thread of the server and its decoded
            audio; a further one is refused before its body is read (F-17, LIB-15).
        languages: that the model knows; empty while there is none.
    """
    turns = threading.BoundedSemaphore(at_once)

    def upload(request: Request, begun: bytes) -> Response:
        if not turns.acquire(blocking=False):
            return _refusal(QueueFull(f"{at_once} files are being transcribed: try again later"))
        try:
            return answer(request, begun)
        except STTError as error:
            return _refusal(error)
        finally:
            turns.release()

    def answer(request: Request, begun: bytes) -> Response:
        data, fields = _received(request, begun)
        wish = read_wish(fields, languages())
        principal = whom()
        samples = decode(
            data, max_seconds=max_seconds, encoding=wish.encoding, sample_rate=wish.sample_rate
        )
        transcription = recorder.transcribe(
            samples,
            tenant=principal.tenant_id if principal else wish.tenant,
            language=wish.language,
            task=wish.task,
            prompt=wish.prompt,
            hotwords=wish.hotwords,
            final=wish.final,
            word_times="word" in wish.granularities and wish.response_format == "verbose_json",
        )
        rendered = render(
            transcription, wish.response_format, granularities=wish.granularities, task=wish.task
        )
        return Response(rendered.body, content_type=rendered.content_type)

    return upload


def read_wish(fields: Fields, languages: frozenset[str] = frozenset()) -> Wish:
    """The fields of a request, checked. Raises BadField naming the one at fault.

    ``languages``: those that the model knows, as codes; empty: any is taken.
    """
    response_format = fields.get("response_format") or "json"
    if response_format not in FORMATS:
        raise BadField("response_format", f"response_format must be one of {', '.join(FORMATS)}.")
    if (fields.get("stream") or "").strip().lower() not in ("", "0", "false"):
        raise BadField("stream", "stream is not served on this path: leave it out, or send false.")
    _check_temperature(fields.get("temperature"))
    return Wish(
        response_format=response_format,
        granularities=_granularities(fields),
        language=_language(fields.get("language"), languages),
        task=_task(fields.get("task")),
        prompt=_hint("prompt", fields.get("prompt") or ""),
        hotwords=_hint("hotwords", ", ".join(_hotwords(fields))),
        final=_final(fields.get("final")),
        encoding=fields.get("encoding") or None,
        sample_rate=_sample_rate(fields.get("sample_rate")),
        tenant=_tenant(fields.get("tenant_id")),
    )


def _received(request: Request, begun: bytes) -> tuple[bytes, Fields]:
    """The audio and the fields; a multipart body may leave fields to the query."""
    try:
        if request.mimetype != "multipart/form-data":
            return _audio(begun + request.stream.read()), request.args
        form, file = _parts(request)
    except HTTPException as error:  # too large for the form parser, or cut off
        kind = TooLarge if error.code == 413 else BadInput
        raise kind(error.description or "The body cannot be read.") from error
    return _audio(file), CombinedMultiDict([form, request.args])


def _parts(request: Request) -> tuple[MultiDict[str, str], bytes]:
    """The fields and the file of a multipart body, in memory: the gate bounds it (UP6)."""
    parser = FormDataParser(
        stream_factory=lambda *_, **__: io.BytesIO(),
        max_form_memory_size=request.max_form_memory_size,
        max_form_parts=request.max_form_parts,
        silent=False,
    )
    try:
        _, form, files = parser.parse(
            request.stream, request.mimetype, request.content_length, request.mimetype_params
        )
    except ValueError as error:
        raise BadInput(f"The multipart body is broken: {error}.") from error
    if "file" not in files:
        raise BadField("file", "The multipart body has no file part named 'file'.")
    return form, files["file"].read()


def _audio(data: bytes) -> bytes:
    if not data:
        raise BadField("file", "The file is empty.")
    return data


def _granularities(fields: Fields) -> tuple[Granularity, ...]:
    """With brackets as the SDKs write it, or without (client OF7)."""
    name = "timestamp_granularities[]"
    given = [*fields.getlist(name), *fields.getlist(name.removesuffix("[]"))]
    if any(value not in GRANULARITIES for value in given):
        raise BadField(name, f"{name} must be word or segment.")
    return tuple(cast(Granularity, value) for value in given) or SEGMENTS


def _language(value: str | None, languages: frozenset[str]) -> str | None:
    if not value:
        return None
    code = language_code(value)
    if code is None:
        raise BadField("language", f"{value[:40]!r} is not a language; use a code such as en.")
    if languages and code not in languages:
        raise BadField("language", f"The model does not know the language {code}.")
    return code


def _hint(name: str, value: str) -> str:
    try:
        return checked_hint(value, name)
    except BadInput as error:
        raise BadField(name, error.message) from None


def _hotwords(fields: Fields) -> list[str]:
    """Hot words, and the keywords that some clients send one by one (client OF4)."""
    names = ("hotwords", "keywords[]", "keywords")
    return [word for name in names for word in fields.getlist(name) if word.strip()]


def _task(value: str | None) -> Task:
    match value or "transcribe":
        case "transcribe" | "translate" as task:
            return task
    raise BadField("task", "task must be transcribe or translate.")


def _final(value: str | None) -> FinalChoice | None:
    match value or None:
        case None | "consistent" | "best" as choice:
            return choice
    raise BadField("final", "final must be consistent or best.")


def _check_temperature(value: str | None) -> None:
    """Checked and no more: the fallback ladder chooses the temperature (client OF5)."""
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


def _refusal(error: STTError) -> Response:
    """OpenAI's error shape; a file may be sent again, so Retry-After is said (UP5)."""
    param = error.param if isinstance(error, BadField) else None
    body = json.dumps(error_object(error, param=param), ensure_ascii=False)
    response = Response(body, error.status, content_type="application/json")
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response

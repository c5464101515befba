"""POST /transcribe and POST /transcripts: the snapshots of older clients (native section 4).

A client posts the whole audio of a chunk again and again; each post is queued and answered at once.
Three forms share /transcribe, told apart by content: multipart and raw audio go to ``upload``, JSON
is served here. Nothing here waits for a transcript, and no answer makes a client retry (HT10).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, NoReturn, Protocol

from flask import Blueprint, Request, Response, request

from api.answers import as_json, refusal, refused
from stt.audio.pcm import pcm16_to_samples
from stt.auth import Whom
from stt.errors import BadInput, NotReady, QueueFull, STTError, TooLarge
from stt.events import Samples
from stt.formats import error_object
from stt.ids import DEFAULT_TENANT, checked_id
from stt.protocols.wire import decoded_base64

WHITE_SPACE = frozenset(" \t\r\n")  # RFC 8259, section 2
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PEEK = 4096  # bytes
MAX_OBJECTS = 1000
"""JSON objects in one body; each is a job, and each is answered."""


class Snapshots(Protocol):
    """Where the audio of chunks goes: the Recorder."""

    def snapshot(self, tenant: str, chunk_id: str, samples: Samples) -> None:
        """Queue a chunk's audio; never blocks. Raises QueueFull, NotReady, TooLarge."""


Upload = Callable[[Request, bytes], Response]
"""Answers audio: the request, and what has been read of its body. Makes its own errors (UP5)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one JSON object."""

    body: dict[str, Any]
    status: int


def blueprint(
    recorder: Snapshots,
    upload: Upload,
    whom: Whom,
    *,
    reject_status: int = 429,
    max_json_bytes: int = 25 * 2**20,
) -> Blueprint:
    """The routes POST /transcribe and POST /transcripts.

    Args:
        recorder: queues the audio of JSON objects.
        upload: answers multipart and raw audio bodies, and reads them when it is their turn.
        whom: the principal of the current request; its tenant wins (HT-AUTH).
        reject_status: of an answer whose audio was refused, 429 or 200 (HT10).
        max_json_bytes: of a body of JSON, which is read at once; files may be longer.
    """
    door = Blueprint("legacy", __name__)

    def answer(data: bytes, accepted: int) -> Response:
        """Queue every object, then say what became of each (TR8-TR10)."""
        try:
            objects = parse_objects(data)
        except ValueError:
            return _framed([Outcome({"error": "No JSON payload received"}, 400)], 400)
        principal = whom()
        tenant = principal.tenant_id if principal else None
        outcomes = [_queue(recorder, item, tenant, reject_status) for item in objects]
        if any(outcome.status == 200 for outcome in outcomes):
            return _framed(outcomes, accepted)
        return _framed(outcomes, outcomes[0].status)

    @door.post("/transcribe")
    def transcribe() -> Response:
        if request.mimetype == "multipart/form-data":
            return upload(request, b"")
        # Before any form parser touches it: curl sends audio and JSON as a form (section 4).
        begun = _beginning(request.stream)
        if not _is_json(begun):
            return upload(request, begun)
        if (request.content_length or 0) > max_json_bytes:
            raise _too_long(max_json_bytes)
        data = begun + request.stream.read(max_json_bytes + 1)
        if len(data) > max_json_bytes:
            raise _too_long(max_json_bytes)
        return answer(data, 200)

    @door.post("/transcripts")
    def transcripts() -> Response:
        return answer(request.get_data(parse_form_data=False), 202)  # AL1

    door.register_error_handler(STTError, _say_error)
    return door


def parse_objects(data: bytes) -> list[dict[str, Any]]:
    """The JSON objects of a body, one per line or concatenated (TR8).

    All or none: a body that is broken anywhere queues nothing. Raises ValueError, also for integers
    of thousands of digits and for nesting without end; TooLarge above MAX_OBJECTS.
    """
    text = data.removeprefix(BYTE_ORDER_MARK).decode().strip(" \t\r\n")
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    objects: list[dict[str, Any]] = []
    position = 0
    while position < len(text):
        try:
            item, end = decoder.raw_decode(text, position)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if not isinstance(item, dict):
            raise ValueError("not an object")
        objects.append(item)
        if len(objects) > MAX_OBJECTS:
            raise TooLarge(f"more than {MAX_OBJECTS} objects in one body")
        position = end
        while text[position : position + 1] in WHITE_SPACE:
            position += 1
    if not objects:
        raise ValueError("an empty body")
    return objects


def _too_long(most: int) -> TooLarge:
    return TooLarge(f"a body of JSON may have {most} bytes")


def _beginning(body: IO[bytes]) -> bytes:
    """A body up to where it says what it is, so that the rest of a file can wait for its turn."""
    begun = bytearray()
    while piece := body.read(PEEK):
        begun += piece
        if piece.strip(BYTE_ORDER_MARK + b" \t\r\n"):
            break
    return bytes(begun)


def _is_json(data: bytes) -> bool:
    """Whether a body that begins so is the JSON form: TF-JSON and not TF-RAW.

    Announced PCM (UP3) may begin with any byte, so ``?encoding=`` says audio, unless the type says
    JSON.
    """
    body = data.removeprefix(BYTE_ORDER_MARK).lstrip(b" \t\r\n")
    if request.is_json or not body:
        return True
    if request.mimetype.startswith("text/"):
        return True
    return body.startswith(b"{") and "encoding" not in request.args


def _queue(
    recorder: Snapshots, item: dict[str, Any], tenant: str | None, reject_status: int
) -> Outcome:
    """Queue the audio of one object (TR1-TR6). ``tenant`` is that of the key, if keys are on."""
    if not item.get("audio_b64") or item.get("chunk_id") in (None, ""):
        return Outcome({"error": "Missing required fields"}, 400)
    ids: dict[str, Any] = {}
    try:
        ids["chunk_id"] = checked_id(item["chunk_id"], "chunk_id")
        ids["tenant_id"] = tenant or checked_id(
            item.get("tenant_id") or DEFAULT_TENANT, "tenant_id"
        )
        data = _decoded(item["audio_b64"])
        recorder.snapshot(
            ids["tenant_id"], ids["chunk_id"], pcm16_to_samples(data[: len(data) // 2 * 2])
        )
    except QueueFull:
        return Outcome(ids | {"status": "rejected", "error": "queue_full"}, reject_status)
    except NotReady as error:  # never 5xx: the older clients would send stale audio again (HT10)
        return Outcome(ids | {"status": "rejected", "error": error.code}, reject_status)
    except BadInput as error:
        return Outcome({"error": error.message} | ids, error.status)
    warning = {"warning": "odd_length"} if len(data) % 2 else {}
    return Outcome(ids | {"status": "processing"} | warning, 200)


def _decoded(audio: object) -> bytes:
    """Standard base64, line breaks allowed (DM6, B17). Raises BadInput."""
    text = "".join(audio.split()) if isinstance(audio, str) else audio
    return decoded_base64(text, "audio_b64")


def _framed(outcomes: list[Outcome], status: int) -> Response:
    """As JSON, or as server-sent events where asked for or more than one (TR10)."""
    texts = [json.dumps(outcome.body) for outcome in outcomes]
    if status >= 400:
        refused(str(outcomes[0].body["error"]))
    if len(texts) > 1 or "text/event-stream" in request.headers.get("Accept", "").lower():
        events = "".join(f"data: {text}\n\n" for text in texts)
        return Response(events, status, content_type="text/event-stream")
    return as_json(outcomes[0].body, status)


def _say_error(error: STTError) -> Response:
    """Refusals from before the door: too large, no key. No Retry-After, as HT10 asks."""
    kind = request.mimetype
    if kind.startswith(("multipart/", "audio/", "video/")) or kind == "application/octet-stream":
        body = error_object(error)
    else:
        body = {"error": error.message, "code": error.code}
    return refusal(error, body, retry=False)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")

"""Our own protocol: `/stt/stream` messages to commands, replies to messages (native section 11).

A codec: it translates and checks shapes, and keeps nothing about speech. `decode` belongs to the
connection's reader thread, `encode` to its writer thread; they share no state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from stt.errors import BadInput, TenantMismatch, TooLarge, UnknownType
from stt.events import Word
from stt.ids import checked_id, shortened
from stt.protocols.base import AppendAudio, Command, Finalize, Ping, ReplaceAudio, SetChunk
from stt.protocols.wire import JSON, decoded_base64, json_object
from stt.replies import (
    ChunkOpened,
    Degraded,
    Opened,
    Pong,
    Problem,
    Reply,
    Silence,
    Speech,
    Transcript,
    Usage,
)

MAX_PING_ID = 64  # characters; it is echoed, so it is bounded

WordsChoice: TypeAlias = Literal["final", "interim", "none"]
"""Which transcripts carry words: those with which an utterance ends, also interims, or none."""


@dataclass(frozen=True, slots=True)
class NativeOptions:
    """How one connection speaks the protocol."""

    max_message_bytes: int = 2 * 2**20
    sample_bytes: int = 2
    """Of a sample of all channels: JSON audio holds whole ones. 1: it may be cut anywhere."""
    json_append: bool = False
    """JSON audio is an increment unless the message says otherwise (native W3)."""
    text_delta: bool = False
    """Transcripts carry only text that is new since the last one sent (native W32)."""
    words: WordsChoice = "final"
    only_tenant: str | None = None
    """Strict mode: messages that name another tenant are refused (native W20)."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """What a client was told of a chunk last; ``committed`` of those that read deltas."""

    committed: str = ""
    start_ms: int | None = None
    language: str | None = None

    def only_new(self, details: JSON) -> JSON:
        """The details of an interim without those that would only be repeated."""
        told = {"start_ms": self.start_ms, "language": self.language}
        return {name: value for name, value in details.items() if told.get(name) != value}


class NativeProtocol:
    """The codec of one connection."""

    def __init__(self, session_id: str, options: NativeOptions) -> None:
        self._session_id = session_id
        self._options = options
        self._sent: dict[tuple[str | None, str], _Sent] = {}  # by session and chunk

    # Client to server.

    def decode(self, message: str | bytes) -> tuple[Command]:
        """The command in a message. Raises BadInput; the session goes on (native W14)."""
        return (self._command(message),)

    def _command(self, message: str | bytes) -> Command:
        limit = self._options.max_message_bytes
        size = _byte_length(message)
        if size > limit:
            raise TooLarge(f"a message of {size} bytes is over the limit of {limit}")
        if isinstance(message, bytes):
            return AppendAudio(message)
        fields = json_object(message, "a text frame")
        self._check_tenant(fields)
        kind = fields.get("type")
        match kind:
            case "set_chunk":
                return SetChunk(checked_id(fields.get("chunk_id"), "chunk_id"))
            case "finalize_chunk":
                return Finalize(_optional_id(fields))
            case "ping":
                return Ping(_ping_id(fields))
        if "audio_b64" in fields:  # whatever the type says (native M12, W14)
            return self._audio(fields)
        if kind is None:
            raise BadInput("a message needs a type, or chunk_id and audio_b64")
        raise UnknownType(f"unknown message type {shortened(kind)}")

    def _audio(self, fields: JSON) -> Command:
        append = fields.get("append", self._options.json_append)
        if not isinstance(append, bool):
            raise BadInput(f"append must be true or false, got {shortened(append)}")
        chunk_id = (
            _optional_id(fields) if append else checked_id(fields.get("chunk_id"), "chunk_id")
        )
        data = decoded_base64(fields["audio_b64"], "audio_b64")
        spare = len(data) % self._options.sample_bytes  # native W12
        warning = "odd_length" if spare else None
        data = data[: len(data) - spare]
        if append or chunk_id is None:
            return AppendAudio(data, chunk_id, warning, whole=True)
        return ReplaceAudio(data, chunk_id, warning)

    def _check_tenant(self, fields: JSON) -> None:
        only = self._options.only_tenant
        named = fields.get("tenant_id", only)
        if only is None or named == only:
            return
        if checked_id(named, "tenant_id") != only:
            raise TenantMismatch(
                f"this connection belongs to tenant {shortened(only)}, not {shortened(named)}"
            )

    # Server to client.

    def encode(self, reply: Reply) -> tuple[str, ...]:
        """The message for a reply; none where it answers what this protocol cannot ask."""
        shape = self._shape(reply)
        if shape is None:
            return ()
        return (json.dumps(shape, ensure_ascii=False, separators=(",", ":")),)

    def _shape(self, reply: Reply) -> JSON | None:
        own = {"session_id": self._session_id}
        match reply:
            case Transcript():
                return self._transcript(reply)
            case Pong():
                return {"type": "pong", **own, **({} if reply.id is None else {"id": reply.id})}
            case Opened():
                return {
                    "type": "session",
                    **own,
                    "tenant_id": reply.tenant_id,
                    "max_message_bytes": reply.max_message_bytes,
                    "sample_rate": reply.sample_rate,
                    "encoding": reply.encoding,
                    "channels": reply.channels,
                }
            case Problem():
                return {
                    "type": "error",
                    "code": reply.code,
                    "message": reply.message,
                    **own,
                    "chunk_id": reply.chunk_id,
                }
            case ChunkOpened():
                return {"type": "chunk", **own, "chunk_id": reply.chunk_id, "seq": reply.seq}
            case Speech():
                name, key = (
                    ("speech_started", "start_ms")
                    if reply.started
                    else ("speech_stopped", "end_ms")
                )
                shown = {"type": name, **own, "chunk_id": reply.chunk_id, key: _ms(reply.at)}
                return {**shown, "seq": reply.seq}
            case Silence():
                return {"type": "vad", **own, "state": "silence", "seq": reply.seq}
            case Degraded():
                return {"type": "degraded", **own, "active": reply.active, "seq": reply.seq}
            case Usage():
                return {"type": "usage", **own, **_usage(reply)}
        return None

    def _transcript(self, said: Transcript) -> JSON:
        text, start, key = said.committed + said.tail, 0, (said.session_id, said.chunk_id)
        details = _details(said, self._words(said))
        sent = self._sent.get(key, _Sent())
        if self._options.text_delta:
            # All of it, unless a final was revised or a snapshot replaced the audio (REC-27, W3).
            start = _shared(sent.committed, said.committed)
            text = text[start:]
        self._sent[key] = _Sent(
            said.committed if self._options.text_delta else "",
            details.get("start_ms", sent.start_ms),
            details.get("language", sent.language),
        )
        if not (said.is_final or said.speech_final):
            details = sent.only_new(details)
        shown: JSON = {
            "type": "transcript",
            "session_id": said.session_id or self._session_id,
            "chunk_id": said.chunk_id,
            "text": text,
            "is_final": said.is_final,
            "seq": said.seq,
        }
        if self._options.text_delta:
            shown["from"] = start
        if said.is_final:
            self._sent.pop(key, None)
        else:
            shown["committed"] = said.committed[start:]
        return shown | details

    def _words(self, said: Transcript) -> tuple[Word, ...]:
        """The words this client asked for."""
        ends = said.is_final or said.speech_final
        asked = ("final", "interim") if ends else ("interim",)
        return said.words if self._options.words in asked else ()


def _details(said: Transcript, words: tuple[Word, ...]) -> JSON:
    """The optional keys of a transcript: only those that say something."""
    optional: JSON = {
        "speech_final": said.speech_final or None,
        "revised": said.revised or None,
        "start_ms": None if said.start is None else _ms(said.start),
        "end_ms": None if said.end is None else _ms(said.end),
        "words": [word.as_dict() for word in words] or None,
        "language": said.language,
        "latency_ms": None if said.latency_s is None else _ms(said.latency_s),
        "reason": said.reason,
        "timed_out": said.timed_out or None,
        "warning": said.warning,
        "usage": None if said.usage is None else _usage(said.usage),
    }
    return {key: value for key, value in optional.items() if value is not None}


def _shared(sent: str, text: str) -> int:
    """How many characters two texts begin with alike; nearly always all of the first."""
    if text.startswith(sent):
        return len(sent)
    pairs = enumerate(zip(sent, text, strict=False))
    return next((at for at, (old, new) in pairs if old != new), len(text))


def _usage(usage: Usage) -> JSON:
    return {"received_s": usage.received_s, "speech_s": usage.speech_s}


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


def _byte_length(message: str | bytes) -> int:
    if isinstance(message, bytes) or message.isascii():
        return len(message)
    return len(message.encode(errors="surrogatepass"))


def _optional_id(fields: Mapping[str, Any]) -> str | None:
    named = fields.get("chunk_id")
    return None if named is None else checked_id(named, "chunk_id")


def _ping_id(fields: Mapping[str, Any]) -> int | str | None:
    named = fields.get("id")
    if named is None:
        return None
    if isinstance(named, str) and len(named) <= MAX_PING_ID and named.isprintable():
        return named
    if isinstance(named, int) and not isinstance(named, bool) and abs(named) < 10**MAX_PING_ID:
        return named
    raise BadInput(f"the id of a ping must be a number or a short text, got {shortened(named)}")

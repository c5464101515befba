"""Every error of Hark, each with its HTTP status and its code on the wire.

STTError
├── BadInput                    400 bad_request        the client sent something we cannot use
│   ├── BadJSON                 400 bad_json           not JSON, or not an object
│   ├── BadBase64               400 bad_base64         audio that is not base64
│   ├── UnknownType             400 unknown_type       a message type we do not know, without audio
│   ├── NoChunk                 400 no_chunk           binary audio before a chunk was set
│   ├── ChunkFinalized          409 chunk_finalized    audio for a chunk that already has its final
│   ├── InvalidState            409 invalid_state      a change that must wait for a commit
│   ├── TenantMismatch          403 tenant_mismatch    a message for another tenant (strict mode)
│   ├── BadField                400 bad_request        a field of a form or query
│   ├── ModelNotFound           404 model_not_found    a model that is not served (strict mode)
│   ├── TooLarge                413 too_large          more bytes or seconds than the limit
│   ├── UnsupportedAudio        415 unsupported_audio  a rate, an encoding, a container
│   ├── UndecodableAudio        400 undecodable_audio  a file that says it is audio and is not
│   └── RateLimited             429 rate_limited       audio much faster than real time for long
├── Refused
│   ├── Unauthorized            401 unauthorized       no valid key
│   ├── Forbidden               403 forbidden          an origin or a tenant that is not allowed
│   ├── SessionInUse            409 session_in_use     the session id is connected already
│   ├── TooManySessions         503 too_many_sessions  the capacity gate is closed
│   ├── QueueFull               429 queue_overload     the job queue is full
│   │   └── Overloaded          429 overloaded         too much speech for this machine
│   ├── Dropped                 429 dropped            the job was displaced by drop_oldest
│   │   └── Superseded          429 superseded         a newer job of the same audio took its place
│   └── NotReady                503 not_ready          no model yet, or shutting down
├── SessionEnded                                       the connection is closed with this reason
│   ├── IdleTimeout             408 idle_timeout
│   ├── SessionExpired          408 session_expired
│   ├── SlowConsumer            503 slow_consumer
│   └── TooManyErrors           400 too_many_errors
├── EngineError                 500 transcription_failed   the model failed on this audio
├── StoreError                  500 store_failed           the transcript store failed
└── SettingError                                       a bad setting: stops the start

Raise where the fault is known; translate once, at the door. The message is a sentence that names
the offending thing.
"""

from __future__ import annotations

from typing import ClassVar


class STTError(Exception):
    """Any failure Hark knows by name."""

    code: ClassVar[str] = "internal_error"
    """The code on the wire (native-protocol M10)."""
    status: ClassVar[int] = 500
    """The HTTP status."""
    retry_after: ClassVar[int | None] = None
    """Seconds after which a client may try again, where that can help."""
    chunk_id: str | None = None
    """The chunk it is about, where whoever raised it knows."""
    param: str | None = None
    """The field of the request at fault, where there is one (client OE1)."""

    @property
    def message(self) -> str:
        """The sentence for the client."""
        return str(self)


class BadInput(STTError):
    """The client sent something we cannot use."""

    code = "bad_request"
    status = 400
    harmless: ClassVar[bool] = False
    """A correct client may do it again and again: it never ends a connection (RT-26)."""


class BadJSON(BadInput):
    """A text frame or body that is not JSON, or not an object."""

    code = "bad_json"


class BadBase64(BadInput):
    """Audio that is not base64."""

    code = "bad_base64"


class UnknownType(BadInput):
    """A message type we do not know, without audio."""

    code = "unknown_type"


class NoChunk(BadInput):
    """Binary audio before a chunk was set (native W1)."""

    code = "no_chunk"


class ChunkFinalized(BadInput):
    """Audio for a chunk that already has its final (native W7)."""

    code = "chunk_finalized"
    status = 409


class InvalidState(BadInput):
    """A change that cannot be made now: audio waits for its commit (client RE7)."""

    code = "invalid_state"
    status = 409


class TenantMismatch(BadInput):
    """A message for another tenant, in strict mode (native W20)."""

    code = "tenant_mismatch"
    status = 403


class BadField(BadInput):
    """A form field or query parameter that cannot be used."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


class ModelNotFound(BadInput):
    """A model that is not served (client OM2); asked for by name in strict mode."""

    code = "model_not_found"
    status = 404
    param = "model"


class TooLarge(BadInput):
    """More bytes, or more seconds of audio, than the limit."""

    code = "too_large"
    status = 413


class UnsupportedAudio(BadInput):
    """A sample rate, an encoding or a container we do not serve."""

    code = "unsupported_audio"
    status = 415


class UndecodableAudio(BadInput):
    """Bytes that say they are audio and cannot be decoded."""

    code = "undecodable_audio"
    param = "file"


class RateLimited(BadInput):
    """Audio much faster than real time for long (runtime RT-27)."""

    code = "rate_limited"
    status = 429


class Refused(STTError):
    """The request is fine, but this client or this moment is not."""

    code = "refused"
    status = 403


class Unauthorized(Refused):
    """No valid API key."""

    code = "unauthorized"
    status = 401


class Forbidden(Refused):
    """An origin or a tenant that is not allowed."""

    code = "forbidden"
    status = 403


class SessionInUse(Refused):
    """The session id is connected already (native W21)."""

    code = "session_in_use"
    status = 409


class TooManySessions(Refused):
    """The capacity gate is closed (runtime RT-46)."""

    code = "too_many_sessions"
    status = 503
    retry_after = 2


class QueueFull(Refused):
    """The job queue is full; ``queue_full`` is the text older clients look for (native W16)."""

    code = "queue_overload"
    status = 429
    retry_after = 2

    def __init__(self, message: str = "queue_full") -> None:
        super().__init__(message)


class Overloaded(QueueFull):
    """No chunk and no file can begin: there is more speech than the workers can follow (REC-74).

    A new session hears TooManySessions at its handshake instead.
    """

    code = "overloaded"
    retry_after = 5

    def __init__(self, message: str = "too much speech for this machine now, try later") -> None:
        super().__init__(message)


class Dropped(Refused):
    """The job was displaced from a full queue by ``drop_oldest`` (native QU7)."""

    code = "dropped"
    status = 429
    retry_after = 2

    def __init__(self, message: str = "displaced from the full queue by a newer job") -> None:
        super().__init__(message)


class Superseded(Dropped):
    """A newer job covers the same audio; nobody needs to be told (native QU2)."""

    code = "superseded"

    def __init__(self, message: str = "a newer job of the same audio took its place") -> None:
        super().__init__(message)


class NotReady(Refused):
    """No model is loaded yet, or the service is shutting down."""

    code = "not_ready"
    status = 503
    retry_after = 2


class SessionEnded(STTError):
    """The connection is closed, for the reason its subclass names."""


class IdleTimeout(SessionEnded):
    """No client data for ``STT_WS_IDLE_TIMEOUT_S`` (native W18)."""

    code = "idle_timeout"
    status = 408


class SessionExpired(SessionEnded):
    """It lasted as long as a session may; another can begin (client RE8)."""

    code = "session_expired"
    status = 408


class SlowConsumer(SessionEnded):
    """Unread finals fill the outbound queue (native W24)."""

    code = "slow_consumer"
    status = 503


class TooManyErrors(SessionEnded):
    """Too many bad messages on one connection (runtime RT-26)."""

    code = "too_many_errors"
    status = 400


class EngineError(STTError):
    """The model failed on this audio (native B26)."""

    code = "transcription_failed"
    status = 500


class StoreError(STTError):
    """The transcript store failed."""

    code = "store_failed"
    status = 500


class SettingError(STTError):
    """A bad setting; names the variable, the value and what is allowed. Stops the start."""

    code = "bad_setting"

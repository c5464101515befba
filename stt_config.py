"""Every setting of the service, and the only place that reads the environment.

A setting is one row of ``Settings``: variable, default, what is allowed, what it is for, older
names. ``docs/configuration.md`` has one heading per row, and a test holds the two together. A bad
value is never repaired: ``from_env`` reports all of them at once, and the service does not start.
Names and older names: native-protocol section 15; an ``STT_`` name wins over its older ones.
Nothing here opens a file, a socket or a model.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from stt.addresses import is_loopback
from stt.errors import SettingError
from stt_readers import (
    CONTEXT,
    KEYS,
    LANGUAGE,
    ORIGINS,
    SWITCH,
    WORD,
    Setting,
    choice,
    matching,
    number,
    optional,
    row,
    status,
    whole,
)

MIB = 2**20
CLIENT_NAMES = frozenset({"STT_URL", "STT_API_KEY"})  # read by stt_client, not by the service
NOT_BUILT = ("WHISPER_SERVER_USE", "WHISPER_SERVER", "WHISPER_MODEL_FAST", "WHISPER_MODEL_SMART")


def usable_cores() -> int:
    """Cores this process may run on, at least 1; the CPU quota of a container is not seen."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Settings:
    """What the service runs with. ``Settings()`` has every default; tests override by keyword."""

    # Where it listens
    host: str = row("STT_HOST", "127.0.0.1", WORD, "Address to listen on.", "FLASK_HOST")
    port: int = row("STT_PORT", 5055, whole(1, 65535), "TCP port.", "FLASK_PORT", "PORT")

    # Who may use it
    api_keys: tuple[tuple[str, str], ...] = row(
        "STT_API_KEYS", (), KEYS, "API keys and the tenant each belongs to.", secret=True
    )
    allow_open: bool = row(
        "STT_ALLOW_OPEN", False, SWITCH, "Listen beyond this machine without API keys."
    )
    allowed_origins: tuple[str, ...] = row(
        "STT_ALLOWED_ORIGINS", (), ORIGINS,
        "Web origins allowed besides the same origin and loopback.", "CORS_ALLOWED_ORIGINS",
    )  # fmt: skip
    strict_tenant: bool = row(
        "STT_STRICT_TENANT", False, SWITCH, "Refuse a message that names another tenant."
    )
    session_ttl_s: int = row(
        "SESSION_TTL_SECONDS", 7200, whole(1, 31_536_000),
        "Seconds for which POST /session remembers the newest tenant of a source.",
    )  # fmt: skip

    # Recognition
    engine: Literal["faster-whisper", "fake"] = row(
        "STT_ENGINE", "faster-whisper", choice("faster-whisper", "fake"), "What recognises speech."
    )
    model: str | None = row(
        "STT_MODEL", None, optional(matching(".+", "a model's name or folder")),
        "Whisper model: a name of the hub, or a folder.", "WHISPER_MODEL", default_text="auto",
    )  # fmt: skip
    strict_model: bool = row(
        "STT_STRICT_MODEL", False, SWITCH, "Refuse a request that names another model."
    )
    device: Literal["auto", "cpu", "cuda"] = row(
        "STT_DEVICE", "auto", choice("auto", "cpu", "cuda"), "Where the model runs.",
        "WHISPER_DEVICE",
    )  # fmt: skip
    compute_type: str = row(
        "STT_COMPUTE_TYPE", "auto",
        choice("auto", "default", "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16",
               "float16", "bfloat16", "float32"),
        "Number format of the model's weights and sums.",
    )  # fmt: skip
    language: str | None = row(
        "STT_LANGUAGE", None, optional(LANGUAGE), "Language of speech where a client names none."
    )
    step_ms: int = row(
        "STT_STEP_MS", 1000, whole(100, 10_000), "New audio in ms between two interims."
    )
    endpoint_ms: int = row(
        "STT_ENDPOINT_MS", 600, whole(100, 10_000), "Silence in ms that ends an utterance."
    )
    endpoint_by_text: bool = row(
        "STT_ENDPOINT_BY_TEXT", True, SWITCH, "Let the text decide how long such a silence is."
    )
    stall_s: float = row(
        "STT_STALL_S", 3.0, number(0, 3600), "Time without audio that ends an utterance, in s."
    )
    commit: Literal["agreement", "aligned", "hybrid"] = row(
        "STT_COMMIT", "agreement", choice("agreement", "aligned", "hybrid"),
        "When a word of an interim counts as certain.",
    )  # fmt: skip
    final: Literal["consistent", "best"] = row(
        "STT_FINAL", "consistent", choice("consistent", "best"),
        "Whether a final keeps to what was committed, where a client does not choose.",
    )  # fmt: skip
    window_s: float = row(
        "STT_WINDOW_S", 6.0, number(3, 25), "Audio in s above which an interim's window is cut."
    )
    vad: Literal["hybrid", "energy"] = row(
        "STT_VAD", "hybrid", choice("hybrid", "energy"), "What tells speech from other sounds."
    )
    vad_margin_db: float = row(
        "STT_VAD_MARGIN_DB", 6.0, number(1, 40), "How far speech must rise above the noise, in dB."
    )
    encoder_context: str = row(
        "STT_ENCODER_CONTEXT", "auto", CONTEXT, "How much audio the encoder sees of a short window."
    )
    model_profile: str | None = row(
        "STT_MODEL_PROFILE", None, optional(matching(".+", "a path")),
        "File that says how short a model's input may be.",
    )  # fmt: skip
    fake_delay_ms: int = row(
        "STT_FAKE_DELAY_MS", 0, whole(0, 60_000), "How long the fake engine takes for a batch."
    )

    # Work and its queue
    num_workers: int = row(
        "STT_NUM_WORKERS", usable_cores(), whole(1, 256), "Threads that run the model.",
        default_text="the number of usable cores",
    )  # fmt: skip
    max_batch: int | None = row(
        "STT_MAX_BATCH", None, optional(whole(1, 256)),
        "Most windows a worker recognises in one call.", default_text="8; 32 on a GPU",
    )  # fmt: skip
    admission: bool = row(
        "STT_ADMISSION", True, SWITCH, "Refuse new sessions and files while the load is too high."
    )
    max_queue_size: int = row(
        "STT_MAX_QUEUE_SIZE", 1000, whole(1, 1_000_000), "Most jobs that wait."
    )
    max_queue_bytes: int = row(
        "STT_MAX_QUEUE_BYTES", 256 * MIB, whole(MIB, 2**40), "Most bytes of audio that wait."
    )
    queue_overflow_policy: Literal["reject", "drop_oldest"] = row(
        "STT_QUEUE_OVERFLOW_POLICY", "reject", choice("reject", "drop_oldest"),
        "What a full queue does with a new job.",
    )  # fmt: skip
    enqueue_wait_s: float = row(
        "STT_ENQUEUE_WAIT_S", 0.0, number(0, 60), "Longest wait for room in a full queue."
    )
    reject_status: int = row(
        "STT_REJECT_STATUS", 429, status(429, 200), "HTTP status of a refused chunk."
    )

    # Limits of one client
    max_sessions: int = row(
        "STT_MAX_SESSIONS", 250, whole(1, 10_000), "Most WebSocket sessions at once."
    )
    max_uploads: int = row("STT_MAX_UPLOADS", 8, whole(1, 20), "Most files transcribed at once.")
    max_content_length: int = row(
        "STT_MAX_CONTENT_LENGTH", 25 * MIB, whole(1024, 2**40),
        "Most bytes of an HTTP body that is no file.",
    )  # fmt: skip
    max_upload_bytes: int = row(
        "STT_MAX_UPLOAD_BYTES", 128 * MIB, whole(1024, 2**40), "Most bytes of a file."
    )
    sse_keepalive_s: float = row(
        "STT_SSE_KEEPALIVE_S", 5.0, number(1, 60), "Time between two signs of life of a stream."
    )
    max_message_bytes: int = row(
        "STT_MAX_MESSAGE_BYTES", 2 * MIB, whole(1024, 2**30), "Most bytes of a WebSocket message."
    )
    max_audio_s: int = row(
        "STT_MAX_AUDIO_S", 7200, whole(1, 604_800), "Longest recording, in seconds of audio."
    )
    audio_rate: float = row(
        "STT_AUDIO_RATE", 1.5, number(1, 1000), "How much faster than real time audio is taken."
    )
    audio_burst_s: float = row(
        "STT_AUDIO_BURST_S", 10.0, number(1, 86_400), "Audio in s that may come all at once."
    )
    finalize_timeout_s: float = row(
        "STT_FINALIZE_TIMEOUT_S", 30.0, number(0.1, 3600), "Longest wait for a final."
    )
    max_session_s: float = row(
        "STT_MAX_SESSION_S", 3600.0, number(1, 86_400),
        "How long a session of /v1/realtime may last, in s.",
    )  # fmt: skip
    ws_idle_timeout_s: float = row(
        "STT_WS_IDLE_TIMEOUT_S", 300.0, number(1, 86_400), "A silent WebSocket is closed after it."
    )
    ws_ping_interval_s: float = row(
        "STT_WS_PING_INTERVAL_S", 20.0, number(0.1, 3600), "Time between two pings to a client."
    )
    ws_send_timeout_s: float = row(
        "STT_WS_SEND_TIMEOUT_S", 5.0, number(0.1, 600), "Longest time one frame takes to send."
    )
    outbox_size: int = row(
        "STT_OUTBOX_SIZE", 256, whole(4, 65_536), "Most messages that wait for a slow client."
    )
    header_timeout_s: float = row(
        "STT_HEADER_TIMEOUT_S", 10.0, number(0.1, 600), "Longest time a request's headers take."
    )
    body_timeout_s: float = row(
        "STT_BODY_TIMEOUT_S", 60.0, number(0.1, 3600), "Longest time a request's body takes."
    )

    # Transcripts
    store: str = row(
        "STT_STORE", "sqlite:///var/hark.db",
        matching(r"sqlite:///.+|memory:", "sqlite:///<path> or memory:"), "Where transcripts live.",
    )  # fmt: skip
    transcript_ttl_s: int = row(
        "STT_TRANSCRIPT_TTL_S", 7200, whole(1, 31_536_000), "How long a transcript is kept."
    )
    max_chunks_per_tenant: int = row(
        "STT_MAX_CHUNKS_PER_TENANT", 10_000, whole(1, 10_000_000), "Most transcripts of a tenant."
    )

    # The process
    graceful_timeout_s: int = row(
        "STT_GRACEFUL_TIMEOUT_S", 30, whole(1, 3600), "Time for open work when told to stop."
    )
    switch_interval_s: float = row(
        "STT_SWITCH_INTERVAL_S", 0.02, number(0.0001, 1), "Python's thread switch interval."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = row(
        "STT_LOG_LEVEL", "INFO", choice("DEBUG", "INFO", "WARNING", "ERROR"), "What the log shows."
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment, by default the process's own.

        Raises SettingError with one line for each bad setting.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        problems = []
        for name, setting in table().items():
            if (found := setting.find(environ)) is None:
                continue
            try:
                values[name] = setting.read(found[1])
            except ValueError:
                problems.append(setting.problem(*found))
        settings = cls(**values)
        problems += _not_built(environ)
        problems += _exposed(settings, environ)
        if problems:
            raise SettingError("\n".join(problems))
        return settings


def table() -> dict[str, Setting]:
    """Every setting by its field of ``Settings``, in the order of the documentation."""
    return {column.name: column.metadata["setting"] for column in fields(Settings)}


def unknown_names(environ: Mapping[str, str] | None = None) -> list[str]:
    """A sentence for each ``STT_`` variable that is no setting: most likely a slip of the pen."""
    environ = os.environ if environ is None else environ
    known = {setting.name for setting in table().values()}
    strange = sorted(name for name in environ if name.startswith("STT_"))
    sentences = []
    for name in strange:
        if name in known | CLIENT_NAMES:
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        sentences.append(f"{name} is set but is no setting{hint}")
    return sentences


def _not_built(environ: Mapping[str, str]) -> Iterator[str]:
    """Older names whose silent neglect would change what somebody gets (native 15.3, B25)."""
    for name in NOT_BUILT:
        value = environ.get(name, "").strip()
        if value and value.lower() not in ("0", "false", "no", "off"):
            yield f"{name}={value!r}: not supported in this version; unset it"


def _exposed(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    """An open door to the network, unless it is meant (native HT-AUTH, runtime RT-53)."""
    if is_loopback(settings.host) or settings.api_keys or settings.allow_open:
        return
    variable = "STT_HOST" if environ.get("STT_HOST", "").strip() else "FLASK_HOST"
    yield (
        f"{variable}={settings.host!r}: must be a loopback address such as 127.0.0.1, unless "
        "STT_API_KEYS is set, or STT_ALLOW_OPEN=1 lets anybody in who reaches this machine"
    )

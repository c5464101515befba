"""What the settings mean for each part of the service: settings in, options out. No logic else.

`app` builds the parts; each function here makes the options of one of them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dialects.base import DoorOptions
from dialects.deepgram import DeepgramDialect
from dialects.native import NativeDialect
from dialects.realtime import BUFFERED, LARGEST, RealtimeDialect
from stt.engines.options import EngineOptions
from stt.pace import PaceOptions
from stt.speech.endpointing import EndpointingOptions
from stt.speech.options import SpeechOptions
from stt.speech.policy import PolicyOptions
from stt.speech.vad import VadOptions
from stt_config import Settings
from stt_connection import ConnectionOptions
from stt_surroundings import SessionOptions
from stt_websocket import SocketOptions


def engine_options(settings: Settings) -> EngineOptions:
    """What the settings say of the engine."""
    return EngineOptions(
        model=settings.model,
        device=settings.device,
        compute_type=settings.compute_type,
        num_workers=settings.num_workers,
        encoder_context=settings.encoder_context,
        profile=None if settings.model_profile is None else Path(settings.model_profile),
        fake_delay=settings.fake_delay_ms / 1000,
    )


def speech_options(settings: Settings) -> SpeechOptions:
    """What the settings say of speech; clients choose on top of it."""
    return SpeechOptions(
        language=settings.language,
        step=settings.step_ms / 1000,
        final=settings.final,
        vad=VadOptions(onset_margin=settings.vad_margin_db, hybrid=settings.vad == "hybrid"),
        endpointing=_endpointing(settings),
        policy=_policy(settings),
    )


def _endpointing(settings: Settings) -> EndpointingOptions:
    """The times of REC-53, all in the ratio of the silence that was set to the usual one."""
    usual = EndpointingOptions()
    silence = settings.endpoint_ms / 1000
    ratio = silence / usual.silence
    return EndpointingOptions(
        silence=silence,
        by_text=settings.endpoint_by_text,
        silence_after_sentence=usual.silence_after_sentence * ratio,
        silence_unfinished=usual.silence_unfinished * ratio,
        silence_without_text=usual.silence_without_text * ratio,
    )


def _policy(settings: Settings) -> PolicyOptions:
    """A window may grow to the hard bound, which is never below the soft one (REC-23)."""
    soft = settings.window_s
    return PolicyOptions(commit=settings.commit, soft=soft, hard=max(PolicyOptions().hard, soft))


def socket_options(settings: Settings) -> dict[str, SocketOptions]:
    """How the transport treats each WebSocket route."""
    native = SocketOptions(
        max_message_bytes=settings.max_message_bytes,
        ping_interval=settings.ws_ping_interval_s,
        send_deadline=settings.ws_send_timeout_s,
    )
    return {
        NativeDialect.path: native,
        DeepgramDialect.path: replace(native, subprotocols=("token", "bearer")),
        RealtimeDialect.path: replace(
            native,
            subprotocols=("realtime",),
            max_message_bytes=max(settings.max_message_bytes, LARGEST),
            buffered_messages=BUFFERED,
            buffered_bytes=LARGEST,
        ),
    }


def door_options(settings: Settings) -> DoorOptions:
    """What every WebSocket connection starts from."""
    return DoorOptions(
        session=SessionOptions(
            speech=speech_options(settings),
            pace=PaceOptions(settings.audio_rate, settings.audio_burst_s),
            finalize_timeout=settings.finalize_timeout_s,
            stall=settings.stall_s,
        ),
        connection=ConnectionOptions(idle_timeout=settings.ws_idle_timeout_s),
        max_message_bytes=settings.max_message_bytes,
        strict_tenant=settings.strict_tenant,
    )

"""Wiring: every part is built once, here, and handed down. No logic.

``create_app(settings)`` returns the Flask application with its Service running behind it, at
``app.extensions["hark"]``. gunicorn calls it in its worker process (see gunicorn.conf.py); tests
call it with an engine of their own.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

from flask import Flask

import stt_websocket
from api import (
    access,
    deepgram,
    describe,
    gate,
    legacy,
    openai,
    ops,
    page,
    realtime,
    sessions,
    transcripts,
    uploads,
)
from api.files.room import FileLimits, Files
from dialects.deepgram import DeepgramDialect
from dialects.native import NativeDialect
from dialects.realtime import RealtimeDialect, RealtimeOptions
from session_manager import ManagerOptions, SessionManager
from streaming_ws import blueprint as streaming
from stt.audio.decode import decoded_blocks
from stt.auth import Authenticator
from stt.engines.base import Engine
from stt.engines.table import create_engine
from stt.errors import SettingError
from stt.metrics import Metrics
from stt.served import ServedModel
from stt.sources import Sources
from stt.speech.silero import Silero
from stt.store.table import open_store
from stt_config import Settings, unknown_names
from stt_ingest import JobQueue
from stt_job import QueueOptions
from stt_load import LoadMonitor, LoadOptions
from stt_metering import Metering
from stt_options import door_options, engine_options, socket_options, speech_options
from stt_recorder import Recorder, RecorderOptions
from stt_service import PoolOptions, Service
from stt_startup import announce
from stt_timers import Timers

log = logging.getLogger("stt.app")

ROOT = Path(__file__).resolve().parent


def create_app(settings: Settings | None = None, *, engine: Engine | None = None) -> Flask:
    """The application, its service started.

    Raises SettingError; called without ``settings``, as a server does, a bad one ends the process
    with its sentence instead. ``engine``: used instead of the one the settings name.
    """
    try:
        return _create(Settings.from_env() if settings is None else settings, engine)
    except SettingError as error:
        if settings is None:
            _give_up(error.message)
        raise


def _create(settings: Settings, engine: Engine | None) -> Flask:
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    for slip in unknown_names():
        log.warning("%s", slip)
    sys.setswitchinterval(settings.switch_interval_s)
    metrics = Metrics()
    service = build_service(settings, metrics, engine)
    app = Flask("hark", static_folder=None)
    app.extensions["hark"] = service
    _open_doors(app, settings, service, metrics)
    service.start()
    return app


def build_service(settings: Settings, metrics: Metrics, engine: Engine | None) -> Service:
    """The running parts, not started."""
    queue = JobQueue(
        QueueOptions(
            max_jobs=settings.max_queue_size,
            max_bytes=settings.max_queue_bytes,
            overflow=settings.queue_overflow_policy,
        ),
        takers=settings.num_workers,
    )
    store = open_store(settings.store, max_chunks_per_tenant=settings.max_chunks_per_tenant)
    timers = Timers()
    monitor = LoadMonitor(
        LoadOptions(admission=settings.admission),
        workers=settings.num_workers,
        waiting=queue.overdue,
    )
    metering = Metering(metrics, settings.queue_overflow_policy, monitor)
    manager = SessionManager(
        ManagerOptions(settings.outbox_size, settings.max_message_bytes),
        queue=queue,
        store=store,
        timers=timers,
        observer=metering,
    )
    service = Service(
        queue=queue,
        store=store,
        timers=timers,
        manager=manager,
        recorder=Recorder(
            RecorderOptions(
                speech=speech_options(settings),
                enqueue_wait=settings.enqueue_wait_s,
                remembered=settings.transcript_ttl_s,
            ),
            queue=queue,
            store=store,
            observer=metering,
            publish=manager.publish,
            ready=lambda: service.is_ready,
            admits=metering.admits,
            abilities=lambda: service.abilities,
        ),
        load=lambda: metering.watched(_loaded(settings, engine)),
        pool_options=PoolOptions(settings.num_workers, settings.max_batch),
        monitor=monitor,
        admits=metering.admits,
        transcript_ttl=settings.transcript_ttl_s,
        observe=metering.job_done,
        announce=lambda ready: announce(ready.state(), settings.host, settings.port),
        give_up=_give_up,
    )
    metering.watch(manager, queue, timers)
    return service


def _loaded(settings: Settings, engine: Engine | None) -> Engine:
    """What recognises speech; with it what hears it, so that the first session need not wait.

    Raises SettingError, also for a language that this model does not know.
    """
    if engine is None:
        engine = create_engine(settings.engine, engine_options(settings))
    if settings.language is not None and settings.language not in engine.languages:
        known = ", ".join(sorted(engine.languages))
        raise SettingError(
            f"STT_LANGUAGE={settings.language}: {engine.model} does not know it; allowed: {known}"
        )
    if settings.vad == "hybrid":
        Silero()
    return engine


def _open_gate(
    app: Flask, settings: Settings, service: Service, metrics: Metrics, auth: Authenticator
) -> None:
    """What every request passes."""
    gate.install_gate(
        app,
        allowed_origins=settings.allowed_origins,
        capacity=service.takes_sessions,
        most_sockets=settings.max_sessions,
        max_body_bytes=settings.max_content_length,
        authenticate=access.asking(auth),
        larger=dict.fromkeys(
            ("/transcribe", *openai.FILE_PATHS, deepgram.PATH), settings.max_upload_bytes
        ),
        shapes={deepgram.PATH: deepgram.shape},
    )
    access.count_refusals(app, metrics.connect)


def _files(settings: Settings, service: Service) -> Files:
    """What takes files, for every door that does; their bodies fill no more than two largest."""
    return Files(
        service.recorder,
        decoded_blocks,
        access.whom,
        FileLimits(
            max_seconds=settings.max_audio_s,
            at_once=settings.max_uploads,
            max_bytes=2 * settings.max_upload_bytes,
            keep_alive=settings.sse_keepalive_s,
        ),
        lambda: service.abilities,
    )


def _open_doors(app: Flask, settings: Settings, service: Service, metrics: Metrics) -> None:
    """Register every door, behind the gate."""
    auth = Authenticator(settings.api_keys, clock=time.monotonic)
    sources = Sources(ttl=settings.session_ttl_s, clock=time.monotonic)
    options = door_options(settings)
    _open_gate(app, settings, service, metrics, auth)
    stt_websocket.install(app, socket_options(settings), in_flight=options.in_flight)
    files = _files(settings, service)
    began = int(time.time())

    def served() -> ServedModel | None:
        return None if service.engine is None else ServedModel(service.engine.model, began)

    spoken = RealtimeOptions(options, served, settings.strict_model, settings.max_session_s)
    for door in (
        streaming(
            service.manager,
            [NativeDialect(options), RealtimeDialect(spoken), DeepgramDialect(options)],
            lambda: service.abilities,
            metrics,
        ),
        legacy.blueprint(
            service.recorder,
            uploads.uploader(files),
            access.whom,
            reject_status=settings.reject_status,
            max_json_bytes=settings.max_content_length,
        ),
        deepgram.blueprint(files),
        openai.blueprint(files, served, strict=settings.strict_model),
        transcripts.blueprint(service.store, service.recorder, access.whom, sources),
        sessions.blueprint(access.whom, sources),
        realtime.blueprint(auth, access.whom, lambda: spoken.rules(service.abilities)),
        ops.blueprint(
            state=service.state,
            ready=service.why_not_ready,
            metrics_text=metrics.text,
            auth=auth,
            whom=access.whom,
        ),
        describe.blueprint(*map(_document, ("openapi.yaml", "asyncapi.yaml"))),
        page.blueprint(
            state=service.state, ready=service.why_not_ready, keys_required=auth.required
        ),
    ):
        app.register_blueprint(door)


def _document(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _give_up(reason: str) -> None:
    """End the process: there will be no service. gunicorn ends with its worker's status 3."""
    print(f"\nhark: {reason}\n", file=sys.stderr, flush=True)  # noqa: T201  whoever started it reads here
    os._exit(3)

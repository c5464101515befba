"""gunicorn's settings for Hark: one process, many threads; every value comes from the environment.

A bad setting stops the start with one line and exit code 2. One process is one service (AD10):
sessions, the queue and the model live in it, so more than one worker is refused (RT-11, B22).
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

# Before anything imports numpy: the engine brings its own threads (recognition REC-75)
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# The voice detector's runtime sends events of each model to its maker, unless told so in time
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from gunicorn_worker import HarkWorker, allow_request_line
from stt.errors import SettingError
from stt.ids import MAX_HINT
from stt_config import Settings

HTTP_THREADS = 40  # kept free beside the sessions, for health, uploads and polling (RT-01)
KEPT_ALIVE = 200  # connections that wait for their next request
USUAL_LINE = 4094  # bytes of a request line without a prompt and hot words
PERCENT_ENCODED = 12  # bytes of a character in a query, at most
PORT_WAIT_S = 3.0  # until a port must be free that another process may just be letting go
HANDED_OVER = {"GUNICORN_FD", "LISTEN_FDS"}  # the socket is there: a new master's, or systemd's
M_ARENA_MAX = -8  # glibc's malloc.h


def _share_arenas() -> None:
    """Let all threads share two of glibc's memory pools.

    With one for each, as by default, the workers' freed work space stays with their threads:
    310 MB resident instead of 231 MB with the demo model and two workers on 30 s windows.
    """
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def _refuse(reason: str) -> NoReturn:
    print(f"hark: {reason}", file=sys.stderr)  # noqa: T201  # there is no logger yet
    sys.exit(2)


_share_arenas()
try:
    settings = Settings.from_env()
except SettingError as error:
    _refuse(str(error))


class Worker(HarkWorker):
    """The worker with this start's limits."""

    header_timeout = settings.header_timeout_s
    body_timeout = settings.body_timeout_s


wsgi_app = "app:create_app()"
proc_name = "hark"
bind = (
    f"[{settings.host}]:{settings.port}"
    if ":" in settings.host
    else f"{settings.host}:{settings.port}"
)
worker_class = Worker
workers = 1
threads = settings.max_sessions + HTTP_THREADS
worker_connections = threads + KEPT_ALIVE
backlog = 512
timeout = 60  # s without a sign of life of the main thread, not of a request
graceful_timeout = int(settings.graceful_timeout_s)
keepalive = 5
max_requests = 0  # recycling a worker would cut its sessions (RT-12)
preload_app = False  # threads do not survive the fork (AE3)
limit_request_line = USUAL_LINE + 2 * MAX_HINT * PERCENT_ENCODED
allow_request_line(limit_request_line)
limit_request_fields = 64
limit_request_field_size = 8190
forwarded_allow_ips = "127.0.0.1,::1"
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
control_socket_disable = True  # else gunicorn opens one in the home directory
loglevel = settings.log_level
access_log_format = (
    "%(h)s %(m)s %(U)s %(s)s %(M)sms %({x-request-id}o)s"  # no query: tickets (RT-55)
)


def nworkers_changed(server: Any, new_value: int, old_value: int | None) -> None:
    """The first hook, before anything is loaded; and what SIGTTIN comes to, one more worker."""
    if old_value is None:
        _check(server.cfg)
        if not HANDED_OVER & os.environ.keys():
            for address in server.cfg.address:
                _await_port(address)
    elif new_value > 1 and server.WORKERS:
        server.log.warning("one process is one service: still one worker")
        server.num_workers = 1


def _await_port(address: object) -> None:
    """Refuse to start where another program listens; one that is just ending may take a while."""
    if not isinstance(address, tuple):  # a Unix socket, or a descriptor
        return
    host, port = address
    due = time.monotonic() + PORT_WAIT_S
    while _is_taken(host, port):
        if time.monotonic() > due:
            _refuse(f"port {port} is taken (another Hark?): STT_PORT={port % 65_535 + 1} make run")
        time.sleep(0.1)


def _is_taken(host: str, port: int) -> bool:
    """As gunicorn would find out; what else is wrong with an address, it says itself."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _check(cfg: Any) -> None:
    """Refuse what would break the service in ways that nobody sees at once."""
    asked = max(cfg.workers, int(os.environ.get("WEB_CONCURRENCY") or 1))
    if asked > 1:
        _refuse(
            f"{asked} workers are asked for: one process is one service, start replicas instead"
        )
    if cfg.preload_app:
        _refuse("preload_app must stay off: threads do not survive the fork")
    if cfg.is_ssl:
        _refuse("a certificate is given: TLS ends at a proxy in front, start without one")

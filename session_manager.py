"""Who is connected: the sessions of this process, their subscribers, their drain.

One lock guards the registry (AC1); no session is called with it held, except for the leaf `put` of
its outbox (AC2). How many connections there may be is the gate's business, before the upgrade.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
import weakref
from dataclasses import dataclass

from stt.errors import NotReady, SessionInUse
from stt.ids import checked_id
from stt.replies import Degraded, Opened, Transcript
from stt.store.base import TranscriptStore
from stt_ingest import JobQueue
from stt_outbox import Outbox
from stt_session import Session
from stt_surroundings import SessionObserver, SessionOptions, Surroundings
from stt_timers import Timers

log = logging.getLogger("stt.sessions")


@dataclass(frozen=True, slots=True)
class ManagerOptions:
    """Limits of one session."""

    outbox_size: int = 256
    """Replies that may wait for one client."""
    max_message_bytes: int = 2 * 2**20


class SessionManager:
    """See the module's docstring. Any thread may call any method."""

    def __init__(
        self,
        options: ManagerOptions,
        *,
        queue: JobQueue,
        store: TranscriptStore,
        timers: Timers,
        observer: SessionObserver,
    ) -> None:
        self._options = options
        self._around = Surroundings(queue, store, timers, observer, self.publish)
        self._lock = threading.Lock()
        self._emptied = threading.Condition(self._lock)
        self._sessions: dict[str, Session] = {}
        self._subscribers: dict[str, dict[str, Session]] = {}
        self._leaving: weakref.WeakSet[Session] = weakref.WeakSet()  # gone, finals still to come
        self._draining = False
        self._degraded = False

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def leaving(self) -> int:
        """Sessions whose client is gone and whose finals are still to come."""
        return sum(not session.is_settled for session in list(self._leaving))

    @property
    def unsent(self) -> int:
        """Replies that wait to be sent, of all sessions."""
        with self._lock:
            return sum(len(session.outbox) for session in self._sessions.values())

    @property
    def draining(self) -> bool:
        """Whether the service is shutting down."""
        return self._draining

    @property
    def degraded(self) -> bool:
        """Whether clients were told that interims come late."""
        return self._degraded

    def open(self, tenant: str, options: SessionOptions, *, session_id: str | None) -> Session:
        """A new session with its greeting in its outbox (native HC1).

        Raises BadInput for an illegal id, SessionInUse for one that is connected (native W21).
        """
        named = secrets.token_hex(8) if session_id is None else checked_id(session_id, "session_id")
        outbox = Outbox(self._options.outbox_size)
        limit = self._options.max_message_bytes
        encoding = options.container or options.encoding
        outbox.put(Opened(named, tenant, limit, options.sample_rate, encoding, options.channels))
        session = Session(named, tenant, options, self._around, outbox)
        with self._lock:
            if self._draining:
                raise NotReady("the service is shutting down; connect again")
            if named in self._sessions:
                raise SessionInUse(f"session {named} is connected already")
            self._sessions[named] = session
            if self._degraded:
                outbox.put(Degraded(active=True))
            if options.subscribe:
                self._subscribers.setdefault(tenant, {})[named] = session
        self._around.observer.session_opened()
        log.info("session opened", extra={"session_id": named, "tenant_id": tenant})
        return session

    def leave(self, session: Session) -> None:
        """The client is gone; its finals are still made and stored. Never raises."""
        with self._lock:
            if self._sessions.get(session.id) is session:
                del self._sessions[session.id]
            tenants = self._subscribers.get(session.tenant, {})
            if tenants.pop(session.id, None) is not None and not tenants:
                del self._subscribers[session.tenant]
            self._leaving.add(session)
            self._emptied.notify_all()
        try:
            session.leave()
        except Exception:
            log.exception("a session left badly", extra={"session_id": session.id})
        self._around.observer.session_left(session.outbox.evicted, session.outbox.given_up)
        heard = session.usage()
        log.info(
            "session closed received_s=%.3f speech_s=%.3f",
            heard.received_s,
            heard.speech_s,
            extra={"session_id": session.id, "tenant_id": session.tenant},
        )

    def publish(self, tenant: str, transcript: Transcript) -> None:
        """Tell a tenant's subscribers what another session, or a recording, said (native W29)."""
        if tenant not in self._subscribers:
            return  # nearly always; a subscriber of this very moment has its greeting to read first
        with self._lock:
            for session in self._subscribers.get(tenant, {}).values():
                if session.id != transcript.session_id:
                    session.overhear(transcript)

    def tell_degraded(self, active: bool) -> None:
        """Tell every client that interims come late, or no longer; once each (REC-74).

        One that connects meanwhile hears it after its greeting.
        """
        with self._lock:
            if active == self._degraded:
                return
            self._degraded = active
            for session in self._sessions.values():
                session.outbox.put(Degraded(active))
        log.log(
            logging.WARNING if active else logging.INFO,
            "interims come late: there is more speech than this machine can follow"
            if active
            else "interims come in time again",
        )

    def stop_admitting(self) -> None:
        """Refuse new sessions from now on; the first step of the drain (RT-44)."""
        with self._lock:
            self._draining = True

    def drain(self, timeout: float) -> bool:
        """Every session gets its finals, then close code 1012 (AD8, native W31).

        Whether all finals came within ``timeout`` seconds; the others say what is known by then.
        """
        self.stop_admitting()
        deadline = time.monotonic() + timeout
        with self._lock:
            sessions = list(self._sessions.values())
            everyone = [*sessions, *self._leaving]
        for session in sessions:
            session.finish_all()
        settled = [session.settle(max(0.0, deadline - time.monotonic())) for session in everyone]
        for session in everyone:
            session.conclude()
        for session in sessions:
            session.outbox.close(1012, "the service stops or restarts; connect again")
        return all(settled)

    def wait_empty(self, timeout: float) -> bool:
        """Wait until every connection has ended; whether that came in time."""
        with self._emptied:
            return self._emptied.wait_for(lambda: not self._sessions, timeout)

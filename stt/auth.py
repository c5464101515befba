"""Who is asking: API keys, and the tickets that stand for one in a URL.

A key gives a ``Principal``, and the principal gives the tenant: with keys on, no message and no
query names another one (native HT-AUTH, runtime RT-57). Keys and tickets are kept as SHA-256
digests and compared in constant time (RT-56). Knows no Flask, reads no clock of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from stt.errors import SettingError, Unauthorized

TICKET_SECONDS = 60  # native W30, runtime RT-55
MAX_TICKETS = 10_000
"""Tickets waiting at once; the oldest goes first. 60 s at 160 a second."""

# `bearer.` is native W30; the other is what OpenAI's browser clients offer (client RH2).
SUBPROTOCOLS = ("bearer.", "openai-insecure-api-key.")


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever holds a valid key."""

    tenant_id: str


Whom = Callable[[], Principal | None]
"""Who makes the current request; None where no keys are set. Raises Unauthorized."""


class Authenticator:
    """API keys and tickets. Thread-safe: one lock guards the tickets, the keys never change."""

    def __init__(self, keys: Iterable[tuple[str, str]], *, clock: Callable[[], float]) -> None:
        """
        Args:
            keys: (key, tenant) pairs; several keys may share a tenant. None at all: open.
            clock: monotonic seconds.

        Raises:
            SettingError: an empty key or tenant, or a key given twice.
        """
        self._keys: dict[bytes, Principal] = {}
        for key, tenant in keys:
            if not key or not tenant:
                raise SettingError("an API key and its tenant must not be empty")
            if self._keys.setdefault(_digest(key), Principal(tenant)) != Principal(tenant):
                raise SettingError(f"an API key is given twice, the second time for {tenant!r}")
        self._clock = clock
        self._lock = threading.Lock()
        self._tickets: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    @property
    def required(self) -> bool:
        """Whether there are keys at all."""
        return bool(self._keys)

    def identify(
        self,
        *,
        authorization: str | None = None,
        subprotocols: Iterable[str] = (),
        ticket: str | None = None,
    ) -> Principal | None:
        """The principal of a request, or None where no keys are set and everybody may come in.

        Args:
            authorization: the header, ``Bearer <key>``.
            subprotocols: offered by a WebSocket client, one of them ``bearer.<key>``.
            ticket: from the query; good for one use.

        Raises:
            Unauthorized: keys are set, and this is none of them.
        """
        if not self.required:
            return None
        if ticket is not None:
            return self._redeem(ticket)
        token = _bearer(authorization) if authorization else _offered(subprotocols)
        if token is None:
            raise Unauthorized("An API key is required: Authorization: Bearer <key>.")
        return self._principal(token)

    def issue_ticket(self, principal: Principal) -> str:
        """A new ticket for ``principal``, good once and for TICKET_SECONDS (runtime RT-55)."""
        ticket = secrets.token_urlsafe(32)
        now = self._clock()
        with self._lock:
            while self._tickets and (len(self._tickets) >= MAX_TICKETS or self._oldest() <= now):
                self._tickets.popitem(last=False)
            self._tickets[_digest(ticket)] = principal, now + TICKET_SECONDS
        return ticket

    def _principal(self, token: str) -> Principal:
        """Compare with every key, so that the time tells nothing about any (RT-56)."""
        digest = _digest(token)
        found = None
        for known, principal in self._keys.items():
            if hmac.compare_digest(known, digest):
                found = principal
        if found is None:
            raise Unauthorized("This API key is not valid.")
        return found

    def _redeem(self, ticket: str) -> Principal:
        with self._lock:
            principal, expiry = self._tickets.pop(_digest(ticket), (None, 0.0))
        if principal is None or expiry <= self._clock():
            raise Unauthorized("This ticket is not valid: it was used, is too old, or never was.")
        return principal

    def _oldest(self) -> float:
        """When the oldest ticket expires; they are in the order of their issue. Holds the lock."""
        return next(iter(self._tickets.values()))[1]


def _bearer(authorization: str) -> str | None:
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _offered(subprotocols: Iterable[str]) -> str | None:
    for offer in subprotocols:
        for prefix in SUBPROTOCOLS:
            if offer.startswith(prefix):
                return offer.removeprefix(prefix)
    return None


def _digest(secret: str) -> bytes:
    """SHA-256; a plain hash will do, since keys are long and random. Takes any text."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()

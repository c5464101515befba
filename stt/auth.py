"""Who is asking: API keys, and what stands for one in a browser: tickets and client secrets.

A key gives a ``Principal``, and the principal gives the tenant: with keys on, no message and no
query names another one (native HT-AUTH, runtime RT-57). A *ticket* stands for a key once, within a
minute; a *client secret* until it expires, and brings the configuration of the session along
(client CS1). All are kept as SHA-256 digests; keys are compared in constant time (RT-56). Knows no
Flask, and no clock but those it is given.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from stt.errors import BadInput, SettingError, TooLarge, Unauthorized

TICKET_SECONDS = 60  # native W30, runtime RT-55
MAX_TICKETS = 10_000
"""Tickets waiting at once; the oldest goes first. 60 s at 160 a second."""

SECRET_PREFIX = "ek_"
SECRET_SECONDS = (10, 7200)
"""How long a client secret may be good for (client CS1)."""
MAX_SECRETS = 1000
"""Secrets of one tenant that are good at once, or of all where no keys are set; the oldest goes."""
MAX_SESSION_CHARS = 16_384  # of a secret's session as JSON: 16 MiB for all of a tenant's

SCHEMES = ("bearer", "token")  # of the Authorization header; the second is Deepgram's (client DG1)
# `bearer.` is native W30; the other is what OpenAI's browser clients offer (client RH2).
SUBPROTOCOLS = ("bearer.", "openai-insecure-api-key.")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever holds a valid key, or what stands for one."""

    tenant_id: str
    session: Mapping[str, Any] | None = field(default=None, hash=False, repr=False)
    """What the client secret configures, a copy of one's own; None: it was no client secret."""


Whom = Callable[[], Principal | None]
"""Who makes the current request; None where no keys are set. Raises Unauthorized."""


class Passes(Generic[T]):
    """Random values that stand for something until a time; bounded. No lock: its owner has one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[bytes, tuple[T, float]] = OrderedDict()  # the oldest first

    def __len__(self) -> int:
        return len(self._known)

    def add(self, value: str, what: T, *, now: float, seconds: float) -> None:
        """``value`` stands for ``what`` so long; where there is no room, the oldest goes."""
        while self._known and next(iter(self._known.values()))[1] <= now:
            self._known.popitem(last=False)
        if len(self._known) >= self._most:
            for digest in [known for known, (_, end) in self._known.items() if end <= now]:
                del self._known[digest]
        if len(self._known) >= self._most:
            self._known.popitem(last=False)
        self._known[_digest(value)] = what, now + seconds

    def get(self, value: str, *, now: float) -> T | None:
        """What ``value`` stands for now."""
        what, end = self._known.get(_digest(value), (None, 0.0))
        return what if end > now else None

    def pop(self, value: str, *, now: float) -> T | None:
        """The same; it is spent by that."""
        what, end = self._known.pop(_digest(value), (None, 0.0))
        return what if end > now else None


class Authenticator:
    """Keys, tickets, client secrets. Thread-safe: a lock guards the last two; keys never change."""

    def __init__(
        self,
        keys: Iterable[tuple[str, str]],
        *,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            keys: (key, tenant) pairs; several keys may share a tenant. None at all: open.
            clock: monotonic seconds.
            wall: seconds since 1970, which clients are told.

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
        self._wall = wall
        self._lock = threading.Lock()
        self._tickets: Passes[Principal] = Passes(MAX_TICKETS)
        self._secrets: dict[str, Passes[tuple[str, str]]] = {}
        """(tenant, session) by tenant, so that none displaces another's; all in one without keys,
        which bound the number of tenants."""

    @property
    def required(self) -> bool:
        """Whether there are keys at all."""
        return bool(self._keys)

    def identify(
        self,
        *,
        authorization: str | None = None,
        api_key: str | None = None,
        subprotocols: Sequence[str] = (),
        ticket: str | None = None,
    ) -> Principal | None:
        """The principal of a request, or None where no keys are set and everybody may come in.

        The first of these that is there decides alone. A client secret may stand in place of a
        key; where no keys are set it still brings its session, and an unknown one lets in.

        Args:
            authorization: the header, ``Bearer <key>`` or ``Token <key>``; of another scheme it is
                somebody else's, such as a proxy's.
            api_key: a key from another header or from the query.
            subprotocols: offered by a WebSocket client, as `offered_key` reads them.
            ticket: from the query; good for one use.

        Raises:
            Unauthorized: keys are set, and this is none of them.
        """
        if ticket is not None and self.required:
            return self._redeem(ticket)
        token = _of_header(authorization or "")
        if token is None:
            token = api_key or offered_key(subprotocols)
        principal = None if token is None else self._of_secret(token) or self._of_key(token)
        if principal is not None or not self.required:
            return principal
        if token is None:
            raise Unauthorized("An API key is required: Authorization: Bearer <key>.")
        if token.startswith(SECRET_PREFIX):
            raise Unauthorized("This client secret is not valid: it is too old, or never was.")
        raise Unauthorized("This API key is not valid.")

    def issue_ticket(self, principal: Principal) -> str:
        """A new ticket for ``principal``, good once and for TICKET_SECONDS (runtime RT-55)."""
        ticket = secrets.token_urlsafe(32)
        with self._lock:
            self._tickets.add(ticket, principal, now=self._clock(), seconds=TICKET_SECONDS)
        return ticket

    def issue_secret(
        self, principal: Principal, *, seconds: float, session: Mapping[str, Any]
    ) -> tuple[str, float]:
        """A new client secret and when it expires, in seconds since 1970 (client CS1).

        Good any number of times until then; what was begun with it goes on (client S14).

        Args:
            seconds: how long it is good for, within SECRET_SECONDS.
            session: what its sessions are configured with, as JSON has it.

        Raises:
            BadInput: ``seconds`` is out of bounds.
            TooLarge: ``session`` has more than MAX_SESSION_CHARS as JSON.
        """
        least, most = SECRET_SECONDS
        if not least <= seconds <= most:
            raise BadInput(f"a client secret is good for {least:g} to {most:g} s, not {seconds:g}")
        text = json.dumps(session, separators=(",", ":"))
        if len(text) > MAX_SESSION_CHARS:
            raise TooLarge(f"the session is longer than {MAX_SESSION_CHARS} characters of JSON")
        value = SECRET_PREFIX + secrets.token_urlsafe(32)
        tenant = principal.tenant_id
        with self._lock:
            passes = self._secrets.setdefault(tenant if self.required else "", Passes(MAX_SECRETS))
            passes.add(value, (tenant, text), now=self._clock(), seconds=seconds)
        return value, self._wall() + seconds

    def _of_key(self, token: str) -> Principal | None:
        """Compare with every key, so that the time tells nothing about any (RT-56)."""
        digest = _digest(token)
        found = None
        for known, principal in self._keys.items():
            if hmac.compare_digest(known, digest):
                found = principal
        return found

    def _of_secret(self, token: str) -> Principal | None:
        if not token.startswith(SECRET_PREFIX):
            return None
        with self._lock:
            now = self._clock()
            known = (passes.get(token, now=now) for passes in self._secrets.values())
            found = next((one for one in known if one is not None), None)
        return None if found is None else Principal(found[0], json.loads(found[1]))

    def _redeem(self, ticket: str) -> Principal:
        with self._lock:
            principal = self._tickets.pop(ticket, now=self._clock())
        if principal is None:
            raise Unauthorized("This ticket is not valid: it was used, is too old, or never was.")
        return principal


def offered_key(subprotocols: Sequence[str]) -> str | None:
    """The key among the subprotocols of a browser, which can set no headers.

    Native ``bearer.KEY`` (W30), OpenAI's ``openai-insecure-api-key.KEY`` (client RH2), or
    Deepgram's pair ``token, KEY``, also ``bearer, KEY`` (client DG1).
    """
    for offer in subprotocols:
        for prefix in SUBPROTOCOLS:
            if offer.startswith(prefix):
                return offer.removeprefix(prefix)
    if len(subprotocols) > 1 and subprotocols[0].lower() in SCHEMES:
        return subprotocols[1]
    return None


def _of_header(authorization: str) -> str | None:
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() in SCHEMES else None


def _digest(secret: str) -> bytes:
    """SHA-256; a plain hash will do, since keys are long and random. Takes any text."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()

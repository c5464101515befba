"""Reading, popping, deleting, listing and counting transcripts (native sections 5 to 7).

The answers are those of the older service to the letter. First, latest, list and size are cut from
one ordered list of entries: the chunks themselves, or with ``sentences`` the chunks re-cut. Pops
and deletes are one edit of the store, so no text is given twice. Transcribes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from flask import Blueprint, Response, request

from api.answers import as_json, refused
from stt.auth import Whom
from stt.errors import BadInput
from stt.ids import DEFAULT_TENANT, checked_id
from stt.sentences import Entry, merge
from stt.sources import SOURCES, Sources
from stt.store.base import Stored, TranscriptStore

EMPTY = {"chunk_id": "-1", "transcript": ""}
TOLD = ("failed", "dropped")
"""The states of a chunk without a transcript that `/get_transcript` tells (TR13, QU7)."""

Select = Callable[[list[Entry]], Entry | None]


class States(Protocol):
    """What became of the audio of a chunk: the Recorder."""

    def status(self, tenant: str, chunk_id: str) -> str | None:
        """processing, done, silent, failed or dropped; None: not known."""


class BadQuery(BadInput):
    """A query parameter that cannot be used; the sentence is the whole answer (RD10, RD15)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """``from`` and ``until`` of a request; None: not given (RD11)."""

    low: int | None = None
    high: int | None = None

    def within(self, entries: list[Entry], *, exclusive: bool = False) -> list[Entry]:
        """The entries in bounds; ids that are no numbers only where there are none (RD12)."""
        if self.low is None and self.high is None:
            return entries
        return [entry for entry in entries if self._hold(entry.chunk_id, exclusive)]

    def _hold(self, chunk_id: str, exclusive: bool) -> bool:
        if not (chunk_id.isascii() and chunk_id.isdigit()):
            return False
        number = int(chunk_id)
        if self.high is not None and (number >= self.high if exclusive else number > self.high):
            return False
        return self.low is None or number >= self.low


def blueprint(store: TranscriptStore, recorder: States, whom: Whom, sources: Sources) -> Blueprint:
    """All reading, popping, deleting, listing and counting routes and their aliases.

    Args:
        store: the transcripts.
        recorder: asked for the state of chunks without a transcript.
        whom: the principal of the current request; its tenant wins (HT-AUTH).
        sources: which tenant ``?source=`` means.
    """
    door = Blueprint("transcripts", __name__)
    reading = Reading(store, recorder, whom, sources)

    def route(path: str, methods: str, view: Callable[..., Response]) -> None:
        name = f"{methods.lower().replace(' ', '_')}_{re.sub('[^a-z]+', '_', path).strip('_')}"
        door.add_url_rule(path, name, view, methods=methods.split())

    route("/get_transcript", "GET", reading.get)
    route("/get_first_transcript", "GET", reading.first)
    route("/pop_first_transcript", "GET DELETE", reading.pop_first)
    route("/get_latest_transcript", "GET", reading.latest)
    route("/pop_latest_transcript", "GET DELETE", reading.pop_latest)
    route("/delete_transcript", "GET DELETE", reading.delete)
    route("/list_transcripts", "GET", reading.many)
    route("/transcripts_size", "GET", reading.size)
    route("/transcripts", "GET", reading.many)  # AL2-AL6
    route("/transcripts/count", "GET", reading.size)
    route("/transcripts/first", "GET", reading.first)
    route("/transcripts/first", "DELETE", reading.pop_first)
    route("/transcripts/latest", "GET", reading.latest)
    route("/transcripts/latest", "DELETE", reading.pop_latest)
    route("/transcripts/<path:chunk_id>", "GET", reading.get)
    route("/transcripts/<path:chunk_id>", "DELETE", reading.delete)

    @door.errorhandler(BadQuery)
    def _bad_query(error: BadQuery) -> Response:
        refused(error.message)
        return _answer({"message": error.message}, 400)

    return door


class Reading:
    """The views. They keep no state of their own; the store and ``sources`` have locks."""

    def __init__(
        self, store: TranscriptStore, recorder: States, whom: Whom, sources: Sources
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._whom = whom
        self._sources = sources

    def get(self, chunk_id: str | None = None) -> Response:
        """RD1: "-1" where the tenant has nothing, else the asked id (RD13, B30).

        A chunk without a transcript gets a key ``status`` where its audio failed or was dropped.
        Silence and audio in work add nothing: those answers keep exactly the older keys.
        """
        chunk_id = _asked(chunk_id)
        tenant = self._tenant()
        entry, has_any = self._look_up(tenant, chunk_id) if tenant else (None, False)
        if entry is not None:
            return _found(entry)
        body = {"chunk_id": chunk_id, "transcript": ""} if has_any else dict(EMPTY)
        state = self._recorder.status(tenant, chunk_id) if tenant and chunk_id else None
        return _answer(body | ({"status": state} if state in TOLD else {}))

    def first(self) -> Response:
        """RD2: the smallest id from ``from`` on."""
        return _found(_first(_bound("from"))(self._entries(self._tenant())))

    def pop_first(self) -> Response:
        """RD3: the same, and removes it."""
        return _found(self._pop(_first(_bound("from"))))

    def latest(self) -> Response:
        """RD4: the largest id below ``until``."""
        return _found(_latest(_bound("until"))(self._entries(self._tenant())))

    def pop_latest(self) -> Response:
        """RD5: the same, and removes it."""
        return _found(self._pop(_latest(_bound("until"))))

    def delete(self, chunk_id: str | None = None) -> Response:
        """RD6: remove a chunk; answers the removed text, or "" under the asked id."""
        chunk_id = _asked(chunk_id)
        removed = self._pop(lambda entries: _named(entries, chunk_id), named=chunk_id)
        return _answer({"chunk_id": chunk_id, "transcript": removed.text if removed else ""})

    def many(self) -> Response:
        """RD7: all transcripts in bounds, both inclusive, by id."""
        entries = self._bounded()
        return _answer({entry.chunk_id: {"transcript": entry.text} for entry in entries})

    def size(self) -> Response:
        """RD8: how many `many` would show."""
        return _answer({"size": len(self._bounded())})

    def _bounded(self) -> list[Entry]:
        bounds = Bounds(_bound("from"), _bound("until"))
        return bounds.within(self._entries(self._tenant()))

    def _tenant(self) -> str | None:
        """Whose transcripts are asked for; None: nobody's (RD9, RD15, HT-AUTH)."""
        principal = self._whom()
        owner = principal.tenant_id if principal else None
        tenant, source = request.args.get("tenant_id"), request.args.get("source")
        if source and not tenant:
            if source not in SOURCES:
                allowed = list(SOURCES)
                raise BadQuery(f"Invalid source '{source}'. Must be one of: {allowed}.")
            return self._sources.tenant(source, owner)
        tenant = owner or tenant or DEFAULT_TENANT
        return tenant if _is_legal(tenant) else None

    def _look_up(self, tenant: str, chunk_id: str | None) -> tuple[Entry | None, bool]:
        """A chunk, and whether its tenant has any; reads the others only to re-cut them."""
        if _sentences():
            entries = self._entries(tenant)
            return _named(entries, chunk_id), bool(entries)
        chunk = None if chunk_id is None else self._store.get(tenant, chunk_id)
        if chunk is None:
            return None, self._store.has(tenant)
        return _as_entry(chunk), True

    def _entries(self, tenant: str | None) -> list[Entry]:
        return _cut(self._store.chunks(tenant)) if tenant else []

    def _pop(self, select: Select, *, named: str | None = None) -> Entry | None:
        """Take one entry out of the store; a HEAD only looks, since its answer has no text."""
        tenant = self._tenant()
        if tenant is None:
            return None
        if request.method == "HEAD":
            return select(self._entries(tenant))
        sentences = _sentences()  # the edit runs on the store's thread, which has no request
        taken: list[Entry] = []

        def edit(chunks: Sequence[Stored]) -> dict[str, str | None]:
            entry = select(_cut(chunks, sentences))
            if entry is not None:
                taken[:] = [entry]
                return entry.left
            # Audio of the chunk may be in work: removed now, it must not come back (RE5, B27).
            absent = named is not None and all(chunk.chunk_id != named for chunk in chunks)
            return {named: None} if named is not None and absent and _is_legal(named) else {}

        self._store.edit(tenant, edit)
        return taken[0] if taken else None


def _cut(chunks: Sequence[Stored], sentences: bool | None = None) -> list[Entry]:
    """The entries of a tenant, re-cut if ``sentences`` says so (None: as the request says)."""
    if _sentences() if sentences is None else sentences:
        return merge((chunk.chunk_id, chunk.text) for chunk in chunks)
    return [_as_entry(chunk) for chunk in chunks]


def _as_entry(chunk: Stored) -> Entry:
    return Entry(chunk.chunk_id, chunk.text, {chunk.chunk_id: None})


def _first(low: int | None) -> Select:
    return lambda entries: next(iter(Bounds(low=low).within(entries)), None)


def _latest(high: int | None) -> Select:
    bounds = Bounds(high=high)
    return lambda entries: next(reversed(bounds.within(entries, exclusive=True)), None)


def _named(entries: list[Entry], chunk_id: str | None) -> Entry | None:
    return next((entry for entry in entries if entry.chunk_id == chunk_id), None)


def _asked(chunk_id: str | None) -> str | None:
    """The chunk id of the path or, by its older name, of the query."""
    return request.args.get("chunk_id") if chunk_id is None else chunk_id


def _sentences() -> bool:
    """RD14, and review comments C2-C9: the text is a flag, never compared with a bool."""
    return request.args.get("sentences", "").lower() in ("true", "1")


def _bound(name: str) -> int | None:
    """An integer of any size (RD17), None where absent. Raises BadQuery (RD10)."""
    text = request.args.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,4000}", text.strip()):  # Python converts 4300 digits
        raise BadQuery(f"Query parameter '{name}' must be an integer, got '{text[:200]}'")
    return int(text)


def _is_legal(value: str) -> bool:
    try:
        checked_id(value, "id")
    except BadInput:
        return False
    return True


def _found(entry: Entry | None) -> Response:
    if entry is None:
        return _answer(EMPTY)
    return _answer({"chunk_id": entry.chunk_id, "transcript": entry.text})


def _answer(body: dict[str, Any], status: int = 200) -> Response:
    """JSON in the order given, not to be cached: a GET may pop (HT5, B28)."""
    response = as_json(body, status)
    response.headers["Cache-Control"] = "no-store"
    return response

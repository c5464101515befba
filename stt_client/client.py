"""Talk to a running Hark: a file at once, or speech as it is spoken.

Needs the standard library and websocket-client, and nothing of the service. It prints nothing and
paces nothing: audio is sent as fast as the caller's iterable gives it.

    from stt_client import stream, transcribe

    print(transcribe("talk.mp3", hotwords="Hark, Whisper", final="best")["text"])

    for event in stream(microphone(), language="en", words="none"):
        if event.get("is_final"):
            print(event["text"])

Both take ``hotwords`` (names and words to expect) and ``final``: ``consistent``, or ``best``, which
decodes each utterance once more at its end. Its finals then say ``revised`` where they do not begin
with the text that was committed before; a caller who shows the newest text of a chunk sees no
difference. ``words`` of a stream says which transcripts carry words with times: ``final`` (ends of
utterances, the default), ``interim`` (interims too), or ``none``.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode, urlsplit, urlunsplit

import websocket

DEFAULT_URL = "ws://127.0.0.1:5055"
URL_NAMES = ("STT_URL", "TRANSCRIBE_SERVER_URL")
KEY_NAME = "STT_API_KEY"
PING_INTERVAL = 15.0  # s (native C18)
CONNECT_TIMEOUT = 10.0  # s, for the connection and its handshake
DOORS = ("/transcribe", "/stt/stream")  # what somebody may have written behind the address
SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}

Event: TypeAlias = dict[str, Any]
"""A message of the service, as JSON has it (native section 11.1)."""


class ClientError(Exception):
    """The service cannot be reached, refused, failed, or hung up; says which."""


def default_url(environ: Mapping[str, str] = os.environ) -> str:
    """The address of the service: of the environment, else of this machine."""
    return next((environ[name] for name in URL_NAMES if environ.get(name)), DEFAULT_URL)


def endpoint(url: str, door: str, *, live: bool, query: Mapping[str, str | None]) -> str:
    """The address of one door of the service at ``url``, whatever door and scheme ``url`` names.

    Raises ClientError when ``url`` is no http, https, ws or wss address.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.netloc:
        raise ClientError(f"{url!r} is no address such as {DEFAULT_URL}")
    base = parts.path.rstrip("/")
    for known in DOORS:
        base = base.removesuffix(known)
    scheme = SCHEMES[parts.scheme] if live else SCHEMES[parts.scheme].replace("ws", "http")
    fields = urlencode({name: value for name, value in query.items() if value})
    return urlunsplit((scheme, parts.netloc, base + door, fields, ""))


def transcribe(
    path: str | Path,
    *,
    url: str | None = None,
    language: str | None = None,
    hotwords: str | None = None,
    final: str | None = None,
    key: str | None = None,
    timeout: float = 3600.0,
    **options: str,
) -> dict[str, Any]:
    """Send an audio file of any format, wait for its transcript.

    ``options`` are further fields of the request, such as ``response_format="verbose_json"``.
    Returns the JSON answer; its text is under ``"text"``. Raises ClientError, and OSError when the
    file cannot be read.
    """
    query = {"language": language, "hotwords": hotwords, "final": final, **options}
    address = endpoint(url or default_url(), "/transcribe", live=False, query=query)
    headers = {"Content-Type": "application/octet-stream", **credentials(key)}
    with open(path, "rb") as audio:
        size = os.fstat(audio.fileno()).st_size
        if not size:
            raise ClientError(f"{path} is empty")
        headers["Content-Length"] = str(size)
        request = urllib.request.Request(address, data=audio, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise ClientError(f"{error.code}: {_reason(error.read())}") from error
        except OSError as error:  # refused, unreachable, timed out, cut off
            raise ClientError(f"no answer from {address}: {error}") from error
    try:
        transcript: dict[str, Any] = json.loads(body)
    except ValueError as error:
        raise ClientError(f"{address} answered something that is not JSON") from error
    return transcript


def stream(
    chunks: Iterable[bytes],
    *,
    url: str | None = None,
    language: str | None = None,
    hotwords: str | None = None,
    final: str | None = None,
    words: str | None = None,
    sample_rate: int = 16_000,
    chunk_id: str | None = None,
    key: str | None = None,
    timeout: float = 60.0,
    **options: str,
) -> Iterator[Event]:
    """Send live audio, yield what the service says as it says it.

    ``chunks`` are int16 little-endian mono at ``sample_rate``, of any length; they are taken by a
    thread of their own, which may block. The first event is the greeting; then, for each utterance,
    ``chunk``, transcripts with ``is_final: false``, and one with ``is_final: true``. After the last
    chunk the final of an utterance that still goes on is asked for, and the stream ends with it.
    When ``chunks`` pauses in mid-utterance, its final comes after a few seconds all the same.
    With ``chunk_id`` all of the audio is one chunk of this name, with one final at the end.

    ``options`` are further parameters of the query, such as ``prompt="..."`` or ``text="delta"``.

    Raises ClientError when the service cannot be reached, hangs up, or is silent for ``timeout``
    seconds at the end; and whatever ``chunks`` raises.
    """
    query = {
        "auto_chunk": None if chunk_id else "1", "sample_rate": str(sample_rate),
        "language": language, "hotwords": hotwords, "final": final, "words": words, **options,
    }  # fmt: skip
    address = endpoint(url or default_url(), "/stt/stream", live=True, query=query)
    socket = _connect(address, key)
    try:
        yield from _Live(socket, timeout).run(chunks, chunk_id)
    finally:
        with suppress(OSError, websocket.WebSocketException):
            socket.close(timeout=1)
        # close() does nothing where the service closed first
        socket.shutdown()  # type: ignore[no-untyped-call]


def _connect(address: str, key: str | None) -> websocket.WebSocket:
    header = [f"{name}: {value}" for name, value in credentials(key).items()]
    try:
        socket = websocket.create_connection(
            address, timeout=CONNECT_TIMEOUT, header=header, suppress_origin=True,
            enable_multithread=True,
        )  # fmt: skip
    except websocket.WebSocketBadStatusException as error:
        body = error.resp_body or b""
        raise ClientError(f"{error.status_code}: {_reason(body)}") from error
    except (OSError, websocket.WebSocketException) as error:
        raise ClientError(f"no connection to {address}: {error}") from error
    socket.settimeout(None)
    return socket


class _Live:
    """One stream: a thread sends, a thread receives, a thread pings; ``run`` hands events on.

    A thread receives even while the caller thinks, so the service never finds us slow (native C18).
    """

    def __init__(self, socket: websocket.WebSocket, timeout: float) -> None:
        self._socket = socket
        self._timeout = timeout
        self._inbox: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()
        self._numbers = count(1)
        self._pinging = threading.Lock()
        """Pings leave in the order of their numbers: of merged ones the newest is answered."""
        self._over = threading.Event()
        self._sent_all: int | None = None
        """A ping with this number or a higher one left after all audio."""
        self._open: list[str] = []
        """Chunks without their final, in the order they were announced."""

    def run(self, chunks: Iterable[bytes], chunk_id: str | None) -> Iterator[Event]:
        """Yield events until everything is said."""
        if chunk_id:
            self._say({"type": "set_chunk", "chunk_id": chunk_id})
            self._open.append(chunk_id)
        for work in (self._receive, self._keep_alive, lambda: self._send(chunks)):
            threading.Thread(target=work, daemon=True).start()  # daemon: chunks may block for ever
        try:
            while True:
                event = self._next()
                if event.get("type") != "pong":
                    self._follow(event)
                    yield event
                elif self._sent_all is not None and (event.get("id") or 0) >= self._sent_all:
                    yield from self._finish()
                    return
        finally:
            self._over.set()

    def _finish(self) -> Iterator[Event]:
        """All audio has been heard: ask for the final that speech alone would not bring."""
        if self._open:
            self._say({"type": "finalize_chunk", "chunk_id": self._open[-1]})
        while self._open:
            event = self._next()
            if event.get("type") != "pong":
                self._follow(event)
                yield event

    def _follow(self, event: Event) -> None:
        if event.get("type") == "chunk":
            self._open.append(event["chunk_id"])
        elif event.get("is_final") and event.get("chunk_id") in self._open:
            self._open.remove(event["chunk_id"])

    def _next(self) -> Event:
        """The next event; once all audio is sent, within the time limit."""
        while True:
            limit = self._timeout if self._sent_all else None
            try:
                event = self._inbox.get(timeout=limit)
            except queue.Empty:
                raise ClientError(f"no answer within {self._timeout:g} s") from None
            if isinstance(event, BaseException):
                raise event
            if event:
                return event

    def _say(self, message: Event) -> None:
        with suppress(OSError, websocket.WebSocketException):  # the receiver knows why
            self._socket.send(json.dumps(message))

    def _send(self, chunks: Iterable[bytes]) -> None:
        """Thread: all audio, then a ping whose pong says that it was heard."""
        try:
            for chunk in chunks:
                if self._over.is_set():
                    return
                self._socket.send_binary(chunk)
        except (websocket.WebSocketException, ConnectionError):
            return  # the receiver knows why
        except BaseException as error:
            self._inbox.put(error)
            return
        with self._pinging:
            self._sent_all = next(self._numbers)
            self._inbox.put({})  # wakes a reader that waits without limit
            self._say({"type": "ping", "id": self._sent_all})

    def _keep_alive(self) -> None:
        """Thread: a ping now and then, so that nobody in between takes us for gone."""
        while not self._over.wait(PING_INTERVAL):
            with self._pinging:
                self._say({"type": "ping", "id": next(self._numbers)})

    def _receive(self) -> None:
        """Thread: everything the service says, until it hangs up."""
        try:
            while True:
                opcode, data = self._socket.recv_data()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    code, why = int.from_bytes(data[:2], "big"), data[2:].decode("utf-8", "replace")
                    raise ClientError(f"the service closed the connection: {code} {why}".rstrip())
                self._inbox.put(json.loads(data))
        except ClientError as error:
            self._inbox.put(error)
        except (OSError, ValueError, websocket.WebSocketException) as error:
            self._inbox.put(ClientError(f"the connection broke: {error}"))


def credentials(key: str | None) -> dict[str, str]:
    """The header that carries a key: this one, else the environment's, else none."""
    key = key or os.environ.get(KEY_NAME)
    return {"Authorization": f"Bearer {key}"} if key else {}


def _reason(body: bytes) -> str:
    """What an error answer says, in whichever shape it says it."""
    text = body.decode("utf-8", "replace").strip()
    try:
        error = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        return text[:200] or "no reason given"
    return str(error.get("message") if isinstance(error, dict) else error)

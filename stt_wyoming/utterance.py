"""One utterance: a client's audio on its way to the service, and the text on its way back.

The connection belongs to the event loop; the service's client (`stt_client`) blocks, and so has a
thread of its own for as long as the utterance lasts.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, ClassVar

from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.event import Event

from stt_client.client import ClientError, stream
from stt_wyoming.about import Service
from stt_wyoming.samples import Form, Mono

PIECE = 16_384  # bytes of a message to the service: half a second at 16 kHz
AHEAD = 200  # pieces that wait for the service; then the client has to (RT-27)
LOOK = 0.05  # s from one look to the next whether they do
IDLE = 60.0  # s without audio after which a client is taken for gone
TENANT = "wyoming"  # where the service keeps the transcripts, unless a key says otherwise
MAX_HINT = 1000  # characters of hot words that the service takes

Write = Callable[[Event], Awaitable[None]]


class Left(Exception):
    """The client has gone, and nobody waits for the text."""


class Utterance:
    """See the module's docstring. All methods belong to the event loop's thread."""

    _newest: ClassVar[int] = 0
    """The name of the newest one's transcript, ms since 1970: none takes the place of another."""

    def __init__(self, service: Service, wish: Transcribe, form: Form, write: Write) -> None:
        """Begin; ``wish`` is what the client asked for before, ``write`` says events to it."""
        self._service = service
        self._wish = wish
        self._write = write
        self._rate = form.served_rate
        self._mono = Mono(self._rate)
        self._audio: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._heard: asyncio.Queue[dict[str, Any] | Exception | None] = asyncio.Queue()
        self._over = threading.Event()
        self._dropped = False
        Utterance._newest = max(Utterance._newest + 1, time.time_ns() // 1_000_000)
        self._name = str(Utterance._newest)
        self._loop = asyncio.get_running_loop()
        self._said: str | None = None
        """What was said in chunks; None: nothing, not even that a transcript begins."""
        threading.Thread(target=self._talk, name="wyoming-utterance", daemon=True).start()

    async def feed(self, form: Form, audio: bytes) -> None:
        """Take audio; waits while the service is behind."""
        data = self._mono.convert(form, audio)
        for at in range(0, len(data), PIECE):
            while self._audio.qsize() > AHEAD and not self._over.is_set():
                await asyncio.sleep(LOOK)
            self._audio.put(data[at : at + PIECE])

    def end(self) -> None:
        """There is no more audio."""
        self._audio.put(None)

    def drop(self) -> None:
        """Nobody wants the text any more."""
        self._dropped = True
        self._audio.put(None)  # wakes who waits for audio

    async def answer(self) -> None:
        """Say the text as it comes, until all of it is said (client WY3, WY4).

        Raises ClientError where the service does not bring it to the end.
        """
        problem = ""
        while (heard := await self._heard.get()) is not None:
            if isinstance(heard, Left):
                return
            if isinstance(heard, Exception):
                raise ClientError(problem or str(heard)) from heard
            if heard.get("type") == "error":
                problem = str(heard.get("message"))
            elif heard.get("type") == "transcript":
                await self._say(heard)

    async def _say(self, transcript: dict[str, Any]) -> None:
        """What is new of the text that will not change; at the end all of it."""
        is_final = bool(transcript.get("is_final"))
        text = str(transcript.get("text" if is_final else "committed", ""))
        language = transcript.get("language")
        if self._said is None and (text or is_final):
            self._said = ""
            await self._write(TranscriptStart(language=language).event())
        if self._said is not None and len(text) > len(self._said) and text.startswith(self._said):
            await self._write(TranscriptChunk(text[len(self._said) :]).event())
            self._said = text
        if is_final:
            await self._write(Transcript(text, language=language).event())
            await self._write(TranscriptStop().event())

    def _talk(self) -> None:
        """Thread: all of the talk with the service."""
        language = self._wish.language or self._service.language
        try:
            for event in stream(
                self._pieces(),
                url=self._service.url,
                key=self._service.key,
                language=None if language is None else code_of(language),
                hotwords=hints_of(self._wish),
                sample_rate=self._rate,
                words="none",
                chunk_id=self._name,
                tenant_id=TENANT,
            ):
                self._tell(event)
            self._tell(None)
        except Exception as error:
            self._tell(error)
        finally:
            self._over.set()

    def _pieces(self) -> Iterator[bytes]:
        """Thread of the client's: the audio, for as long as it comes."""
        while True:
            try:
                piece = self._audio.get(timeout=IDLE)
            except queue.Empty:
                raise ClientError(f"no audio for {IDLE:g} s") from None
            if self._dropped:
                raise Left
            if piece is None:
                return
            yield piece

    def _tell(self, what: dict[str, Any] | Exception | None) -> None:
        with suppress(RuntimeError):  # the program is ending, and its loop is closed
            self._loop.call_soon_threadsafe(self._heard.put_nowait, what)


def code_of(language: str) -> str:
    """Home Assistant's `en-GB` as Whisper knows it: `en`."""
    return language.replace("_", "-").partition("-")[0].lower()


def hints_of(wish: Transcribe) -> str | None:
    """Names before terms, as they count for more, and as many as the service takes."""
    text = ""
    for name in (*(wish.transcript_names or ()), *(wish.transcript_terms or ())):
        longer = f"{text}, {name}" if text else str(name)
        if len(longer) > MAX_HINT:
            break
        text = longer
    return text or None

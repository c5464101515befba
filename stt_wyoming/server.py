"""The Wyoming protocol: one connection of a client, as the wyoming library hands it over.

Frames, sockets and the events' fields are the library's business. Whatever goes wrong is said to
this client in an `error`, ends at most this connection, and never the program.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe
from wyoming.ping import Ping, Pong
from wyoming.server import AsyncEventHandler

from stt_client.client import ClientError
from stt_wyoming.about import Service, describe
from stt_wyoming.samples import BadAudio, Form
from stt_wyoming.utterance import Utterance

log = logging.getLogger("stt.wyoming")

MAX_PART = 16 << 20  # bytes of an event's data or payload: 8 minutes of audio in one chunk


class Bounded:
    """A stream that the library reads events from, which refuses to hold an endless one."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def readexactly(self, size: int) -> bytes:
        """As a StreamReader's; the library takes a ValueError for the end of the connection."""
        if size > MAX_PART:
            raise ValueError(f"{size} bytes in one event")
        return await self._reader.readexactly(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


class Handler(AsyncEventHandler):
    """One connection: any number of utterances, one at a time (client WY5)."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, service: Service
    ) -> None:
        super().__init__(reader, writer)
        self.reader = Bounded(reader)  # type: ignore[assignment]
        self._service = service
        self._wish = Transcribe()
        self._utterance: Utterance | None = None
        self._answers: asyncio.Task[None] | None = None
        self._deaf = False
        """An utterance has failed: the rest of its audio is thrown away. To hang up at once would
        keep the reason from a client that reads nothing before it has sent all."""

    async def run(self) -> None:
        """Serve the client until it leaves. Never raises."""
        try:
            await super().run()
        except (OSError, EOFError):
            log.info("a client left in the middle of an event")
        except Exception as error:  # its frame is of a form that the library did not expect
            log.warning("a client sent something that is not Wyoming: %s", error)

    async def handle_event(self, event: Event) -> bool:
        """Do what an event says; whether the connection goes on (client WY1 to WY3)."""
        if self._deaf:
            return not AudioStop.is_type(event.type)
        try:
            await self._handle(event)
        except (BadAudio, ClientError) as error:
            await self._complain(str(error))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            await self._complain(f"{str(event.type)[:40]} is not as Wyoming has it: {error!r:.100}")
        else:
            return True
        await self.disconnect()
        self._deaf = AudioStart.is_type(event.type) or AudioChunk.is_type(event.type)
        return self._deaf

    async def disconnect(self) -> None:
        """The client has left, or is to."""
        if self._utterance is not None:
            self._utterance.drop()

    async def _handle(self, event: Event) -> None:
        if Describe.is_type(event.type):
            await self.write_event((await asyncio.to_thread(describe, self._service)).event())
        elif Ping.is_type(event.type):
            await self.write_event(Pong(text=Ping.from_event(event).text).event())
        elif Transcribe.is_type(event.type):
            self._wish = Transcribe.from_event(event)
        elif AudioStart.is_type(event.type):
            await self._begin(Form.of(event.data))
        elif AudioChunk.is_type(event.type):
            form = Form.of(event.data)
            utterance = self._utterance or await self._begin(form)
            await utterance.feed(form, event.payload or b"")
        elif AudioStop.is_type(event.type) and self._utterance is not None:
            self._utterance.end()
            self._utterance = None
        else:
            log.debug("an event of type %.40s is not for us", event.type)

    async def _begin(self, form: Form) -> Utterance:
        """The next utterance, when the text of the one before is said."""
        if self._utterance is not None:
            self._utterance.end()
        if self._answers is not None:
            await self._answers
        wish, self._wish = self._wish, Transcribe()
        self._utterance = Utterance(self._service, wish, form, self.write_event)
        self._answers = asyncio.create_task(self._answer(self._utterance))
        return self._utterance

    async def _answer(self, utterance: Utterance) -> None:
        """Say the text. A client that gets none is told why, and hung up on when it has sent all.

        Home Assistant then reads until a transcript comes or the connection ends.
        """
        try:
            await utterance.answer()
        except ClientError as error:
            await self._complain(str(error))
            if utterance is self._utterance:
                self._deaf = True
            else:
                await self.stop()
        except OSError:
            log.info("a client left before its text was said")

    async def _complain(self, sentence: str) -> None:
        log.warning("%s", sentence)
        try:
            await self.write_event(Error(text=sentence).event())
        except OSError:
            log.info("a client left before it was told what was wrong")

"""What a session says: order, store, repetition, latency."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from stt.events import Final, Word
from stt.protocols.base import AudioFormat
from stt.replies import Pong, Transcript, Usage
from stt.speech.options import SpeechOptions
from stt.store.table import open_store
from stt_ingest import JobQueue
from stt_outbox import Closing, Outbox
from stt_surroundings import Surroundings
from stt_timers import Timers
from stt_track import Track
from stt_voice import FINALS_KEPT, Voice
from tests.service import WAIT, Facts, pcm
from tests.speech import speech

USAGE = Usage(2.0, 1.0)


class Room:
    """A voice with its surroundings, and what it says."""

    def __init__(self) -> None:
        self.facts = Facts()
        self.store = open_store("memory:")
        self.published: list[tuple[str, Transcript]] = []
        self.outbox = Outbox()
        around = Surroundings(
            JobQueue(),
            self.store,
            Timers(),
            self.facts,
            lambda tenant, said: self.published.append((tenant, said)),
        )
        self.voice = Voice("s", "t", around, self.outbox)
        self.track = Track("7", SpeechOptions(), AudioFormat())
        self.track.feed(pcm(speech(1.0)), time.monotonic())

    def says(self, said: Transcript, utterance: Final | None = None) -> Transcript:
        """What the client gets for a transcript."""
        self.voice.publish(self.track, said, utterance, USAGE)
        reply = self.outbox.get(0)
        assert isinstance(reply, Transcript)
        return reply


@pytest.fixture
def room() -> Iterator[Room]:
    """A room of its own."""
    made = Room()
    yield made
    made.store.close()


def test_an_interim_is_sent_and_not_stored(room: Room) -> None:
    """It carries its session; no usage, no store, no repetition."""
    reply = room.says(Transcript("7", "one", " two"))

    assert (reply.session_id, reply.usage, reply.stored, reply.seq) == ("s", None, None, 1)
    assert room.published == [("t", Transcript("7", "one", " two", session_id="s"))]
    assert not room.voice.has_final("7")
    assert not room.voice.repeat("7")


def test_a_final_is_stored_with_its_words(room: Room) -> None:
    """Its future is done when the store has it; it carries the usage (M9, DM7)."""
    reply = room.says(Transcript("7", "one", is_final=True, words=(Word(" one", 0.5, 1.0, 0.9),)))

    assert reply.usage == USAGE
    assert reply.stored is not None
    reply.stored.result(WAIT)
    row = room.store.get("t", "7")
    assert row is not None
    assert (row.text, row.is_final, row.ticket) == ("one", True, room.track.ticket)
    assert json.loads(row.words) == [
        {"word": "one", "start_ms": 500, "end_ms": 1000, "probability": 0.9}
    ]


def test_an_endpoint_is_stored_as_not_final(room: Room) -> None:
    """What is committed at an endpoint survives a crash before the chunk's final."""
    reply = room.says(Transcript("7", "one", speech_final=True))

    assert reply.stored is not None
    reply.stored.result(WAIT)
    row = room.store.get("t", "7")
    assert row is not None
    assert not row.is_final
    assert reply.usage is None


def test_an_empty_final_is_not_stored(room: Room) -> None:
    """It neither erases a transcript nor creates one (B6)."""
    stored = room.says(Transcript("7", "one", is_final=True)).stored
    assert stored is not None
    stored.result(WAIT)

    assert room.says(Transcript("7", "", is_final=True, reason="filtered")).stored is None
    assert room.says(Transcript("8", "", is_final=True, reason="silence")).stored is None

    assert [(row.chunk_id, row.text) for row in room.store.chunks("t")] == [("7", "one")]


def test_a_final_is_repeated_as_it_was(room: Room) -> None:
    """By its name, or the newest one; without usage, and not stored again (W7)."""
    room.says(Transcript("7", "one", is_final=True))
    room.says(Transcript("8", "two", is_final=True))

    for chunk_id, text in (("7", "one"), (None, "two")):
        assert room.voice.repeat(chunk_id)
        again = room.outbox.get(0)
        assert isinstance(again, Transcript)
        assert (again.committed, again.is_final) == (text, True)
        assert (again.usage, again.stored, again.session_id) == (None, None, "s")
    assert not room.voice.repeat("9")


def test_finals_are_kept_in_bounds(room: Room) -> None:
    """The newest finals can be asked for again; memory does not grow with the chunks (W7)."""
    for number in range(FINALS_KEPT + 1):
        room.says(Transcript(str(number), "", is_final=True))

    assert not room.voice.has_final("0")
    assert room.voice.has_final("1")
    assert room.voice.has_final(str(FINALS_KEPT))


def test_s7_latency_counts_from_the_arrival_of_the_utterances_end(room: Room) -> None:
    """The time a user felt (B34, S5): since its end was there; without a usable end none (S7)."""
    room.track = Track("7", SpeechOptions(), AudioFormat())
    now = time.monotonic()
    long_ago = now - 5
    room.track.feed(pcm(speech(1.0)), long_ago)
    room.track.feed(pcm(speech(1.0)), now)

    early = room.says(Transcript("7", "one", speech_final=True), Final(0, "one", 0.0, 0.9))
    fresh = room.says(Transcript("7", "one", speech_final=True), Final(1, "one", 0.0, 1.5))
    unheard = room.says(Transcript("7", "one", speech_final=True), Final(2, "", 1.6, 1.7))
    unknown = room.says(Transcript("7", "one", speech_final=True), Final(3, "one", 0.0, 9.0))

    assert early.arrived == long_ago
    assert fresh.arrived == now
    assert unknown.arrived is None
    assert unheard.arrived is None


def test_after_the_end_nothing_is_sent_and_nobody_minds(room: Room) -> None:
    """A closed outbox takes no reply; the text is stored and published all the same (W23)."""
    room.outbox.close()

    room.voice.put(Pong())
    room.voice.publish(room.track, Transcript("7", "one", is_final=True), None, USAGE)

    assert isinstance(room.outbox.get(0), Closing)
    assert len(room.published) == 1


def test_loops_that_were_cut_out_are_counted(room: Room) -> None:
    """Of the final of each utterance (REC-14)."""
    utterance = Final(0, "one", 0.0, 0.5, loops=3)

    room.says(Transcript("7", "one", speech_final=True), utterance)
    room.says(Transcript("7", "one", " two"))

    assert room.facts.loops == 3

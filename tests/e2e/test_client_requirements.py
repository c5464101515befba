"""The requirements of client section 9.1 that speak of sockets, over each door (S2 to S18)."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sounds import FAST, FRAME, b64, counted, quiet, spoken, voice
from tests.e2e.test_deepgram import LINEAR, Listen, finals, text
from tests.e2e.test_realtime import AT_16, TRANSCRIPTION, VAD, Client
from tests.live import Hark, hark
from tests.sockets import BINARY, CLOSE, PING, PONG, TEXT, Frames, until

Message = tuple[int, bytes]


@dataclass(frozen=True)
class Door:
    """One of the service's protocols, as bytes of messages."""

    path: str
    done: str
    """The client's word that ends what it has said."""
    setting: str | None = None
    enveloped: bool = False
    """Audio comes in JSON."""

    def audio(self, data: bytes) -> Message:
        """A message with audio."""
        if not self.enveloped:
            return BINARY, data
        event = {"type": "input_audio_buffer.append", "audio": b64(data)}
        return TEXT, json.dumps(event).encode()

    def open(self, service: Hark) -> Frames:
        """A client that has set what it needs."""
        peer = Frames(service.port, self.path)
        assert peer.answer.status == 101
        if self.setting is not None:
            peer.send(TEXT, self.setting.encode())
        return peer

    def say(self, peer: Frames, data: bytes) -> None:
        """Audio in messages of 100 ms."""
        for at in range(0, len(data), FRAME):
            peer.send(*self.audio(data[at : at + FRAME]))

    def end(self, peer: Frames) -> None:
        """What was said is all for now."""
        peer.send(TEXT, self.done.encode())


def manual() -> str:
    """The update of a client that commits."""
    session = {"audio": {"input": {"format": AT_16, "turn_detection": None}}}
    return json.dumps({"type": "session.update", "session": session})


DOORS = {
    "native": Door("/stt/stream?auto_chunk=1", '{"type":"finalize_chunk"}'),
    "realtime": Door("/v1/realtime", '{"type":"input_audio_buffer.commit"}', manual(), True),
    "deepgram": Door(f"/v1/listen?{LINEAR}", '{"type":"Finalize"}'),
}
every_door = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)


def final_text(message: bytes) -> str | None:
    """The text of a final, whatever its protocol; None: it is something else."""
    event = json.loads(message)
    if event["type"] == f"{TRANSCRIPTION}.completed":
        return str(event["transcript"])
    if event["type"] == "Results" and event["is_final"]:
        return text(event)
    return str(event["text"]) if event.get("is_final") and "text" in event else None


def heard(peer: Frames) -> str:
    """The text of the next final."""
    while (message := peer.message()) is not None:
        if (said := final_text(message)) is not None:
            return said
    raise AssertionError("the connection ended before the final")


def metric(service: Hark, name: str) -> float:
    """A number at /metrics, summed over its labels."""
    page = service.ask("GET", "/metrics").body.decode()
    found = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE)
    assert found, name
    return sum(map(float, found))


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    with hark(tmp_path_factory.mktemp("requirements"), **FAST) as service:
        yield service


@pytest.fixture(name="slow", scope="module")
def _slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    """Its engine takes 0.6 s for anything."""
    settings = {"STT_FAKE_DELAY_MS": "600", "STT_ADMISSION": "0"}
    with hark(tmp_path_factory.mktemp("slow"), **FAST, **settings) as service:
        yield service


# Seconds and times.


def test_s2_native_usage_grows_and_stays_below_what_was_sent(service: Hark) -> None:
    """With each final and once at the close: cumulative seconds, received and of speech (S2)."""
    with service.connect("?session_id=s2") as stream:
        told = [spoken(stream, str(number), voice(1) + quiet(1))["usage"] for number in range(1, 4)]
        for _ in range(50):
            stream.send(type="nonsense")
        last = [event for event in stream.to_the_end() if event["type"] == "usage"]

    assert [usage["received_s"] for usage in told] == [2.0, 4.0, 6.0]
    speech = [usage["speech_s"] for usage in told]
    assert speech == sorted(speech)
    assert 2.5 < speech[-1] <= 6.0
    assert [(end["received_s"], end["speech_s"]) for end in last] == [(6.0, speech[-1])]


def test_s2_realtime_seconds_of_items_sum_up_to_no_more_than_was_sent(service: Hark) -> None:
    """`usage` of each item; the session's seconds are logged at its close (S2)."""
    with Client(service) as client:
        client.configure(format=AT_16, turn_detection=VAD)
        seconds = []
        for _ in range(3):
            client.append(voice(1) + quiet(0.7))
            seconds.append(client.completed()["usage"]["seconds"])

    assert min(seconds) > 0.9
    assert sum(seconds) <= 5.1
    until(lambda: "session closed received_s=5.100 speech_s=" in service.log.read_text())


def test_s2_deepgram_durations_sum_up_to_no_more_than_metadata_says(service: Hark) -> None:
    """Finals cover parts of the audio that do not overlap; Metadata has all of it (S2, S3)."""
    with Listen(service) as client:
        client.audio(voice(1) + quiet(1) + voice(2) + quiet(1))
        client.send("CloseStream")
        client.socket.send_binary(voice(1))  # too late: refused, and not counted
        events = client.to_the_end()

    total = sum(event["duration"] for event in finals(events))
    assert 2.5 < total <= events[-1]["duration"] == 5.0


def test_s4_native_finals_have_their_times(service: Hark) -> None:
    """On the session's clock, over several chunks; the end is the last word's (S4)."""
    with service.connect("?auto_chunk=1") as stream:
        ends = []
        for _ in range(2):
            stream.audio(quiet(1) + voice(2) + quiet(2))
            ends.append(stream.final())

    assert [end["start_ms"] for end in ends] == pytest.approx([1000, 6000], abs=150)
    assert [end["end_ms"] for end in ends] == pytest.approx([3000, 8000], abs=400)  # its words
    assert all(end["end_ms"] == end["words"][-1]["end_ms"] for end in ends)


def test_s4_deepgram_finals_have_their_times(service: Hark) -> None:
    """Ranges on the stream's clock hold their words, also where Finalize asked for them (S4)."""
    with Listen(service) as client:
        client.audio(quiet(1) + voice(2) + quiet(1.5))
        client.audio(voice(2))
        client.send("Finalize")
        client.finalized()
        said = finals(client.events)

    assert [event["start"] for event in said] == pytest.approx([1.0, 4.5], abs=0.15)
    for event in said:
        words = event["channel"]["alternatives"][0]["words"]
        end = event["start"] + event["duration"]
        assert event["start"] <= words[0]["start"]
        assert words[-1]["end"] <= end <= words[-1]["end"] + 0.4


@pytest.mark.parametrize("turns", [None, VAD], ids=["commits", "detected"])
def test_s4_realtime_times_go_on_over_items(service: Hark, turns: object) -> None:
    """Speech has its place on the session's clock; committed items follow each other (S4)."""
    with Client(service) as client:
        client.configure(format=AT_16, turn_detection=turns)
        seconds = []
        for _ in range(2):
            client.append(quiet(1) + voice(2) + quiet(1))
            if turns is None:
                client.commit()
            seconds.append(client.completed()["usage"]["seconds"])
        ends = [e["audio_end_ms"] for e in client.events if e["type"].endswith("speech_stopped")]

    if turns is None:
        assert seconds == [4.0, 4.0]
    else:
        assert ends == pytest.approx([3000, 7000], abs=250)


@every_door
def test_s5_each_final_exports_and_logs_its_latency(service: Hark, door: Door) -> None:
    """Of each utterance with words, once, over every door; a silent one has none (S5, S7)."""
    name = "hark_utterance_end_latency_seconds_count"
    before = metric(service, name)
    lines = service.log.read_text().count("utterance_end_latency=")

    with door.open(service) as peer:
        for _ in range(3):
            door.say(peer, voice(1))
            door.end(peer)
            assert heard(peer) == counted(1)
        door.say(peer, quiet(1))
        door.end(peer)
        peer.send(PING)
        while (got := peer.read()) is not None and got[0] != PONG:
            pass

    assert metric(service, name) == before + 3
    assert service.log.read_text().count("utterance_end_latency=") == lines + 3


def test_s5_the_latency_has_all_that_a_user_waits(slow: Hark) -> None:
    """From the arrival of the frame with the end: the engine's time is in it (S5)."""
    with slow.connect() as stream:
        stream.send(type="set_chunk", chunk_id="1")
        stream.audio(voice(1))
        stream.audio(quiet(3))
        end = stream.until(lambda event: event.get("speech_final"))

    assert end["latency_ms"] >= 600


def test_s15_no_latency_of_a_session_that_reconnects_is_older_than_it(slow: Hark) -> None:
    """Its clock is at 0 again, its audio and its arrivals are its own (S15)."""
    ends = []
    for seconds in (3, 1):
        with slow.connect("?session_id=s15") as stream:
            ends.append(spoken(stream, "1" * seconds, voice(seconds)))
        until(lambda: slow.get("/healthz")["sessions"] == 0)

    assert [end["usage"]["received_s"] for end in ends] == [3.0, 1.0]
    assert [end["start_ms"] for end in ends] == pytest.approx([0, 0], abs=100)
    assert [end["end_ms"] for end in ends] == pytest.approx([3000, 1000], abs=100)


# One writer, and order.


@every_door
def test_s8_pings_between_fragments_break_no_frame(service: Hark, door: Door) -> None:
    """1,000 of them, each answered in order, while transcripts are sent (S8)."""
    audio = voice(5)
    with door.open(service) as peer:
        number = 0
        for at in range(0, len(audio), FRAME):
            opcode, data = door.audio(audio[at : at + FRAME])
            size = -(-len(data) // 20)
            for cut in range(0, 20 * size, size):
                peer.send(opcode if cut == 0 else 0, data[cut : cut + size], fin=cut == 19 * size)
                peer.send(PING, str(number).encode())
                number += 1
        door.end(peer)
        pongs, final = [], None
        while final is None or len(pongs) < number:
            opcode, data = peer.read() or (CLOSE, b"")
            assert opcode in (TEXT, PONG)
            if opcode == PONG:
                pongs.append(int(data))
            else:
                final = final_text(data) if final is None else final

    assert number == 1000
    assert pongs == list(range(1000))
    assert final == counted(5)


@every_door
def test_s9_the_end_comes_after_all_audio_before_it(service: Hark, door: Door) -> None:
    """Sent at once, twice in a row: each answer has its own audio, all of it (S9)."""
    with door.open(service) as peer:
        for seconds in (3, 2):
            door.say(peer, voice(seconds))
            door.end(peer)

        assert [heard(peer), heard(peer)] == [counted(3), counted(2)]


@every_door
def test_s18_a_pong_does_not_wait_for_the_engine(slow: Hark, door: Door) -> None:
    """It comes before the final that was asked for before it (S18)."""
    with door.open(slow) as peer:
        door.say(peer, voice(1))
        door.end(peer)
        peer.send(PING, b"now")
        while (got := peer.read()) is not None and got[0] != PONG:
            assert got[0] == TEXT
            assert final_text(got[1]) is None

        assert got == (PONG, b"now")
        assert heard(peer) == counted(1)


# Ids, and ends.


@every_door
def test_s13_nothing_follows_a_final_and_no_id_comes_twice(service: Hark, door: Door) -> None:
    """Of four sessions at once with three items each; deltas add up to the final (S13)."""
    events: list[list[dict[str, Any]]] = []

    def talk() -> None:
        mine: list[dict[str, Any]] = []
        with door.open(service) as peer:
            for _ in range(3):
                door.say(peer, voice(2))
                door.end(peer)
                while (message := peer.message()) is not None:
                    mine.append(json.loads(message))
                    if final_text(message) is not None:
                        break
        events.append(mine)

    together([talk] * 4)

    ids = [name for mine in events for name in ended(mine)]
    assert len(ids) == len(set(ids)) == 12
    for mine in events:
        for name, at in ended(mine).items():
            about = [n for n, event in enumerate(mine) if item(event) == name]
            assert max(about) == at
            deltas = "".join(mine[n].get("delta", "") for n in about)
            assert deltas == mine[at].get("transcript", "")


def item(event: dict[str, Any]) -> object:
    """What an event is about; Deepgram's have a request and a place in its audio."""
    if event["type"] == "Results":
        return event["metadata"]["request_id"], event["start"]
    return event.get("item_id") or event.get("chunk_id")


def ended(events: list[dict[str, Any]]) -> dict[object, int]:
    """Where the final of each item stands."""
    return {
        item(event): at
        for at, event in enumerate(events)
        if final_text(json.dumps(event).encode()) is not None
    }


def together(calls: list[Callable[[], None]]) -> None:
    """All at once, each in a thread of its own."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


@every_door
def test_s12_a_thousand_clients_that_vanish_leave_nothing(service: Hark, door: Door) -> None:
    """In any state: greeted, in mid-message, in mid-utterance, waiting for a final (S12)."""
    with door.open(service) as peer:
        door.say(peer, voice(1))
        door.end(peer)
        assert heard(peer) == counted(1)
    until(lambda: service.get("/healthz")["sessions"] == 0)
    threads = len(list(tasks(service)))
    opcode, audio = door.audio(voice(0.4))

    for number in range(1000):
        with door.open(service) as peer:
            if number % 4 == 1:
                peer.send(opcode, audio[:100], fin=False)
            elif number % 4 > 1:
                peer.send(opcode, audio)
            if number % 4 == 3:
                door.end(peer)
            peer.reset()

    until(lambda: service.get("/healthz")["sessions"] == 0, 20)
    until(lambda: metric(service, "hark_queue_depth") == metric(service, "hark_sessions") == 0, 20)
    # Those that answered at once stay, for whoever comes next; two for each client would be 2,000.
    until(lambda: len(list(tasks(service))) <= threads + 100)
    with door.open(service) as peer:
        door.say(peer, voice(1))
        door.end(peer)
        assert heard(peer) == counted(1)


def tasks(service: Hark) -> Iterator[Path]:
    """The threads of all processes of a service."""
    group = str(service.process.pid)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if fields[2] == group:
                yield from (process / "task").iterdir()
        except OSError:
            continue  # it has ended

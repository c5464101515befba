"""The codec of one Realtime connection, over a session that really runs."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.engines.fake import FakeEngine
from stt.errors import BadInput, EngineError, STTError
from stt.events import Kind, Window
from stt.protocols.base import Say
from stt.protocols.realtime import RealtimeProtocol
from stt.protocols.realtime_session import Config, Format, ServerVad
from stt.protocols.realtime_shapes import Identity
from stt.protocols.realtime_update import Rules
from stt.replies import problem
from stt.speech.options import SpeechOptions
from stt_outbox import Closing
from stt_session import Session
from tests.service import WAIT, held, pcm, running
from tests.speech import silence, speech

USUAL = SpeechOptions(first_step=0.95, next_step=1.0)  # an interim after each second
AT_16 = Config(Format("pcm", 16_000))
MANUAL = replace(AT_16, turn_detection=None)
TRANSCRIPTION = "conversation.item.input_audio_transcription"


class Client:
    """A client of one session; what it sends is done at once, what it hears is kept."""

    def __init__(self, session: Session, config: Config) -> None:
        self._session = session
        self._codec = RealtimeProtocol(config, Identity("sess_1", 0), rules=Rules(), defaults=USUAL)
        self.events: list[dict[str, Any]] = []

    def send(self, kind: str, **fields: Any) -> None:
        """As the connection's reader does it."""
        message = json.dumps({"type": kind, **fields})
        try:
            for command in self._codec.decode(message):
                self._session.handle(command)
        except STTError as error:
            self._session.say(problem(error))

    def say(self, seconds: float) -> None:
        """Speech, in appends of 100 ms."""
        self._append(pcm(speech(seconds)))

    def rest(self, seconds: float) -> None:
        """Silence likewise."""
        self._append(pcm(silence(seconds)))

    def _append(self, data: bytes) -> None:
        for at in range(0, len(data), 3200):
            audio = base64.b64encode(data[at : at + 3200]).decode()
            self.send("input_audio_buffer.append", audio=audio)

    def commit(self) -> None:
        self.send("input_audio_buffer.commit")

    def configure(self, **fields: Any) -> None:
        self.send("session.update", session={"audio": {"input": fields}})

    def until(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next event that fits; fails after a deadline."""
        while True:
            reply = self._session.outbox.get(WAIT)
            assert reply is not None, f"nothing more came after {self.events}"
            assert not isinstance(reply, Closing)
            said = [json.loads(message) for message in self._codec.encode(reply)]
            self.events += said
            if found := [event for event in said if fits(event)]:
                return found[0]

    def hear_out(self) -> list[dict[str, Any]]:
        """Close, and hear everything; all events there were."""
        self._session.close()
        while not isinstance(reply := self._session.outbox.get(WAIT), Closing):
            assert reply is not None, f"nothing more came after {self.events}"
            self.events += [json.loads(message) for message in self._codec.encode(reply)]
        return self.events

    def next(self, kind: str) -> dict[str, Any]:
        return self.until(lambda event: event["type"] == kind)

    def completed(self) -> dict[str, Any]:
        return self.next(f"{TRANSCRIPTION}.completed")

    def types(self) -> list[str]:
        """Short: the last part of each type so far."""
        return [event["type"].split(".")[-1] for event in self.events]

    def joined(self, item_id: str) -> str:
        """The deltas of an item."""
        return "".join(
            event["delta"]
            for event in self.events
            if event["type"] == f"{TRANSCRIPTION}.delta" and event["item_id"] == item_id
        )


@contextmanager
def talking(config: Config = AT_16, engine: FakeEngine | None = None) -> Iterator[Client]:
    """A client of a running core."""
    with running(engine) as core:
        yield Client(opened(core, config), config)


def opened(core: Any, config: Config) -> Session:
    """A session as the dialect opens one."""
    session: Session = core.session(
        speech=config.speech(USUAL),
        encoding=config.audio.encoding,
        sample_rate=config.audio.sample_rate,
        auto_chunk=True,
        vad_events=True,
        manual=config.manual,
    )
    return session


def test_an_utterance_is_heard_as_its_client_expects_it() -> None:
    """Every event in its place (client RS1, RO1, RO3)."""
    with talking() as client:
        client.say(2.0)
        client.rest(1.0)
        done = client.completed()

    heard = [name for name in client.types() if name != "delta"]
    assert heard == [
        "created", "speech_started", "speech_stopped", "committed", "added", "done", "completed",
    ]  # fmt: skip
    assert done["transcript"] == "one two three four" == client.joined(done["item_id"])


STEP = st.sampled_from([0.3, 1.0, 2.2, -0.2, -0.7, -1.5, "commit", "clear", "manual", "vad"])


class Promises:
    """What every session keeps to, as events come."""

    def __init__(self) -> None:
        self.stages: dict[str, list[str]] = {}
        self.committed: list[str] = []
        self.done: list[dict[str, Any]] = []
        self.speaking: set[str] = set()  # items with deltas that are not through

    def hear(self, event: dict[str, Any]) -> None:
        """The next event."""
        kind = event["type"].split(".")[-1]
        if kind == "cleared":
            self.speaking &= set(self.committed)
        item = event.get("item_id") or event.get("item", {}).get("id")
        if item is None:
            return
        self.stages.setdefault(item, []).append(kind)
        if kind == "delta":
            self.speaking.add(item)
            assert self.speaking == {item}
        elif kind == "committed":
            assert event["previous_item_id"] == (self.committed or [None])[-1]
            self.committed.append(item)
        elif kind == "completed":
            self.done.append(event)
            self.speaking.discard(item)

    def check(self) -> None:
        """Everything has been heard."""
        assert [event["item_id"] for event in self.done] == self.committed
        whole = ["speech_started", "speech_stopped", "committed", "added", "done", "completed"]
        for item, kinds in self.stages.items():
            told = [kind for kind in kinds if kind != "delta"]
            if item in self.committed:
                assert told in (whole, whole[2:])
                assert kinds[-1] == "completed"
            else:  # cleared
                assert told in ([], whole[:1])


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=14), st.booleans())
def test_any_session_keeps_the_promises(script: list[float | str], manual: bool) -> None:
    """client-RO1 to RO3, RQ3, RQ4, RS5, S9, S13: whatever a client asks, and when.

    Each item is committed once, then done once; what it is told of an item is in order, and of the
    next one only when the one before is through; deltas are the transcript. A number is seconds of
    speech, a negative one of silence.
    """
    with talking(MANUAL if manual else AT_16) as client:
        for step in script:
            match step:
                case "manual":
                    client.configure(turn_detection=None)
                case "vad":
                    client.configure(turn_detection={"type": "server_vad"})
                case str():
                    client.send(f"input_audio_buffer.{step}")
                case float() if step > 0:
                    client.say(step)
                case float():
                    client.rest(-step)
        events = client.hear_out()

    heard = Promises()
    for event in events:
        heard.hear(event)
    heard.check()
    assert all(done["transcript"] == client.joined(done["item_id"]) for done in heard.done)
    errors = {event["error"]["code"] for event in events if event["type"] == "error"}
    assert errors <= {"input_audio_buffer_commit_empty"}


def test_a_commit_is_one_item_however_many_pauses_it_holds() -> None:
    """Clients that commit once take the first `completed` as the end (client RC3, RO2)."""
    with talking(MANUAL) as client:
        for _ in range(3):
            client.say(1.0)
            client.rest(1.0)
        client.commit()
        done = client.completed()

    assert done["transcript"] == "one two one two one two" == client.joined(done["item_id"])
    assert done["usage"] == {"type": "duration", "seconds": 6.0}
    assert client.types().count("completed") == 1
    assert "speech_started" not in client.types()


def test_two_commits_are_two_items_in_a_chain() -> None:
    """The second has nothing of the first (client RS5, S9)."""
    with talking(MANUAL) as client:
        client.say(2.0)
        client.commit()
        client.say(1.0)
        client.commit()
        first, second = client.completed(), client.completed()

    chain = [e["previous_item_id"] for e in client.events if e["type"].endswith(".committed")]
    assert chain == [None, first["item_id"]]
    assert (first["transcript"], second["transcript"]) == ("one two three four", "one two")


@pytest.mark.parametrize("config", [AT_16, MANUAL])
def test_a_commit_of_silence_is_an_item_without_text(config: Config) -> None:
    """It is answered in full (client RC3)."""
    with talking(config) as client:
        client.rest(0.5)
        client.commit()
        done = client.completed()

    assert done["transcript"] == ""
    assert client.types() == ["created", "committed", "added", "done", "completed"]


def test_a_commit_ends_the_open_utterance_of_a_detected_turn() -> None:
    """Stopped, committed, completed, with all its audio (client RO1, S9)."""
    with talking() as client:
        client.say(2.0)
        client.commit()
        done = client.completed()

    assert done["transcript"] == "one two three four"
    heard = [name for name in client.types() if name != "delta"]
    assert heard[1:] == [
        "speech_started", "speech_stopped", "committed", "added", "done", "completed",
    ]  # fmt: skip


@pytest.mark.parametrize("config", [AT_16, MANUAL])
def test_what_was_cleared_is_never_told(config: Config) -> None:
    """And the next item begins after it (client RC4)."""
    with talking(config) as client:
        client.say(2.0)
        client.send("input_audio_buffer.clear")
        client.next("input_audio_buffer.cleared")
        client.rest(1.0)
        client.say(1.0)
        client.rest(1.0)
        if config.manual:
            client.commit()
        done = client.completed()

    assert done["transcript"] == "one two"
    assert client.types().count("completed") == 1
    committed = [event for event in client.events if event["type"].endswith(".committed")]
    assert [event["previous_item_id"] for event in committed] == [None]


def test_settings_in_mid_utterance_lose_nothing_and_end_nothing() -> None:
    """The clock goes on too (client RQ4)."""
    with talking() as client:
        client.say(1.0)
        client.configure(
            transcription={"model": "whisper-1", "language": "de"},
            turn_detection={"type": "server_vad", "silence_duration_ms": 350},
        )
        client.say(1.0)
        client.rest(0.5)
        done = client.completed()
        client.say(1.0)
        client.rest(0.5)
        second = client.completed()

    assert done["transcript"] == "one two three four"
    assert second["transcript"] == "one two"
    started = [e for e in client.events if e["type"].endswith("speech_started")]
    assert [round(e["audio_start_ms"], -2) for e in started] == [0, 2200]


def test_turning_detection_off_in_mid_utterance_keeps_the_item_open_until_the_commit() -> None:
    """Also over a silence that would have ended it (client RQ4)."""
    with talking() as client:
        client.say(1.0)
        client.configure(turn_detection=None)
        client.next("session.updated")
        client.say(1.0)
        client.rest(2.0)
        client.say(1.0)
        client.commit()
        done = client.completed()

    assert done["transcript"] == "one two three four one two"
    assert client.types().count("committed") == 1
    assert client.types().index("committed") > client.types().index("updated")


def test_turning_detection_on_in_mid_utterance_lets_it_end_by_itself() -> None:
    """With the audio from before (client RQ4)."""
    with talking(MANUAL) as client:
        client.say(1.0)
        client.configure(turn_detection={"type": "server_vad"})
        client.say(1.0)
        client.rest(1.0)
        done = client.completed()

    assert done["transcript"] == "one two three four"


def test_another_rate_in_mid_utterance_is_refused_and_changes_nothing() -> None:
    """The audio that waits would be read wrongly (client RE7)."""
    with talking() as client:
        client.say(1.0)
        client.send(
            "session.update",
            event_id="e1",
            session={"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}},
        )
        error = client.next("error")["error"]
        client.say(1.0)
        client.rest(1.0)
        done = client.completed()

    assert (error["code"], error["event_id"]) == ("invalid_state", "e1")
    assert done["transcript"] == "one two three four"
    assert "updated" not in client.types()


def test_deltas_come_while_somebody_speaks() -> None:
    """Before the end of the speech that they tell of (client RO3)."""
    with talking() as client:
        client.say(1.0)
        first = client.until(lambda event: event["type"].endswith("speech_started"))
        for _ in range(4):
            client.say(1.0)
        delta = client.next(f"{TRANSCRIPTION}.delta")

    assert delta["item_id"] == first["item_id"]
    assert "speech_stopped" not in client.types()


def test_a_failed_utterance_is_failed_and_the_next_is_not() -> None:
    """The session goes on without any `error` (client RQ1, RS9)."""
    answers = iter([EngineError("the model failed")])

    def script(window: Window) -> str:
        if window.kind is Kind.FINAL and (error := next(answers, None)):
            raise error
        return "hello"

    with talking(engine=FakeEngine(script)) as client:
        client.say(1.0)
        client.commit()
        failed = client.next(f"{TRANSCRIPTION}.failed")
        client.rest(1.0)
        client.say(1.0)
        client.rest(1.0)
        done = client.completed()

    assert failed["error"]["code"] == "transcription_failed"
    assert "error" not in client.types()
    assert done["transcript"] == "hello"
    assert done["item_id"] != failed["item_id"]


def test_text_that_is_ready_early_waits_for_the_item_before() -> None:
    """Two utterances at once: the first one's end comes first (client RQ3)."""
    with held() as (core, _, gate):
        client = Client(opened(core, AT_16), AT_16)
        for seconds in (2.0, 1.0):
            client.say(seconds)
            client.rest(1.0)
        client.until(lambda event: event.get("item", {}).get("id") not in (None, _first(client)))
        gate.set()
        first, second = client.completed(), client.completed()

    assert (first["transcript"], second["transcript"]) == ("one two three four", "one two")
    told = [e["item_id"] for e in client.events if e["type"].startswith(TRANSCRIPTION)]
    assert told == sorted(told)


def _first(client: Client) -> str | None:
    """The item that was committed first."""
    committed = [e for e in client.events if e["type"].endswith(".committed")]
    return committed[0]["item_id"] if committed else None


def test_finals_keep_to_the_deltas_whatever_the_service_prefers() -> None:
    """`best` finals may differ from what was sent (client RQ3; recognition REC-27)."""
    best = replace(USUAL, final="best")

    assert AT_16.speech(best).final == "consistent"
    assert replace(AT_16, turn_detection=ServerVad()).speech(best).final == "consistent"


def test_s17_a_word_that_grows_leaves_no_fragment() -> None:
    """ "world" that becomes "worldly" never makes a delta of "ly" (S17, sglang 26767)."""

    def script(window: Window) -> str:
        return "hello world" if window.seconds < 3.5 else "hello worldly goods of ours"

    with running(FakeEngine(script)) as core:
        client = Client(opened(core, AT_16), AT_16)
        for _ in range(30):  # each interim is read in its time: two agree on the first word
            client.say(0.1)
            assert core.queue.join(WAIT)
        client.say(3.0)
        client.rest(1.0)
        done = client.completed()

    deltas = [event["delta"] for event in client.events if event["type"].endswith(".delta")]
    assert len(deltas) > 1
    assert all(delta.startswith(" ") for delta in deltas[1:])
    assert {word for delta in deltas for word in delta.split()} <= {
        "hello", "world", "worldly", "goods", "of", "ours",
    }  # fmt: skip
    assert "".join(deltas) == done["transcript"]


# Whatever a client sends.

NAMES = [
    "type", "session", "audio", "input", "format", "rate", "transcription", "model", "language",
    "languages", "prompt", "keywords", "delay", "noise_reduction", "strength", "turn_detection",
    "threshold", "prefix_padding_ms", "eagerness", "include", "silence_duration_ms", "event_id",
    "input_audio_format", "input_audio_transcription",
]  # fmt: skip
WORDS = [
    "session.update", "transcription_session.update", "input_audio_buffer.append",
    "input_audio_buffer.commit", "input_audio_buffer.clear", "response.create", "audio/pcm",
    "audio/pcmu", "pcm16", "server_vad", "semantic_vad", "low", "AAAA", "en", "near_field",
    "transcription", "A", "\ud800",
]  # fmt: skip
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.sampled_from([*WORDS, "a" * 20_000])
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)
UPDATES = st.fixed_dictionaries(
    {"type": st.sampled_from(WORDS[:6])},
    optional={
        "session": ANY | st.fixed_dictionaries({"audio": st.fixed_dictionaries({"input": ANY})}),
        "audio": ANY,
        "event_id": ANY,
    },
)
MESSAGES = (UPDATES | ANY).map(json.dumps) | st.text(max_size=40) | st.binary(max_size=40)


@settings(max_examples=150, deadline=None)
@given(st.lists(MESSAGES, max_size=5))
def test_any_message_is_taken_or_refused(messages: list[str | bytes]) -> None:
    """client-RE2 to RE5, S1: decode raises BadInput alone, and what is said of it can be sent."""
    codec = RealtimeProtocol(AT_16, Identity("sess_1", 0), rules=Rules(), defaults=USUAL)
    for message in messages:
        replies = []
        try:
            commands = list(codec.decode(message))
        except BadInput as error:
            replies.append(problem(error))
        else:
            replies += [command.reply for command in commands if isinstance(command, Say)]
        for reply in replies:
            for event in codec.encode(reply):
                assert json.loads(event.encode())["event_id"]

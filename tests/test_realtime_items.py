"""The order of events of items, and what their deltas come to."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.errors import EngineError
from stt.events import Word
from stt.protocols.realtime_items import TRANSCRIPTION, Items
from stt.protocols.realtime_session import Config, SemanticVad, ServerVad
from stt.replies import Committed, Speech, Transcript, problem

DELTA, DONE, FAILED = (f"{TRANSCRIPTION}.{end}" for end in ("delta", "completed", "failed"))
STARTED, STOPPED, COMMITTED = (
    f"input_audio_buffer.{end}" for end in ("speech_started", "speech_stopped", "committed")
)
ADDED, ITEM_DONE, CREATED = (f"conversation.item.{end}" for end in ("added", "done", "created"))


class Talk:
    """A session's replies to a client, in short words; the events are kept."""

    def __init__(self, *, manual: bool = False, beta: bool = False, **config: Any) -> None:
        turns = None if manual else ServerVad()
        self.config = Config(**{"turn_detection": turns, **config})
        self.items = Items()
        self.beta = beta
        self.events: list[dict[str, Any]] = []

    def open(self, chunk: str) -> None:
        self.items.open(chunk)

    def speech(self, chunk: str, start: float) -> None:
        """An utterance begins, in a chunk of its own."""
        self.open(chunk)
        self._add(self.items.hear_speech(Speech(chunk, True, start), self.config, beta=self.beta))

    def stop(self, chunk: str, end: float) -> None:
        self._add(self.items.hear_speech(Speech(chunk, False, end), self.config, beta=self.beta))

    def commit(self, chunk: str, at: float) -> None:
        self._add(self.items.hear_commit(Committed(chunk, at), beta=self.beta))

    def say(self, chunk: str, committed: str, **more: Any) -> None:
        said = Transcript(chunk, committed, **more)
        self._add(self.items.hear_text(said, self.config, beta=self.beta))

    def clear(self, at: float) -> None:
        self._add(self.items.clear(at, self.config, beta=self.beta))

    def final(self, chunk: str, text: str, **more: Any) -> None:
        self.say(chunk, text, is_final=True, **more)

    def _add(self, events: list[dict[str, Any]]) -> None:
        self.events += events

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def find(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    def deltas(self) -> list[tuple[str, str]]:
        return [(event["item_id"], event["delta"]) for event in self.find(DELTA)]

    @property
    def done(self) -> dict[str, Any]:
        """The one `completed` so far."""
        [event] = self.find(DONE)
        return event


def test_an_utterance_is_announced_ended_committed_and_completed_in_this_order() -> None:
    """One id in all events (client RO1, RS3 to RS8)."""
    talk = Talk()
    talk.speech("7", 1.0)
    talk.stop("7", 2.5)
    talk.final("7", "hello there", language="en")

    assert talk.types == [STARTED, STOPPED, COMMITTED, ADDED, ITEM_DONE, DELTA, DONE]
    ids = {event.get("item_id") or event["item"]["id"] for event in talk.events}
    assert ids == {"item_7"}
    assert talk.events[0]["audio_start_ms"] == 700
    assert talk.events[1]["audio_end_ms"] == 2500
    assert talk.done == {
        "type": DONE,
        "item_id": "item_7",
        "content_index": 0,
        "transcript": "hello there",
        "usage": {"type": "duration", "seconds": 1.8},
        "languages": [{"code": "en"}],
    }


def test_an_item_is_a_users_message_with_audio() -> None:
    """As the SDKs' types describe it (client RS6)."""
    talk = Talk(manual=True)
    talk.open("7")
    talk.commit("7", 1.0)

    [added] = talk.find(ADDED)
    assert added["previous_item_id"] is None
    assert added["item"] == {
        "id": "item_7",
        "object": "realtime.item",
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_audio", "transcript": None}],
    }


def test_certain_text_is_sent_before_the_commit() -> None:
    """That is what makes it live; the id has been announced already (client RO3)."""
    talk = Talk()
    talk.speech("1", 1.0)
    talk.say("1", "hello", tail=" there")
    talk.say("1", "hello there")
    talk.stop("1", 2.0)
    talk.final("1", "hello there.")

    assert talk.types[:3] == [STARTED, DELTA, DELTA]
    assert talk.deltas() == [("item_1", "hello"), ("item_1", " there"), ("item_1", ".")]
    assert talk.done["transcript"] == "hello there."


def test_text_that_may_change_is_not_sent() -> None:
    """A delta cannot be taken back (client RQ3, S13)."""
    talk = Talk()
    talk.speech("1", 1.0)
    talk.say("1", "", tail="hullo")

    assert talk.deltas() == []


def test_a_client_that_commits_hears_nothing_of_speech() -> None:
    """Without turn detection: committed, added, done, deltas, completed (client RO2)."""
    talk = Talk(manual=True)
    talk.speech("1", 1.0)
    talk.stop("1", 2.0)
    talk.say("1", "one", speech_final=True)
    talk.commit("1", 4.0)
    talk.final("1", "one two")

    assert talk.types == [DELTA, COMMITTED, ADDED, ITEM_DONE, DELTA, DONE]
    assert talk.done["usage"] == {"type": "duration", "seconds": 4.0}


def test_previous_item_ids_form_a_chain() -> None:
    """Null for the first; each item names the one committed before it (client RS5)."""
    talk = Talk(manual=True)
    for number in "123":
        talk.open(number)
        talk.commit(number, float(number))
        talk.final(number, "")

    chain = [(event["previous_item_id"], event["item_id"]) for event in talk.find(COMMITTED)]
    assert chain == [(None, "item_1"), ("item_1", "item_2"), ("item_2", "item_3")]


def test_the_beta_hears_of_created_items_and_of_no_languages() -> None:
    """Its SDK knows neither added, done, nor languages (client BT5)."""
    talk = Talk(beta=True)
    talk.speech("1", 1.0)
    talk.stop("1", 2.0)
    talk.final("1", "hello", language="en")

    assert talk.types == [STARTED, STOPPED, COMMITTED, CREATED, DELTA, DONE]
    assert "languages" not in talk.done


def test_text_of_the_next_item_waits_for_the_end_of_the_one_before() -> None:
    """Clients keep one accumulator for all items (client RQ3)."""
    talk = Talk()
    talk.speech("1", 1.0)
    talk.stop("1", 2.0)
    talk.speech("2", 3.0)
    talk.say("2", "second")
    talk.stop("2", 4.0)
    talk.final("2", "second one")
    before = talk.deltas()
    talk.final("1", "first")

    assert before == []
    assert talk.deltas() == [("item_1", "first"), ("item_2", "second one")]
    ends = [event["type"] for event in talk.events if event["type"] in (DELTA, DONE)]
    assert ends == [DELTA, DONE, DELTA, DONE]


def test_a_failed_item_ends_with_failed_and_lets_the_next_go_on() -> None:
    """No `error`, and no `completed` beside it (client RQ1, RS9)."""
    talk = Talk()
    talk.speech("1", 1.0)
    talk.say("1", "hel")
    talk.stop("1", 2.0)
    talk.speech("2", 3.0)
    talk.say("2", "second")
    talk.items.fail(problem(EngineError("the model failed"), "1"))
    talk.final("1", "hel")

    [failed] = talk.find(FAILED)
    assert failed["error"] == {
        "type": "server_error",
        "code": "transcription_failed",
        "message": "the model failed",
        "param": None,
    }
    assert talk.find(DONE) == []
    assert talk.types[-2:] == [FAILED, DELTA]


def test_a_final_that_came_too_late_and_empty_is_a_failure() -> None:
    """Nobody knows what was said; with text, it is the transcript (native W8, client RQ1)."""
    talk = Talk()
    for number, text in (("1", ""), ("2", "half")):
        talk.speech(number, float(number))
        talk.stop(number, float(number) + 0.5)
        talk.final(number, text, timed_out=True)

    assert [event["error"]["code"] for event in talk.find(FAILED)] == ["timeout"]
    assert talk.done["transcript"] == "half"


@pytest.mark.parametrize("reason", ["silence", "filtered"])
def test_an_item_without_text_is_completed_with_none(reason: str) -> None:
    """Its client waits for the end of each item; there is no delta (client RS8)."""
    talk = Talk()
    talk.speech("1", 1.0)
    talk.stop("1", 2.0)
    talk.final("1", "", reason=reason)

    assert (talk.done["transcript"], talk.deltas()) == ("", [])
    assert talk.done["usage"]["seconds"] > 0


@pytest.mark.parametrize(
    ("final", "transcript"),
    [
        ("", "hello world"),
        ("Hullo, world again", "hello world again"),
        ("hello worldly", "hello world"),
    ],
)
def test_the_transcript_is_what_was_sent_whatever_the_final_says(
    final: str, transcript: str
) -> None:
    """Deltas were believed already; joined they are the transcript (client RQ3, S13, S17)."""
    talk = Talk()
    talk.speech("1", 1.0)
    talk.say("1", "hello world")
    talk.stop("1", 2.0)
    talk.final("1", final, reason=None if final else "filtered")

    assert talk.done["transcript"] == transcript
    assert "".join(delta for _, delta in talk.deltas()) == transcript


def test_a_commit_in_mid_speech_waits_to_hear_where_it_ends() -> None:
    """With turn detection: stopped, then committed (client RO1)."""
    talk = Talk()
    talk.speech("1", 1.0)
    talk.commit("1", 2.0)
    before = talk.types
    talk.stop("1", 1.9)

    assert before == [STARTED]
    assert talk.types == [STARTED, STOPPED, COMMITTED, ADDED, ITEM_DONE]


def test_a_commit_of_silence_makes_an_item_with_turn_detection_too() -> None:
    """Its client waits for one (client RC3)."""
    talk = Talk()
    talk.open("1")
    talk.commit("1", 2.0)
    talk.final("1", "", reason="silence")

    assert talk.types == [COMMITTED, ADDED, ITEM_DONE, DONE]
    assert talk.done["usage"]["seconds"] == 2.0


def test_turning_detection_off_in_mid_speech_ends_no_item() -> None:
    """The client's commit does, and what was announced is said to stop first (client RQ4)."""
    talk = Talk()
    talk.speech("1", 1.0)
    talk.config = Config(turn_detection=None)
    talk.stop("1", 2.0)
    before = talk.types
    talk.commit("1", 3.0)
    talk.final("1", "hello")

    assert before == [STARTED]
    assert talk.types == [STARTED, STOPPED, COMMITTED, ADDED, ITEM_DONE, DELTA, DONE]


def test_turning_detection_on_in_mid_speech_ends_the_item_with_the_utterance() -> None:
    """Its start was not announced, so neither is its stop (client RQ4)."""
    talk = Talk(manual=True)
    talk.speech("1", 1.0)
    talk.config = Config()
    talk.stop("1", 2.0)

    assert talk.types == [COMMITTED, ADDED, ITEM_DONE]


def test_a_lost_end_of_speech_is_made_up_for_before_the_transcript() -> None:
    """A slow client may lose voice events; it hears the commit of each item (client RO1, AD6)."""
    talk = Talk()
    talk.speech("1", 1.0)
    talk.final("1", "hello")

    assert talk.types == [STARTED, STOPPED, COMMITTED, ADDED, ITEM_DONE, DELTA, DONE]
    assert talk.find(STOPPED)[0]["audio_end_ms"] > talk.find(STARTED)[0]["audio_start_ms"]


def test_cleared_audio_is_in_no_item_and_blocks_none() -> None:
    """What was committed goes on; the next item is the first after it (client RC4, RS5)."""
    talk = Talk()
    talk.speech("1", 1.0)
    talk.stop("1", 2.0)
    talk.speech("2", 3.0)
    talk.clear(4.0)
    talk.final("1", "one")
    talk.say("2", "two")
    talk.speech("3", 4.1)
    talk.stop("3", 5.0)
    talk.final("3", "three")

    assert [event["transcript"] for event in talk.find(DONE)] == ["one", "three"]
    assert talk.find(COMMITTED)[-1]["previous_item_id"] == "item_1"
    assert talk.find(STARTED)[-1]["audio_start_ms"] == 4000, "not into what was cleared"


@pytest.mark.parametrize("turns", [ServerVad(prefix_padding_ms=600), SemanticVad()])
def test_s2_items_share_no_audio_and_begin_within_the_session(
    turns: ServerVad | SemanticVad,
) -> None:
    """The padding ends where the item before does; so seconds never sum up to more (client S2)."""
    talk = Talk(turn_detection=turns)
    for number, (start, end) in enumerate([(0.1, 1.0), (1.2, 2.0), (9.0, 9.5)]):
        talk.speech(str(number), start)
        talk.stop(str(number), end)
        talk.final(str(number), "")

    starts = [event["audio_start_ms"] for event in talk.find(STARTED)]
    assert starts == [0, 1000, 9000 - turns.prefix_padding_ms]
    seconds = [event["usage"]["seconds"] for event in talk.find(DONE)]
    assert seconds == [1.0, 1.0, pytest.approx(0.5 + turns.prefix_padding_ms / 1000)]


def test_logprobs_come_where_they_were_asked_for() -> None:
    """In `completed`, a token for each word (client RC1, RS8)."""
    words = (Word("one", probability=0.9), Word(" two", probability=0.8))
    with_them, without = Talk(manual=True, logprobs=True), Talk(manual=True)
    for talk in (with_them, without):
        talk.open("1")
        talk.commit("1", 1.0)
        talk.final("1", "one two", words=words)

    assert [entry["token"] for entry in with_them.done["logprobs"]] == ["one", " two"]
    assert "logprobs" not in without.done


def test_replies_of_unknown_chunks_say_nothing() -> None:
    """As those of cleared ones that come late."""
    talk = Talk()
    talk.say("1", "hello")
    talk.stop("1", 1.0)
    talk.commit("1", 1.0)
    talk.items.fail(problem(EngineError(), "1"))

    assert talk.events == []


@st.composite
def conversations(draw: st.DrawFn) -> list[tuple[str, str, bool]]:
    """Growing texts of two items, each ending with its final, in any order of the two."""
    texts: dict[str, list[str]] = {}
    for item in "ab":
        words = draw(st.lists(st.text("xyz", min_size=1, max_size=3), max_size=8))
        cuts = sorted(draw(st.lists(st.integers(0, len(words)), max_size=6)))
        texts[item] = [" ".join(words[:cut]) for cut in cuts] + [" ".join(words)]
    left = {item: len(told) for item, told in texts.items()}
    order = draw(st.permutations([item for item, count in left.items() for _ in range(count)]))
    said = []
    for item in order:
        said.append((item, texts[item][-left[item]], left[item] == 1))
        left[item] -= 1
    return said


@given(conversations(), st.booleans())
@settings(max_examples=200)
def test_s13_any_interleaving_of_two_items_reads_as_one_after_the_other(
    said: list[tuple[str, str, bool]], manual: bool
) -> None:
    """Append-only deltas, joined the transcript; none of b before the end of a (RQ3, RO1, S13)."""
    talk = Talk(manual=manual)
    for at, item in enumerate("ab"):
        talk.speech(item, at + 0.0)
        talk.stop(item, at + 0.9)
        if manual:
            talk.commit(item, at + 1.0)
    finals = {item: text for item, text, is_final in said if is_final}
    for item, text, is_final in said:
        talk.say(item, text, is_final=is_final)

    joined: dict[str, str] = defaultdict(str)
    for event in talk.events:
        if event["type"] == DELTA:
            joined[event["item_id"]] += event["delta"]
    results = [event for event in talk.events if event["type"] in (DELTA, DONE)]
    through = [event["item_id"] for event in results]
    assert through == sorted(through), "all of a before all of b"
    assert {event["item_id"]: event["transcript"] for event in talk.find(DONE)} == {
        f"item_{item}": text for item, text in finals.items()
    }
    assert all(joined[f"item_{item}"] == text for item, text in finals.items())

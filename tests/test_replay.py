"""The live replay (benchmarks/replay): its recordings, what it hears, its figures and pictures."""

from __future__ import annotations

import ast
import json
import math
import socket
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load import ACTIVITY, Client, Event, Hangup, Load, Target
from benchmarks.policy.corpus import CorpusError, Recording, Spoken, recordings
from benchmarks.policy.delays import finals, first_words, last_changes, utterances
from benchmarks.policy.replay import Said
from benchmarks.policy.transcript import committed_changed, erasure
from benchmarks.replay.__main__ import arguments, sessions_of, write
from benchmarks.replay.live import Asked, climb, target_of
from benchmarks.replay.page import page
from benchmarks.replay.playlist import PAUSE, found_speech, playlists
from benchmarks.replay.report import figures, ladder_table, lines
from benchmarks.replay.rows import rung_rows
from benchmarks.replay.rung import Cost, Rung, at
from benchmarks.replay.session import Transcript
from benchmarks.sessions import hush, voice
from benchmarks.wer import WordErrors
from stt.events import Final, Interim

ROOT = Path(__file__).parent.parent
WORDS = (Spoken("One,", 1.0, 1.4), Spoken("two.", 1.5, 2.0))


def recording(name: str = "a", seconds: float = 2.4, text: str | None = "One, two.") -> Recording:
    samples = np.zeros(round(seconds * 16_000), np.float32)
    return Recording(name=name, group="en", language="en", samples=samples, text=text, words=WORDS)


def interim(at: float, committed: str, tail: str, utterance: int = 0) -> Said:
    return Said(Interim(utterance, committed, tail, 1.0, 2.0), at)


def final(at: float, text: str, utterance: int = 0) -> Said:
    return Said(Final(utterance, text, 1.0, 2.0), at)


def transcript(text: str, *, is_final: bool = False, **more: object) -> dict[str, object]:
    """A message of the service."""
    message = {"type": "transcript", "chunk_id": "1", "text": text, "is_final": is_final}
    return {**message, "start_ms": 1000, "end_ms": 2080, **more}


def measured(sessions: int, delay: float = 0.5) -> Rung:
    """A rung as a run would leave it."""
    rung = Rung(sessions, cost=Cost(cpu=0.1, rest=3.0))
    rung.first, rung.change, rung.final = [delay], [delay, delay + 0.1], [delay + 0.1]
    rung.endpoint, rung.clips, rung.stream, rung.received = [0.02], 2.5, 4.0, 500
    rung.errors.add("one two", "one too")
    return rung


# Recordings.


def test_the_clips_of_the_tests_have_texts_and_word_times():
    """Of one kind and language, when asked."""
    found = recordings(kinds=["short"], language="en")

    assert len(found) > 5
    assert all(one.text and one.words and one.language == "en" for one in found)
    assert found[0].seconds == pytest.approx(5.631, abs=0.01)


def test_a_folder_without_a_manifest_needs_no_more_than_files(tmp_path):
    """A text beside the file tells what is said; the voice activity detector tells when."""
    samples = np.concatenate((hush(1.0), voice(2.0), hush(1.0)))
    with wave.open(str(tmp_path / "mine.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, len(samples), "NONE", ""))
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
    (tmp_path / "mine.txt").write_text(" Hello there. \n")

    (found,) = recordings(tmp_path)
    (playlist,) = playlists([found], 1)

    assert (found.name, found.text, found.words) == ("mine.wav", "Hello there.", ())
    assert [(word.start, word.end) for word in playlist.words()] == [
        (pytest.approx(1.0, abs=0.1), pytest.approx(3.0, abs=0.15))
    ]


def test_two_utterances_are_found_apart():
    """Split by the default endpoint; silence has none."""
    samples = np.concatenate((hush(1.0), voice(1.0), hush(1.5), voice(1.0), hush(1.0)))

    assert len(found_speech(samples)) == 2
    assert found_speech(hush(2.0)) == []


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_a_folder_without_recordings_is_told(tmp_path, folder):
    """In a sentence."""
    with pytest.raises(CorpusError, match=r"no folder|no such recordings"):
        recordings(tmp_path / folder)


def test_sessions_begin_with_different_recordings():
    """Each has them all; when they are more than the recordings, some share a beginning."""
    tracks = [recording(name) for name in "abcd"]

    lists = playlists(tracks, 2)
    crowd = playlists(tracks, 40)

    assert [[one.recording.name for one in it.tracks] for it in lists] == [
        list("abcd"),
        list("cdab"),
    ]
    assert {it.tracks[0].recording.name for it in crowd} == set("abcd")
    assert len({id(one.frames) for it in crowd for one in it.tracks}) == 4


def test_a_playlist_knows_when_its_words_are_spoken():
    """Recordings and pauses in whole messages of 100 ms."""
    (playlist,) = playlists([recording("a", 2.43), recording("b")], 1)
    length = 2.5 + PAUSE  # 2.43 s filled up

    assert playlist.starts == [0.0, pytest.approx(length)]
    assert len(list(playlist.frames())) == round(playlist.seconds / 0.1)
    assert [word.start for word in playlist.words()] == pytest.approx(
        [1.0, 1.5, length + 1.0, length + 1.5]
    )
    assert (playlist.at(0.0), playlist.at(length - 0.1), playlist.at(length)) == (0, 0, 1)
    assert playlist.clips == pytest.approx(2.43 + 2.4)


# What a session hears.


def test_messages_become_events_with_times():
    """Interims, the end of speech, the final; then the utterance is no longer awaited."""
    heard = Transcript()

    heard.take({"type": "chunk", "chunk_id": "1"}, 1.1)
    assert heard.unfinished == 1
    heard.take(transcript("One t", committed="One"), 1.8)
    heard.take({"type": "speech_stopped", "chunk_id": "1", "end_ms": 2080}, 2.7)
    heard.take(transcript("One two.", is_final=True), 2.75)

    assert [(one.at, one.event.utterance) for one in heard.said] == [(1.8, 0), (2.75, 0)]
    assert (heard.said[0].event.committed, heard.said[0].event.tail) == ("One", " t")
    assert heard.endpoint_delays() == [pytest.approx(0.05)]
    assert heard.texts() == [(1.0, "One two.")]
    assert heard.unfinished == 0


def test_new_text_alone_is_put_behind_what_is_known():
    """``text=delta``, as docs/protocol.md shows it."""
    heard = Transcript()
    more = {"from": 5, "committed": " world.", "speech_final": True}

    heard.take(transcript("Hello wor", committed="Hello", **{"from": 0}), 1.0)
    heard.take(transcript(" world.", **more), 1.5)
    heard.take(transcript("", is_final=True, **{"from": 12}), 1.6)

    assert heard.said[1].event.committed == "Hello world."
    assert heard.said[1].event.tail == ""
    assert heard.said[2].event.text == "Hello world."


def test_errors_and_texts_that_are_empty_are_no_delays():
    """A filtered utterance has a final, and no text to wait for."""
    heard = Transcript()

    heard.take({"type": "error", "code": "queue_overload"}, 1.0)
    heard.take({"type": "speech_stopped", "chunk_id": "1"}, 2.0)
    heard.take(transcript("", is_final=True, reason="filtered"), 2.1)

    assert heard.problems == ["queue_overload"]
    assert heard.endpoint_delays() == []
    assert heard.texts() == []


# Figures.


def test_delays_count_from_the_words_as_they_were_spoken():
    """First text from the onset, last change and final from the end of the last word."""
    said = [
        interim(1.3, "", ""),
        interim(1.7, "", "One"),
        interim(2.2, "One", " two"),
        final(2.7, "One, two."),
    ]

    heard = utterances(said, WORDS)

    assert first_words(heard) == [pytest.approx(0.7)]
    assert last_changes(heard) == [pytest.approx(0.2)]  # the final only adds marks
    assert finals(heard) == [pytest.approx(0.7)]


def test_an_utterance_without_text_or_words_has_no_delays():
    """Noise that was taken for speech, and what has no final yet."""
    assert utterances([final(2.7, "")], WORDS) == []
    assert utterances([interim(2.7, "", "One")], WORDS) == []
    assert utterances([final(2.7, "One")], []) == []


def test_erasure_counts_words_that_were_shown_and_taken_back():
    """Behind the longest common beginning, whatever the case (QM-03)."""
    said = [
        interim(1.0, "", "one to"),
        interim(2.0, "One", " two three"),
        final(3.0, "One two."),
        final(4.0, "Four.", utterance=1),
    ]

    assert erasure(said) == (2, 3)


def test_committed_text_that_changes_is_counted():
    """A later text of the utterance must begin with it (QM-02)."""
    kept = [interim(1.0, "One", " t"), interim(2.0, "One two", ""), final(3.0, "One two three")]
    broken = [interim(1.0, "One two", ""), final(3.0, "One too"), interim(4.0, "", "x", 1)]

    assert committed_changed(kept) == 0
    assert committed_changed(broken) == 1


def test_a_rung_adds_its_sessions_up():
    """Words are compared recording by recording; cost counts per second of recordings."""
    first, second = playlists([recording("a"), recording("b", text="Three.")], 2)
    heard, silent = Transcript(), Transcript()
    heard.take(transcript("One", committed=""), 1.7)
    heard.take(transcript("One two.", is_final=True), 2.5)
    silent.take({"type": "chunk", "chunk_id": "1"}, 1.0)
    rung = Rung(2, cost=Cost(cpu=0.96, rest=0.0), received=960)

    rung.add(first, heard)
    rung.add(second, silent)

    assert (rung.first, rung.change) == ([pytest.approx(0.7)], [pytest.approx(0.5)])
    assert str(rung.errors) == "66.7 % (4/6)"
    assert rung.unfinished == 1
    assert rung.clips == pytest.approx(9.6)
    assert rung.cpu == pytest.approx(0.1)
    assert rung.cpu_of_stream == pytest.approx(0.96 / (9.6 + 4 * PAUSE))
    assert rung.kilobytes == pytest.approx(5.0)


def test_a_rung_on_which_nothing_was_heard_is_still_a_column():
    """No number is better than a wrong one."""
    empty = Rung(1, clips=1.0)

    cells = [figure.cell(empty) for figure in figures(offline=0.1)]

    assert math.isnan(at(empty.first, 50))
    assert cells[:10] == ["-"] * 10


def test_values_above_their_bars_are_marked():
    """CPU has a bar at 1 and at 4 sessions only."""
    head, *body = lines([measured(1), measured(10, 0.7)], offline=0.5)
    by_name = {line[0]: line[1:] for line in body}

    assert head == ["figure", "1 live", "10 live", "unit", "bar"]
    assert by_name["first text after onset p50"] == ["0.50", "0.70 !", "s", "0.6"]
    assert by_name["CPU per audio s"] == ["0.040 !", "0.040", "s", "0.03"]
    assert by_name["above offline"][:2] == ["0.000", "0.000"]
    assert len(ladder_table([measured(1)]).splitlines()) == len(body) + 2


def test_rows_hold_the_bars_of_the_live_service():
    """For ``make bench``; two bars for CPU, none at 40 sessions."""
    whole = WordErrors(errors=5, words=10)

    bars = [[row.bar for row in rung_rows(measured(n), whole)] for n in (1, 4, 40)]

    assert bars[0] == [0.030, 0.6, 0.65, 0.65, 15.0, 1.0]
    assert [of[0] for of in bars] == [0.030, 0.025, None]
    assert rung_rows(measured(1), whole)[-1].measured == 0.0


# Pictures.


def test_the_picture_and_the_page_are_made(tmp_path):
    """A PNG, and one page that holds its picture and needs nothing else."""
    pytest.importorskip("matplotlib")

    write(tmp_path, [measured(1), measured(4), measured(40, 30.0)], 0.0)

    assert (tmp_path / "replay.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "replay.html").read_text()
    assert text.count("<svg") == 1
    assert "first text after speech onset, p50" in text
    assert "change, 0.65 s" in text
    assert 'class="over">30.0<' in text
    assert not any(f'{name}="http' in text for name in ("src", "href"))


def test_the_page_escapes_what_it_is_given():
    """Names of machines and commands are text."""
    text = page("<t>", "<svg/>", [["a<b"], ["1 !"]], ["n&n", "<m>"])

    assert "<title>&lt;t&gt;</title>" in text
    assert "<th>a&lt;b</th>" in text
    assert '<td class="over">1</td>' in text
    assert "<pre>&lt;m&gt;</pre>" in text


def test_only_the_plot_needs_matplotlib():
    """Whoever runs the tests or the service need not have it."""
    trees = {
        path: ast.walk(ast.parse(path.read_text())) for path in ROOT.glob("benchmarks/**/*.py")
    }
    users = [
        path.name
        for path, tree in trees.items()
        for node in tree
        if isinstance(node, ast.Import | ast.ImportFrom) and "matplotlib" in ast.unparse(node)
    ]

    assert set(users) == {"plot.py"}


# The command line and the load.


@pytest.mark.parametrize("text", ["", "0", "1,x", "-1"])
def test_sessions_are_numbers(text):
    """At least one."""
    with pytest.raises(ValueError, match=r".*"):
        sessions_of(text)


def test_the_ladder_rises():
    """Each rung once, the smallest first."""
    assert arguments().parse_args(["--sessions", "10,1,4,1"]).sessions == [1, 4, 10]


def test_a_service_elsewhere_is_named_by_its_address():
    """With its key; another scheme or path is a mistake."""
    assert target_of("ws://hark:5055/stt/stream", "k") == Target(
        5055, "hark", ("Authorization: Bearer k",)
    )
    for wrong in ("wss://hark", "hark:5055", "ws://hark/other"):
        with pytest.raises(ValueError, match="must look like"):
            target_of(wrong)


class Plugged(Client):
    """A client on one end of a socket pair, that sends one message and ends with the other end."""

    def __init__(self) -> None:
        self.socket, self.far = socket.socketpair()
        self.audio, self.pings, self.begun = iter([b"audio"]), False, 0.0

    def receive(self) -> Iterator[Event]:
        self._received()
        return iter(())


@pytest.fixture(name="plugged")
def _plugged() -> Iterator[list[Plugged]]:
    clients = [Plugged(), Plugged()]
    yield clients
    for client in clients:
        client.socket.close()
        client.far.close()


def test_a_session_that_ends_does_not_end_the_others(plugged):
    """It is mourned once, and the others send on."""
    mourned = []
    load = Load(plugged, mourner=lambda client, why: mourned.append((client, why)))
    plugged[0].far.close()

    load.run(0.3)
    load.close()

    assert mourned == [(plugged[0], "the service ended a connection")]
    assert plugged[1].far.recv(16) == b"audio"


def test_without_a_mourner_the_measurement_ends(plugged):
    """Figures of fewer sessions than were asked for would mislead."""
    load = Load(plugged)
    plugged[0].far.close()

    with pytest.raises(Hangup):
        load.run(5.0)
    load.close()


@pytest.mark.slow
def test_a_short_replay_comes_to_an_end(tmp_path):
    """One clip, two sessions, the demo model: words, delays, cost, and every event on record."""
    clip = [one for one in recordings(kinds=["short"], language="en") if one.seconds < 3][:1]
    with (tmp_path / "events.jsonl").open("w") as events:
        rung = climb(Asked(clip, events=events), 2)

    assert (rung.lost, rung.unfinished, rung.changed) == (0, 0, 0)
    assert len(rung.final) == len(rung.endpoint) == 2
    assert rung.errors.rate < 0.5
    assert rung.cpu
    assert rung.kilobytes > 0
    told = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert {line["session"] for line in told} == {0, 1}
    assert {line["event"]["type"] for line in told} >= {"session", "transcript", ACTIVITY[2]}

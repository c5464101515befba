"""The stream: four inputs, requests and events out. A scripted engine answers the requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from faster_whisper.audio import decode_audio
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.errors import Dropped, EngineError, QueueFull
from stt.events import (
    SAMPLE_RATE,
    Ended,
    Event,
    Failed,
    Final,
    FinalChoice,
    Hypothesis,
    Interim,
    Kind,
    Request,
    Samples,
    SpeechEnded,
    SpeechStarted,
    Window,
    Word,
)
from stt.speech.endpointing import EndpointingOptions
from stt.speech.options import SpeechOptions
from stt.speech.stream import SpeechStream
from tests.speech import noise, silence, speech

AUDIO = Path(__file__).parent / "audio"
E = TypeVar("E")
Engine = Callable[[Window], Hypothesis]


def counting(window: Window) -> Hypothesis:
    """An engine that hears one word each half second; the last one is half heard."""
    count = int(window.seconds / 0.5)
    words = [f" word{number}" for number in range(count)] + [" w"]
    return Hypothesis("".join(words), language="en", average_logprob=-0.2)


class Driver:
    """A stream with an engine: collects its events, answers its requests at once or on demand."""

    def __init__(self, options: SpeechOptions | None = None, engine: Engine = counting) -> None:
        self.stream = SpeechStream(options)
        self.engine = engine
        self.events: list[Event] = []
        self.waiting: list[Request] = []
        self.windows: list[tuple[Request, Window]] = []

    def hear(self, audio: Samples, piece: float = 0.1, *, answer: bool = True) -> None:
        """Give the stream audio in pieces; answer after each."""
        size = round(piece * SAMPLE_RATE)
        for at in range(0, len(audio), size):
            self.stream.receive_audio(audio[at : at + size])
            self.collect()
            if answer:
                self.answer()

    def end(self, *, answer: bool = True) -> None:
        """Finalize."""
        self.stream.receive_end()
        self.collect()
        if answer:
            self.answer()

    def collect(self) -> None:
        """Take what the stream says and asks."""
        self.events += self.stream.events()
        self.waiting += self.stream.requests()

    def answer(self, order: Callable[[list[Request]], Iterable[Request]] = list) -> None:
        """Answer every waiting request that is still wanted."""
        while self.waiting:
            requests, self.waiting = self.waiting, []
            for request in order(requests):
                if window := self.stream.window(request):
                    self.windows.append((request, window))
                    self.stream.receive_hypothesis(request, self.engine(window))
                self.collect()

    def said(self, kind: type[E]) -> list[E]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


def joined(*parts: Samples) -> Samples:
    """Audio one after the other."""
    return np.concatenate(parts)


# Utterances and their finals.


def test_silence_says_and_asks_nothing() -> None:
    """Silence and a quiet room make no event and no request (native W26, W34)."""
    driver = Driver()

    driver.hear(joined(silence(3), noise(3)))

    assert (driver.events, driver.waiting, driver.windows) == ([], [], [])
    assert driver.stream.idle
    assert driver.stream.received == 6.0
    assert driver.stream.speech == 0.0


def test_other_wishes_hold_from_the_next_utterance_on() -> None:
    """The open one is finished as it began; how finals are made never changes (RQ4)."""
    driver = Driver(SpeechOptions(language="en"))
    driver.hear(speech(1.0), answer=False)

    driver.stream.configure(
        SpeechOptions(language="de", hotwords="Hark", final="best", n_mels=80, word_times=False)
    )
    driver.end()
    driver.hear(speech(1.0), answer=False)
    driver.end()

    finals = [window for request, window in driver.windows if request.kind is Kind.FINAL]
    assert [(it.language, it.hotwords, it.beam) for it in finals] == [
        ("en", "", 1),
        ("de", "Hark", 1),
    ]
    assert [it.features is None for it in finals] == [True, True]
    assert len(driver.said(Final)) == 2


def test_one_utterance() -> None:
    """An utterance begins, has interims, ends, and then has its final, in this order."""
    driver = Driver()

    driver.hear(joined(silence(1), speech(2.2), silence(1)))

    kinds = [type(event) for event in driver.events]
    assert kinds[0] is SpeechStarted
    assert kinds[-2:] == [SpeechEnded, Final]
    assert set(kinds[1:-2]) == {Interim}
    (final,) = driver.said(Final)
    assert final.start == pytest.approx(1.0, abs=0.15)
    assert final.end == pytest.approx(3.2, abs=0.15)
    assert final.text.startswith(driver.said(Interim)[-1].committed)
    assert driver.said(SpeechStarted)[0].start == final.start
    assert driver.said(SpeechEnded)[0].end == final.end
    assert driver.stream.speech == pytest.approx(final.end - final.start)


def test_the_window_of_a_final() -> None:
    """A final's window is the utterance with its pre-roll, its committed text and word times."""
    options = SpeechOptions(language="en", task="translate", prompt="Hark")
    driver = Driver(options)
    audio = joined(silence(1), speech(2.2), silence(1))

    driver.hear(audio)

    request, window = driver.windows[-1]
    assert request.kind is window.kind is Kind.SPEC
    assert (window.language, window.task, window.prompt) == ("en", "translate", "Hark")
    assert window.word_times
    assert window.prefix == driver.said(Interim)[-2].committed != ""
    final = driver.said(Final)[0]
    start = round((final.start - 0.3) * SAMPLE_RATE)
    np.testing.assert_array_equal(audio[start : start + len(window.samples)], window.samples)
    assert start / SAMPLE_RATE + window.seconds >= final.end - 0.1  # read before the endpoint


def test_speech_counts_while_it_lasts() -> None:
    """The seconds of speech include the open utterance."""
    driver = Driver()

    driver.hear(joined(speech(1), silence(1), speech(2)))

    assert driver.stream.speech == pytest.approx(3.0, abs=0.15)
    assert driver.stream.received == 4.0


def test_several_utterances_count_up() -> None:
    """Utterances are numbered from 0 and each has one final."""
    driver = Driver()

    driver.hear(joined(*[speech(1), silence(1)] * 3))

    assert [final.utterance for final in driver.said(Final)] == [0, 1, 2]


def test_finals_come_in_order() -> None:
    """Finals answered in the wrong order are said in the order of the utterances."""
    driver = Driver()
    driver.hear(joined(*[speech(1), silence(1)] * 3), answer=False)
    assert not driver.stream.idle

    driver.answer(order=reversed)

    assert [final.utterance for final in driver.said(Final)] == [0, 1, 2]
    assert driver.stream.idle


def test_files_have_only_finals() -> None:
    """Without interims a stream asks only for finals, of the kind it was given."""
    driver = Driver(SpeechOptions(interims=False, kind=Kind.BULK, word_times=False))

    driver.hear(joined(silence(1), speech(5), silence(1), speech(3)), piece=60)
    driver.end()

    assert [request.kind for request, _ in driver.windows] == [Kind.BULK, Kind.BULK]
    assert not any(window.word_times or window.prefix for _, window in driver.windows)


def test_a_filtered_final() -> None:
    """A final that the filter turns down is said, without text (native W6, W28)."""
    driver = Driver(engine=lambda window: Hypothesis("Thanks for watching!"))

    driver.hear(joined(speech(3), silence(1)))

    assert driver.said(Interim) == []
    assert [(final.text, final.reason) for final in driver.said(Final)] == [("", "filtered")]


def test_word_times_count_from_the_start_of_the_stream() -> None:
    """The words of a final carry times of the stream."""
    driver = Driver(engine=lambda window: Hypothesis(" Yes", (Word(" Yes", 0.4, 0.9),)))

    driver.hear(joined(silence(5), speech(1), silence(1)))

    (word,) = driver.said(Final)[0].words
    assert word.start is not None
    assert word.start == pytest.approx(5 - 0.3 + 0.4, abs=0.05)


def test_bad_samples_are_silence() -> None:
    """NaN and infinities count as silence, and the utterance beside them is found."""
    bad = np.full(SAMPLE_RATE, np.nan, np.float32)
    bad[::2] = np.inf
    driver = Driver()

    driver.hear(joined(bad, speech(1), bad, silence(1)))

    assert len(driver.said(Final)) == 1
    assert all(np.isfinite(window.samples).all() for _, window in driver.windows)


# Interims.


def test_interims_come_every_step() -> None:
    """An interim is due for every ``step`` of new audio of the utterance."""
    driver = Driver(SpeechOptions(step=0.5))

    driver.hear(speech(4), piece=0.02)

    lengths = [window.seconds for _, window in driver.windows]
    np.testing.assert_allclose(lengths, 0.5 * np.arange(1, len(lengths) + 1), atol=0.15)
    assert len(lengths) in (7, 8)
    assert {request.kind for request, _ in driver.windows} == {Kind.INTERIM}
    assert not any(window.word_times for _, window in driver.windows)


def test_committed_grows_and_the_next_window_has_it() -> None:
    """Committed text only grows, and the next window carries it as prefix (REC-12, REC-21)."""
    driver = Driver()

    driver.hear(speech(6))

    committed = [interim.committed for interim in driver.said(Interim)]
    assert len(committed[-1]) > 0
    for before, after, (_, window) in zip(
        committed, committed[1:], driver.windows[1:], strict=False
    ):
        assert after.startswith(before)
        assert window.prefix == before


def test_one_interim_outstanding() -> None:
    """While an interim is outstanding no other is asked for (AD2)."""
    driver = Driver()

    driver.hear(speech(5), answer=False)

    assert len(driver.waiting) == 1


def test_audio_is_read_late() -> None:
    """An interim that waited is read with the audio that came meanwhile (AD1)."""
    driver = Driver()
    driver.hear(speech(5), answer=False)

    driver.answer()

    assert driver.windows[0][1].seconds == pytest.approx(5.0)
    assert driver.said(Interim)[0].end == pytest.approx(5.0)
    assert driver.waiting == []


def test_a_late_answer_asks_again_at_once() -> None:
    """When an answer comes after more than a step of new audio, the next interim is due at once."""
    driver = Driver()
    driver.hear(speech(1.1), answer=False)
    (request,) = driver.waiting
    window = driver.stream.window(request)
    assert window is not None
    driver.hear(speech(2), answer=False)

    driver.stream.receive_hypothesis(request, counting(window))

    assert [again.kind for again in driver.stream.requests()] == [Kind.INTERIM]


def test_no_interim_of_silence() -> None:
    """In the silence after the speech no further interim is asked for."""
    driver = Driver(SpeechOptions(step=0.3))
    driver.hear(speech(2))
    asked = len(driver.windows)

    driver.hear(silence(0.5))

    assert len(driver.windows) <= asked + 1  # the final, decoded ahead
    assert [request.kind for request, _ in driver.windows[asked:]] in ([], [Kind.SPEC])


def test_no_interim_after_the_endpoint() -> None:
    """An interim that is answered after the endpoint is ignored, and no longer wanted (W5)."""
    driver = Driver()
    driver.hear(speech(1.2), answer=False)
    interim = driver.waiting[0]
    window = driver.stream.window(interim)
    assert window is not None

    driver.hear(silence(1), answer=False)
    driver.stream.receive_hypothesis(interim, counting(window))
    driver.collect()

    assert driver.said(Interim) == []
    assert driver.stream.window(interim) is None


def test_an_interim_not_yet_taken_is_withdrawn() -> None:
    """An utterance that begins and ends in one piece of audio asks only for its final."""
    driver = Driver()

    driver.hear(joined(speech(1.2)), piece=60, answer=False)
    driver.waiting.clear()
    driver.stream.receive_audio(joined(speech(1.5), silence(1), speech(1.5)))
    driver.stream.receive_end()

    assert [request.kind for request in driver.stream.requests()] == [Kind.FINAL, Kind.FINAL]


@pytest.mark.parametrize("error", [QueueFull(), Dropped(), EngineError("bad")])
def test_a_refused_interim_is_forgotten(error: Dropped | QueueFull | EngineError) -> None:
    """An interim that fails says nothing and is due again at the next step."""
    driver = Driver()
    driver.hear(speech(1.2), answer=False)
    driver.stream.receive_failure(driver.waiting.pop(), error)
    driver.collect()
    assert driver.waiting == []

    driver.hear(speech(1.1), answer=False)

    assert [request.kind for request in driver.waiting] == [Kind.INTERIM]
    assert driver.said(Failed) == []


def test_an_interim_is_not_said_twice() -> None:
    """An answer that changes nothing says nothing (REC-29)."""
    driver = Driver(engine=lambda window: Hypothesis("well"))

    driver.hear(speech(5))

    assert len(driver.windows) > 3
    assert [interim.tail for interim in driver.said(Interim)] == ["well"]


def test_garbled_interims_commit_nothing() -> None:
    """A repeating interim is neither said nor committed (REC-14)."""
    driver = Driver(engine=lambda window: Hypothesis("so it goes so", compression_ratio=3.0))

    driver.hear(speech(5))

    assert driver.said(Interim) == []
    assert driver.windows[-1][1].prefix == ""


def test_an_interim_waits_for_the_final_before_it() -> None:
    """The interim of an utterance is said after the final of the one before."""
    driver = Driver()
    driver.hear(joined(speech(1), silence(1)), answer=False)
    driver.hear(speech(1.5), answer=False)
    final, interim = (request for request in driver.waiting if driver.stream.window(request))
    window = driver.stream.window(interim)
    assert window is not None
    assert final.kind is Kind.SPEC

    driver.stream.receive_hypothesis(interim, counting(window))
    driver.collect()
    assert driver.said(Interim) == []
    driver.stream.receive_hypothesis(final, counting(window))
    driver.collect()

    assert [type(event) for event in driver.events[-2:]] == [Final, Interim]


def test_the_language_is_kept_within_an_utterance() -> None:
    """A language that is sure after 2 s is given to the windows that follow (REC-30)."""

    def spanish(window: Window) -> Hypothesis:
        heard = counting(window)
        return Hypothesis(heard.text, language="es", language_probability=0.9)

    driver = Driver(engine=spanish)

    driver.hear(joined(speech(4), silence(1), speech(1), silence(1)))

    languages = [window.language for _, window in driver.windows]
    assert languages[0] is None
    assert languages[3] == "es"
    assert languages[-1] is None


# Failures and stale answers.


def test_a_failed_final_is_said() -> None:
    """The failure of a final is said with what was committed, and the stream goes on (B26)."""
    driver = Driver()
    driver.hear(joined(speech(3)))
    driver.hear(silence(1), answer=False)
    error = EngineError("no memory")
    driver.stream.receive_failure(driver.waiting.pop(), error)
    driver.collect()

    driver.hear(joined(speech(1), silence(1)))

    (failed,) = driver.said(Failed)
    assert (failed.utterance, failed.error) == (0, error)
    assert failed.text.startswith("word0")
    assert [final.utterance for final in driver.said(Final)] == [1]


def test_unknown_and_repeated_answers_are_ignored() -> None:
    """An answer to no request, or a second answer, changes nothing (native W25, B3)."""
    driver = Driver()
    driver.hear(joined(speech(1), silence(1)), answer=False)
    (request,) = [it for it in driver.waiting if it.kind is Kind.SPEC]
    stranger = Request(99, Kind.FINAL, 0)

    assert driver.stream.window(stranger) is None
    driver.stream.receive_hypothesis(stranger, Hypothesis("no"))
    driver.stream.receive_failure(stranger, EngineError("no"))
    driver.stream.receive_hypothesis(request, Hypothesis("yes"))
    driver.stream.receive_hypothesis(request, Hypothesis("no"))
    driver.stream.receive_failure(request, EngineError("no"))
    driver.collect()

    assert [final.text for final in driver.said(Final)] == ["yes"]
    assert driver.said(Failed) == []
    assert driver.stream.window(request) is None


def test_a_second_answer_while_an_earlier_final_is_awaited() -> None:
    """An answer that waits its turn is not replaced by another one."""
    driver = Driver()
    driver.hear(joined(speech(1), silence(1), speech(1), silence(1)), answer=False)
    first, second = (it for it in driver.waiting if it.kind is Kind.SPEC)

    driver.stream.receive_hypothesis(second, Hypothesis("two"))
    driver.stream.receive_hypothesis(second, Hypothesis("three"))
    assert driver.stream.window(second) is None
    driver.stream.receive_hypothesis(first, Hypothesis("one"))
    driver.collect()

    assert [final.text for final in driver.said(Final)] == ["one", "two"]


# The end.


def test_the_end_of_nothing() -> None:
    """Without speech Ended is said at once (native W6)."""
    driver = Driver()

    driver.hear(silence(1))
    driver.end()

    assert driver.events == [Ended()]


def test_the_end_is_an_endpoint() -> None:
    """receive_end ends the open utterance now; Ended follows its final (REC-55)."""
    driver = Driver()
    driver.hear(speech(1.5))

    driver.end(answer=False)
    assert driver.said(Ended) == []
    driver.answer()

    assert [type(event) for event in driver.events[-3:]] == [SpeechEnded, Final, Ended]
    assert driver.windows[-1][1].seconds == pytest.approx(1.5)


def test_audio_may_follow_the_end() -> None:
    """After receive_end the stream goes on; a later one says Ended again."""
    driver = Driver()
    driver.hear(speech(1))
    driver.end()

    driver.hear(speech(1))
    driver.end()

    assert [type(event) for event in driver.events if not isinstance(event, Interim)] == (
        [SpeechStarted, SpeechEnded, Final, Ended] * 2
    )
    assert driver.windows[-1][1].seconds == pytest.approx(1.0)


# Long speech and memory.


def test_endless_speech_is_cut_without_loss() -> None:
    """Endless speech is cut into windows of at most 28 s that join without a gap (REC-24)."""
    driver = Driver(SpeechOptions(interims=False))
    audio = speech(75)

    driver.hear(audio)
    driver.end()

    finals = [window.samples for _, window in driver.windows]
    assert len(finals) >= 3
    np.testing.assert_array_equal(audio, np.concatenate(finals))
    assert max(window.seconds for _, window in driver.windows) <= 28.0


def test_a_window_read_late_is_no_longer_than_28_s() -> None:
    """However late an interim is read, its window is at most 28 s (REC-24)."""
    driver = Driver()
    audio = speech(29)
    start = round(27.9 * SAMPLE_RATE)
    driver.hear(audio[:start], answer=False)
    (request,) = driver.waiting

    lengths = []
    for at in range(start, len(audio), 100):
        driver.stream.receive_audio(audio[at : at + 100])
        if window := driver.stream.window(request):
            lengths.append(window.seconds)

    assert 27.9 < max(lengths) <= 28.0
    assert driver.stream.window(request) is None


def test_memory_of_endless_speech() -> None:
    """Endless speech keeps no more than one window and a second (REC-04)."""
    driver = Driver()

    for _ in range(10):
        driver.hear(speech(10))
        assert driver.stream.received - driver.stream.earliest_audio <= 28
        assert kept(driver.stream) <= 29 * SAMPLE_RATE


def test_memory_of_silence() -> None:
    """An hour of silence, even in one piece, keeps the pre-roll and no more than 10 s beside."""
    driver = Driver()
    driver.hear(silence(60))
    assert kept(driver.stream) <= 0.5 * SAMPLE_RATE

    driver.hear(silence(3600), piece=3600)

    assert kept(driver.stream) <= 1.3 * SAMPLE_RATE
    assert driver.stream.received - driver.stream.earliest_audio == pytest.approx(0.3, abs=0.03)


def kept(stream: SpeechStream) -> int:
    """Samples that the stream holds."""
    return stream._tape.end - stream._tape.start


# Properties.

PARTS = st.lists(
    st.tuples(
        st.sampled_from(["speech", "silence", "noise"]), st.sampled_from([0.1, 0.4, 0.7, 1.1])
    ),
    min_size=1,
    max_size=6,
)


def made(parts: list[tuple[str, float]]) -> Samples:
    """Audio of these parts."""
    make = {"speech": speech, "silence": silence, "noise": noise}
    return joined(*[make[kind](seconds) for kind, seconds in parts])


def outline(driver: Driver) -> list[object]:
    """What was found, but not when an answer came: the utterances, their texts left aside."""
    return [
        driver.said(SpeechStarted),
        driver.said(SpeechEnded),
        [(final.utterance, final.start, final.end) for final in driver.said(Final)],
        driver.said(Ended),
        (driver.stream.received, driver.stream.speech),
    ]


@settings(max_examples=40, deadline=None)
@given(parts=PARTS, cuts=st.lists(st.integers(1, 30_000), max_size=40), interims=st.booleans())
def test_cutting_does_not_matter(
    parts: list[tuple[str, float]], cuts: list[int], interims: bool
) -> None:
    """However the same audio is cut into pieces, the utterances and a file's windows are equal."""
    audio = made(parts)
    whole, pieces = (Driver(SpeechOptions(interims=interims)) for _ in range(2))

    whole.hear(audio, piece=600)
    whole.end()
    for piece in np.split(audio, np.minimum(np.cumsum(cuts), len(audio))):
        pieces.hear(piece, piece=600)
    pieces.end()

    assert outline(pieces) == outline(whole)
    if not interims:
        assert [w.samples.tobytes() for _, w in pieces.windows] == [
            w.samples.tobytes() for _, w in whole.windows
        ]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_utterance_has_one_end(data: st.DataObject) -> None:
    """Whatever the engine does, each SpeechStarted has one Final or Failed, each end one Ended.

    Answers come late, in any order, twice, or are failures. Committed text never changes.
    """
    driver = Driver(SpeechOptions(step=0.4))
    outstanding: list[tuple[Request, Window]] = []
    ends = 0
    for _ in range(data.draw(st.integers(1, 12))):
        match data.draw(st.sampled_from(["audio", "audio", "answer", "fail", "end"])):
            case "audio":
                driver.hear(made(data.draw(PARTS)), piece=0.5, answer=False)
            case "end":
                driver.end(answer=False)
                ends += 1
            case what:
                outstanding += [
                    (request, window)
                    for request in driver.waiting
                    if (window := driver.stream.window(request))
                ]
                driver.waiting.clear()
                if outstanding:
                    request, window = data.draw(st.sampled_from(outstanding))
                    if what == "fail":
                        driver.stream.receive_failure(request, EngineError("fault"))
                    else:
                        driver.stream.receive_hypothesis(request, words(data, window))
                    driver.collect()
    driver.end(answer=False)
    for request, window in outstanding:
        driver.stream.receive_hypothesis(request, words(data, window))
    driver.collect()
    driver.answer()

    check_story(driver.events, ends + 1)
    assert driver.stream.idle


def words(data: st.DataObject, window: Window) -> Hypothesis:
    """Any hypothesis that starts with the window's prefix, or now and then one that does not."""
    said = data.draw(st.lists(st.sampled_from(["a", "b", "c,", "the"]), max_size=5))
    forced = data.draw(st.booleans())
    return Hypothesis(" ".join([window.prefix, *said] if forced else said))


def check_story(events: list[Event], ends: int) -> None:
    """The promises of a stream to whoever reads its events."""
    started = [event.utterance for event in events if isinstance(event, SpeechStarted)]
    settled = [event.utterance for event in events if isinstance(event, Final | Failed)]
    assert started == settled == list(range(len(started)))
    assert sum(isinstance(event, Ended) for event in events) == ends
    committed: dict[int, str] = {}
    over: set[int] = set()
    for event in events:
        match event:
            case Interim():
                assert event.utterance not in over
                assert event.committed.startswith(committed.get(event.utterance, ""))
                committed[event.utterance] = event.committed
            case Final() | Failed():
                assert event.text.startswith(committed.get(event.utterance, ""))
                over.add(event.utterance)


# Recordings.

CLIPS = {clip["file"]: clip for clip in json.loads((AUDIO / "manifest.json").read_text())["files"]}


@pytest.mark.parametrize("name", ["en_pauses.flac", "en_growing.flac", "turns_en_de.flac"])
def test_recordings(name: str) -> None:
    """In a live stream of a recording every word lies in the window of one final."""
    driver = Driver()

    driver.hear(decode_audio(str(AUDIO / name)))
    driver.end()

    check_story(driver.events, 1)
    finals = driver.said(Final)
    for utterance in CLIPS[name]["utterances"]:
        for word in utterance["words"]:
            assert any(
                final.start - 0.35 <= word["start"] and word["end"] <= final.end + 0.3
                for final in finals
            )
    assert max(window.seconds for _, window in driver.windows) <= 28.0


# Finals decoded ahead (REC-52, REC-53).


def test_the_final_is_there_when_the_endpoint_is() -> None:
    """A spec is asked for at 0.2 s of silence; at the endpoint nothing more is asked (REC-52)."""
    driver = Driver()

    driver.hear(joined(speech(2), silence(0.35)))
    assert driver.windows[-1][0].kind is Kind.SPEC
    assert driver.said(Final) == []
    asked = len(driver.windows)
    driver.hear(silence(0.4))

    assert len(driver.windows) == asked
    assert len(driver.said(Final)) == 1


def test_speech_after_a_spec_makes_it_an_interim() -> None:
    """When speech resumes the spec's text is shown and goes on; the final is asked anew."""
    driver = Driver()

    driver.hear(joined(speech(2), silence(0.4), speech(1.9), silence(1)))

    kinds = [request.kind for request, _ in driver.windows]
    assert kinds.count(Kind.SPEC) == 2
    (final,) = driver.said(Final)
    assert final.text == driver.engine(driver.windows[-1][1]).text.strip()
    check_story(driver.events, 0)


def test_a_spec_on_its_way_is_the_final() -> None:
    """An endpoint that comes before the spec's answer waits for it and asks for nothing else."""
    driver = Driver()
    driver.hear(joined(speech(2)))
    driver.hear(silence(1), answer=False)
    assert [request.kind for request in driver.waiting] == [Kind.SPEC]

    driver.answer()

    assert len(driver.said(Final)) == 1
    assert driver.stream.idle


def test_a_spec_read_before_more_speech_is_not_the_final() -> None:
    """A spec whose window lacks the last words is replaced by a final that has them."""
    driver = Driver()
    driver.hear(joined(speech(2), silence(0.3)), answer=False)
    spec = driver.waiting[-1]
    assert spec.kind is Kind.SPEC
    window = driver.stream.window(spec)
    assert window is not None

    driver.waiting.clear()
    driver.hear(joined(speech(0.5), silence(1)), answer=False)
    driver.stream.receive_hypothesis(spec, counting(window))
    driver.collect()

    assert driver.said(Final) == []
    driver.answer()
    assert len(driver.said(Final)) == 1
    assert driver.windows[-1][1].seconds > window.seconds + 0.5


def test_a_failed_spec_leaves_the_final_to_the_endpoint() -> None:
    """A spec that fails while the utterance is open costs nothing but time."""
    driver = Driver()
    driver.hear(joined(speech(2), silence(0.3)), answer=False)
    driver.stream.receive_failure(driver.waiting[-1], EngineError("bad"))
    driver.waiting.clear()

    driver.hear(silence(0.5))

    assert driver.windows[-1][0].kind is Kind.FINAL
    assert len(driver.said(Final)) == 1


def test_a_garbled_spec_is_not_the_final() -> None:
    """A spec that repeats itself is decoded again at the endpoint, without context (REC-14)."""
    driver = Driver(engine=lambda window: Hypothesis("so it goes so", compression_ratio=3.0))

    driver.hear(joined(speech(2), silence(1)))

    assert [request.kind for request, _ in driver.windows[-2:]] == [Kind.SPEC, Kind.FINAL]


def test_the_spec_text_sets_the_endpoint() -> None:
    """A whole sentence ends the utterance after 0.35 s, an unfinished one after 1 s (REC-53)."""
    assert silence_until_the_end("That is all.") == pytest.approx(0.35, abs=0.1)
    assert silence_until_the_end("That is all") == pytest.approx(0.6, abs=0.1)
    assert silence_until_the_end("That is,") == pytest.approx(1.0, abs=0.1)
    assert silence_until_the_end("Well") == pytest.approx(1.0, abs=0.1)
    assert silence_until_the_end("") == pytest.approx(2.4, abs=0.1)


def silence_until_the_end(text: str) -> float:
    """Seconds of silence that end an utterance in which an engine always hears this text."""
    driver = Driver(
        SpeechOptions(endpointing=EndpointingOptions(by_text=True)),
        engine=lambda _: Hypothesis(text, average_logprob=-0.1),
    )
    driver.hear(speech(2), piece=0.02)
    waited = 0.0
    while not driver.said(SpeechEnded):
        driver.hear(silence(0.02), piece=0.02)
        waited += 0.02
    return waited


def test_best_finals() -> None:
    """`best` decodes the whole utterance with a beam, once, at the endpoint (REC-27)."""
    driver = Driver(
        SpeechOptions(final="best"),
        engine=lambda window: Hypothesis(
            "well done" if window.beam == 5 else f"will done {window.seconds:.0f}"
        ),
    )

    driver.hear(joined(silence(1), speech(4), silence(1)))

    (final,) = driver.said(Final)
    assert (final.text, final.revised) == ("well done", True)
    assert driver.said(Interim)[-1].committed == "will done"
    beams = [window.beam for request, window in driver.windows if request.kind is Kind.FINAL]
    assert beams == [5]
    assert {window.beam for request, window in driver.windows[:-1]} == {1}


def test_a_spec_that_waited_is_not_asked_again() -> None:
    """A spec that is read in a later pause covers it: no second one, and it is the final."""
    driver = Driver()
    driver.hear(joined(speech(2), silence(0.3), speech(0.5), silence(0.25)), answer=False)
    spec = driver.waiting[-1]
    assert spec.kind is Kind.SPEC

    driver.answer()
    asked = len(driver.windows)
    driver.hear(silence(0.5))

    assert driver.windows[-1][0] == spec
    assert len(driver.windows) == asked
    assert len(driver.said(Final)) == 1


# The first words, and long utterances.


def test_the_first_interim_comes_early_and_again_until_there_is_text() -> None:
    """0.4 s after the onset, then every 0.25 s while the utterance has no text, then every step."""
    driver = Driver(
        engine=lambda window: Hypothesis(
            "hello" if window.seconds > 1.4 else "", no_speech_probability=0.1
        )
    )

    driver.hear(joined(silence(1), speech(4)), piece=0.02)

    lengths = [window.seconds for _, window in driver.windows]
    assert lengths[0] == pytest.approx(0.7, abs=0.1)  # with the pre-roll of 0.3 s
    gaps = np.diff(lengths)
    np.testing.assert_allclose(gaps[:2], 0.25, atol=0.05)
    np.testing.assert_allclose(gaps[4:], 1.0, atol=0.05)


def timed(window: Window) -> Hypothesis:
    """An engine that hears a numbered word each half second and keeps to the prefix."""
    said = window.prefix.split()
    first = int(said[0].removeprefix("w")) if said else 0
    count = int(window.seconds / 0.5)
    texts = [f"w{first + at}" for at in range(max(count, len(said)))]
    words = tuple(
        Word(("" if not at else " ") + text, at * 0.5, (at + 1) * 0.5, 0.9)
        for at, text in enumerate(texts)
    )
    return Hypothesis(" ".join(texts), words, language="en", average_logprob=-0.2)


def test_s18_windows_stay_short_in_long_speech() -> None:
    """In 60 minutes of speech no window is longer than soft bound, step and a second (REC-22).

    A step in minute 60 costs what it cost in minute 1 (QM-10), and what is kept does not grow.
    """
    driver = Driver(SpeechOptions(n_mels=8), engine=timed)
    minute = speech(60)
    longest, memory = [], []

    for _ in range(60):
        driver.windows.clear()
        driver.hear(minute, piece=0.5)
        longest.append(max(window.seconds for _, window in driver.windows))
        memory.append(kept(driver.stream))

    assert max(longest) <= 6.0 + 1.0 + 1.0
    assert max(longest[1:]) <= longest[0] * 1.05
    assert max(memory) <= 4 * SAMPLE_RATE
    driver.end()
    check_story(driver.events, 1)


STOPS = joined(speech(0.7), silence(0.3))
"""A second of dictation: a word, and a pause too short to end the utterance."""


@pytest.mark.parametrize("final", ["consistent", "best"])
def test_windows_stay_short_in_halting_speech(final: FinalChoice) -> None:
    """Short pauses have specs only; their windows are cut too, and text is shown (REC-22)."""
    driver = Driver(SpeechOptions(final=final, word_times=False), engine=timed)

    driver.hear(np.tile(STOPS, 18))
    shown = len(driver.said(Interim))
    driver.hear(silence(1))

    live = [window.seconds for _, window in driver.windows if window.beam == 1]
    assert max(live) <= 8.0
    assert shown >= 16
    assert len(driver.said(Final)) == 1
    check_story(driver.events, 0)


@pytest.mark.parametrize(
    "answer",
    [
        Hypothesis("", no_speech_probability=0.9, average_logprob=-2.0),
        Hypothesis("so it goes so it goes", compression_ratio=3.0, average_logprob=-0.1),
        Hypothesis("Thanks for watching!", average_logprob=-0.1),
    ],
    ids=["empty", "garbled", "filtered"],
)
def test_sound_without_text_costs_no_more_than_speech(answer: Hypothesis) -> None:
    """Singing or babble: short steps end after two seconds, and old audio goes (REC-23)."""
    driver = Driver(engine=lambda _: answer)

    driver.hear(speech(27))

    assert max(window.seconds for _, window in driver.windows) <= 7.5
    assert sum(window.seconds for _, window in driver.windows) <= 6 * 27


@settings(max_examples=30, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.sampled_from([0.4, 0.8, 1.7, 4.0]), st.sampled_from([0.15, 0.25, 0.4])),
        min_size=1,
        max_size=12,
    ),
    hears=st.sampled_from(["words", "nothing"]),
)
def test_s18_the_work_for_a_second_of_audio_is_bounded(
    parts: list[tuple[float, float]], hears: str
) -> None:
    """However somebody pauses, the engine hears no more than a few seconds for each (REC-25)."""
    engine = timed if hears == "words" else lambda _: Hypothesis("")
    driver = Driver(engine=engine)

    for talk, pause in parts:
        driver.hear(joined(speech(talk), silence(pause)))

    seconds = sum(talk + pause for talk, pause in parts)
    assert max((window.seconds for _, window in driver.windows), default=0) <= 9.5
    assert sum(window.seconds for _, window in driver.windows) <= 8 * seconds + 5


def test_previous_text() -> None:
    """A window is told the text before it: of this utterance, and of the ones before (REC-11)."""
    driver = Driver(engine=timed)

    driver.hear(joined(speech(2), silence(1), speech(9), silence(1)))

    assert driver.windows[0][1].previous == ""
    first = driver.said(Final)[0].text
    assert driver.windows[-1][1].previous.startswith(first + " w")


def test_features_instead_of_samples() -> None:
    """With mel bands windows carry features, computed when they are read, and no samples."""
    driver = Driver(SpeechOptions(n_mels=80), engine=timed)

    driver.hear(joined(silence(1), speech(4), silence(1)))

    assert driver.windows
    for _, window in driver.windows:
        assert len(window.samples) == 0
        assert window.features is not None
        assert window.features.shape == (round(window.seconds * 100), 80)
    assert kept(driver.stream) <= SAMPLE_RATE


def test_an_utterance_that_is_given_up_holds_nothing_back() -> None:
    """Those behind it and the end are said; its own answer comes too late (W8, S10, S13)."""
    driver = Driver(SpeechOptions(interims=False))
    for _ in range(2):
        driver.hear(speech(1.0), answer=False)
        driver.end(answer=False)
    late, second = driver.waiting
    driver.stream.receive_hypothesis(second, Hypothesis("second", language="en"))
    driver.collect()
    assert not driver.said(Final)

    driver.stream.give_up(late.utterance)
    driver.collect()
    driver.stream.receive_hypothesis(late, Hypothesis("late", language="en"))
    driver.collect()

    ends = [type(event) for event in driver.events if isinstance(event, Final | Ended)]
    assert ends == [Ended, Final, Ended]
    assert [final.text for final in driver.said(Final)] == ["second"]
    assert driver.stream.idle
    assert driver.stream.window(late) is None


def test_a_request_of_an_utterance_that_is_given_up_at_once_is_never_made() -> None:
    """What was not asked yet is asked no more (RC4)."""
    stream = SpeechStream(SpeechOptions(interims=False))
    stream.receive_audio(speech(1.0))
    stream.receive_end()

    stream.give_up(0)

    assert stream.requests() == []

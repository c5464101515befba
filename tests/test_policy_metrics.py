"""The figures of the policy evaluation, on event lists made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.policy import cost, delays
from benchmarks.policy.corpus import Spoken
from benchmarks.policy.replay import Call, Replay, Said
from benchmarks.policy.transcript import (
    committed_changed,
    differences,
    erasure,
    final_text,
    revised,
)
from stt.engines.fake import FakeEngine
from stt.errors import EngineError
from stt.events import (
    Event,
    Failed,
    Final,
    Hypothesis,
    Interim,
    Kind,
    Request,
    SpeechEnded,
    SpeechStarted,
    Window,
)


def interim(at: float, committed: str, tail: str = "", utterance: int = 0) -> Said:
    return Said(Interim(utterance, committed, tail, 0.0, at), at)


def final(at: float, text: str, utterance: int = 0, **more: object) -> Said:
    times = {"start": 0.0, "end": 9.0} | more
    return Said(Final(utterance, text, **times), at)  # type: ignore[arg-type]


def spoken(*words: tuple[str, float, float]) -> list[Spoken]:
    return [Spoken(*word) for word in words]


ONE_TWO = spoken(("One,", 1.0, 1.5), ("two", 2.0, 2.5))


# Text.


def test_the_text_is_that_of_the_finals_in_order() -> None:
    """Interims are no text; of a failed utterance what was committed is (QM-01)."""
    said = [
        interim(1, "Some", " thing"),
        final(2, "Some thing."),
        Said(Failed(1, EngineError("no"), "And"), 3.0),
        final(4, "", utterance=2),
        final(5, "More.", utterance=3),
    ]

    assert final_text(said) == "Some thing. And More."
    assert final_text([final(1, "你"), final(2, "好", utterance=1)], "zh") == "你好"


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ([interim(1, "one"), interim(2, "one two"), final(3, "one two three")], 0),
        ([interim(1, "one"), interim(2, "two"), final(3, "two")], 1),
        ([interim(1, "one two"), interim(2, "one"), final(3, "one")], 1),
        ([interim(1, "one two"), final(2, "one too")], 1),
        ([interim(1, "one"), Said(Failed(0, EngineError("no"), ""), 2.0)], 1),
        ([interim(1, "the world"), final(2, "the worldly goods")], 1),
        ([interim(1, "the world"), final(2, "the world, the goods")], 0),
        ([interim(1, "one"), final(2, "two", revised=True)], 0),
        ([interim(1, "", "one"), final(2, "two")], 0),
        ([interim(1, "one", utterance=0), interim(2, "two", utterance=1)], 0),
    ],
)
def test_committed_words_that_change_are_counted(said: list[Said], changed: int) -> None:
    """Each event that does not keep what was committed before it counts (QM-02)."""
    assert committed_changed(said) == changed


def test_committed_characters_of_a_script_without_spaces() -> None:
    """There, characters are words: more of them keep those before (REC-13)."""
    assert committed_changed([interim(1, "你"), final(2, "你好")], "zh") == 0
    assert committed_changed([interim(1, "你们"), final(2, "你好")], "zh") == 1


def test_revised_finals_are_counted_apart() -> None:
    """They say themselves that they keep no promise (REC-27)."""
    assert revised([final(1, "one", revised=True), final(2, "two", utterance=1)]) == 1


@pytest.mark.parametrize(
    ("said", "result"),
    [
        ([interim(1, "", "one"), interim(2, "one", " two"), final(3, "One, two.")], (0, 2)),
        ([interim(1, "", "one to"), interim(2, "one", " two"), final(3, "one two")], (1, 2)),
        ([interim(1, "", "a b c"), final(2, "x b c d")], (3, 4)),
        ([interim(1, "", "one two"), final(2, "")], (2, 0)),
        ([interim(1, "", "a", utterance=0), interim(2, "", "b", utterance=1)], (0, 0)),
    ],
)
def test_erasure_counts_words_behind_what_two_texts_share(
    said: list[Said], result: tuple[int, int]
) -> None:
    """Words withdrawn or changed from one event of an utterance to the next (QM-03)."""
    assert erasure(said) == result


def test_differences_are_marked_in_their_place() -> None:
    """Words replaced, left out and added, with a few of their neighbours."""
    reference, heard = list("abcdefghi"), list("axcdefgij")

    assert differences(reference, heard) == "a [b -> x] c d e f g [h -> ] i [ -> j]"
    assert differences(["a"] * 9 + ["b"], ["a"] * 9 + ["c"]) == "... a a a [b -> c]"


# Time.


def test_words_belong_to_the_utterance_they_are_spoken_in() -> None:
    """The middle of a word decides; utterances without text or without words are left out."""
    said = [
        interim(1, "", "One"),
        final(2, "One", start=1.0, end=1.6),
        final(4, "two", utterance=1, start=1.9, end=2.6),
        final(5, "", utterance=2, start=2.0, end=2.6),
        final(6, "three", utterance=3, start=7.0, end=8.0),
    ]

    heard = delays.utterances(said, ONE_TWO)

    assert [[word.text for word in one.spoken] for one in heard] == [["One,"], ["two"]]
    assert [len(one.events) for one in heard] == [2, 1]


def test_delays_count_from_the_words() -> None:
    """First text from the first onset; final and last change from the last end (QM-04, QM-06)."""
    said: list[Said] = [
        Said(SpeechStarted(0, 1.0), 1.1),
        interim(1.7, "", "One"),
        interim(2.7, "One", " two"),
        Said(SpeechEnded(0, 2.5), 3.1),
        final(3.2, "One, two."),
    ]

    heard = delays.utterances(said, ONE_TWO)

    assert delays.first_words(heard) == [pytest.approx(0.7)]
    assert delays.finals(heard) == [pytest.approx(0.7)]
    assert delays.last_changes(heard) == [pytest.approx(0.2)]


def test_a_word_lags_from_its_end_until_it_is_committed() -> None:
    """In an interim or at last in the final; words heard wrongly have no lag (QM-05)."""
    said = [
        interim(1.7, "", "One"),
        interim(2.7, "One", " too"),
        final(3.5, "One, two."),
    ]

    heard = delays.utterances(said, ONE_TWO)

    assert delays.commit_clocks(heard[0]) == [2.7, 3.5]
    assert delays.commit_lags(heard) == [pytest.approx(1.2), pytest.approx(1.0)]
    wrong = delays.utterances([final(3.5, "One so")], ONE_TWO)
    assert delays.commit_lags(wrong) == [pytest.approx(2.0)]


def test_words_that_a_final_revised_are_committed_by_it() -> None:
    """What was committed otherwise does not count (REC-27)."""
    heard = delays.utterances([interim(2, "One so"), final(3, "One two", revised=True)], ONE_TWO)

    assert delays.commit_clocks(heard[0]) == [2, 3]


def test_laal_is_that_of_its_paper() -> None:
    """Against evenly spread words, up to the first one after the end of the speech."""
    said = [interim(1.7, "One", " too"), interim(2.2, "One two"), final(3.0, "One two three")]

    (lagging,) = delays.laal(delays.utterances(said, ONE_TWO))

    # |X| = 1.5, max(|Y|, |Y*|) = 3: the words are due at 0, 0.5 and 1; said at 0.7, 1.2 and 2.0
    assert lagging == pytest.approx((0.7 + 0.7 + 1.0) / 3)


def test_laal_stops_at_the_first_word_after_the_speech() -> None:
    """Words that follow it are late by the endpoint, not by the policy."""
    (lagging,) = delays.laal(delays.utterances([final(3.0, "One two")], ONE_TWO))

    assert lagging == pytest.approx(2.0)


def test_failures_are_counted() -> None:
    """An utterance without a final is not to be overlooked."""
    assert delays.failures([Said(Failed(0, EngineError("no")), 1.0), final(2, "a", 1)]) == 1


# Cost.


def call(at: float, cpu: float, frames: int = 500) -> Call:
    request = Request(0, Kind.INTERIM, 0)
    return Call(request, None, Hypothesis(""), at, at, 1.0, frames, 3, cpu)


def test_a_step_costs_its_call_and_its_share_of_the_stream() -> None:
    """Only what falls into the time counts (QM-10)."""
    replay = Replay(180.0, calls=[call(1, 0.1), call(2, 0.3), call(61, 9.0)])
    replay.stream_cpu = [0.0, 0.2] + [0.0] * 59 + [5.0]

    assert cost.step_cost(replay, 0, 60) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="no step"):
        cost.step_cost(replay, 120, 180)


def test_flatness_compares_minutes() -> None:
    """Late minutes over early ones (QM-10)."""
    replay = Replay(180.0, calls=[call(1, 0.1), call(61, 0.2), call(121, 0.4)])
    replay.stream_cpu = [0.0] * 180

    assert cost.flatness(replay, early=1, late=3) == pytest.approx(4.0)
    assert cost.flatness(replay, early=1, late=2, minutes=2) == pytest.approx(2.0)


def test_encoded_seconds_count_the_padding() -> None:
    """What the encoder got, not what the windows had (QM-08)."""
    assert cost.encoded(Replay(9.0, calls=[call(1, 0.1, 500), call(2, 0.1, 1000)])) == 15.0


@pytest.mark.parametrize("honest", [True, False])
def test_invariance_compares_texts_alone_and_in_batches(honest: bool) -> None:
    """Every window is compared twice, in batches of 2 to 8 (QM-09)."""

    class Crowded(FakeEngine):
        def transcribe(self, batch):
            answers = super().transcribe(batch)
            crowd = len(batch) > 1 and not honest
            return [Hypothesis(one.text + "!" * crowd) for one in answers]

    engine = Crowded()
    windows = [Window(np.zeros(16_000 + at, np.float32), Kind.FINAL) for at in range(20)]

    same, compared = cost.invariance(windows, engine)

    assert compared == 40
    # the last of the batches may be one window alone
    assert same == compared if honest else same <= 2
    assert max(engine.batches) <= 8


def test_events_without_text_are_no_utterances() -> None:
    """Starts and ends of speech carry none."""
    events: list[Event] = [SpeechStarted(0, 1.0), SpeechEnded(0, 2.0)]

    assert erasure([Said(event, 1.0) for event in events]) == (0, 0)

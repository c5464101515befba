"""The fake engine: scripts, prefixes, delays and holding calls (stt/engines/fake.py)."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from stt.engines.base import Engine
from stt.engines.fake import REMEMBERED, FakeEngine
from stt.errors import EngineError
from stt.events import SAMPLE_RATE, Hypothesis, Kind, Window
from stt.mel import window_log_mel
from tests.speech import silence, speech


def window(seconds: float, **fields) -> Window:
    """A silent window."""
    return Window(np.zeros(round(seconds * SAMPLE_RATE), np.float32), Kind.INTERIM, **fields)


def test_text_grows_with_the_window():
    """Every longer window's text starts with the text of the shorter one."""
    engine: Engine = FakeEngine()

    texts = [engine.transcribe([window(tenths / 10)])[0].text for tenths in range(1, 120)]

    assert texts[18] == "one two three"
    assert texts[-1].startswith("one two three four five six seven eight nine zero one")
    assert all(after.startswith(before) for before, after in itertools.pairwise(texts))


@pytest.mark.parametrize("n_mels", [0, 80])
def test_the_pause_behind_an_utterance_has_no_words(n_mels):
    """However far a window reaches into silence its text is that of the speech, features or not."""
    engine = FakeEngine()
    texts = set()
    for pause in (0.2, 0.6, 1.0, 4.0):
        audio = np.concatenate((silence(0.3), speech(2), silence(pause)))
        features = window_log_mel(audio, n_mels) if n_mels else None
        samples = audio[:0] if n_mels else audio
        texts.add(engine.transcribe([Window(samples, Kind.INTERIM, features)])[0].text)

    assert texts == {"one two three four"}


def test_words_are_the_text_and_have_rising_times():
    """Joined, the words are the text; their times lie in the window."""
    answer = FakeEngine().transcribe([window(2.2, language="de")])[0]

    assert "".join(word.text for word in answer.words) == answer.text == "one two three four"
    assert [word.start for word in answer.words] == [0.0, 0.5, 1.0, 1.5]
    assert answer.words[-1].end == 2.0
    assert (answer.language, answer.language_probability) == ("de", 1.0)


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        ("one two", "one two three four"),
        ("uno dos", "uno dos three four"),
        (" one", " one two three four"),
        ("one two three four five six", "one two three four five six"),
    ],
)
def test_prefix_starts_the_text(prefix, text):
    """A hypothesis starts with exactly the committed text, whatever the script says."""
    answer = FakeEngine().transcribe([window(2.2, prefix=prefix)])[0]

    assert answer.text == text
    assert "".join(word.text for word in answer.words) == text


def test_script_answers_with_text_or_hypothesis_or_raises():
    """A script may give a text, a whole hypothesis, or an exception of its choice."""
    ready = Hypothesis("ready", average_logprob=-3.0)

    def script(asked: Window) -> Hypothesis | str:
        if asked.seconds > 5:
            raise EngineError("too much")
        return ready if asked.seconds > 2 else "hello  world"

    engine = FakeEngine(script)

    assert [answer.text for answer in engine.transcribe([window(1), window(3)])] == [
        "hello  world",
        "ready",
    ]
    assert engine.transcribe([window(3)])[0] is ready
    with pytest.raises(EngineError, match="too much"):
        engine.transcribe([window(1), window(6)])
    assert engine.busy == 0


def test_silent_script_says_no_speech():
    """An empty text is a window without speech."""
    answer = FakeEngine(lambda asked: "").transcribe([window(1)])[0]

    assert (answer.text, answer.words, answer.no_speech_probability) == ("", (), 1.0)


def test_gate_holds_answers_until_it_opens():
    """A call waits at the gate; it is noted before it waits, so a test can tell."""
    gate = threading.Event()
    engine = FakeEngine(gate=gate)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(engine.transcribe, [window(1), window(2)])

        assert engine.wait_for(calls=1)
        assert (engine.busy, list(engine.batches), len(engine.windows)) == (1, [2], 2)
        assert not answer.done()
        gate.set()

        assert [hypothesis.text for hypothesis in answer.result(5)] == [
            "one two",
            "one two three four",
        ]
    assert engine.busy == 0


def test_delay_is_per_call():
    """A call takes its delay, however many its windows are; threads sleep together."""
    engine = FakeEngine(delay=0.1)
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: engine.transcribe([window(2), window(3)]), range(8)))
    took = time.monotonic() - began

    assert 0.1 <= took < 0.75  # 8 x 0.1 s one after the other would be 0.8 s


def test_many_threads_are_counted_right():
    """No call is lost when many threads call at once, and the memory of calls is bounded."""
    engine = FakeEngine()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: engine.transcribe([window(0.5)] * 3), range(500)))

    assert (engine.calls, engine.busy) == (500, 0)
    assert len(engine.windows) == REMEMBERED
    assert set(engine.batches) == {3}


def test_closed_engine_refuses():
    """After close, transcribe raises EngineError; closing twice is fine."""
    engine = FakeEngine()
    engine.close()
    engine.close()

    with pytest.raises(EngineError, match="closed"):
        engine.transcribe([window(1)])
    assert not engine.wait_for(calls=1, timeout=0)

"""The figures at the size of a real model, their mechanics (benchmarks/tiny.py)."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import tiny
from benchmarks.policy.corpus import recordings
from benchmarks.random_model import make
from benchmarks.scripted_engine import count_on
from stt.engines.fake import hypothesis_of
from stt.engines.options import DEMO_MODEL
from stt.events import SAMPLE_RATE, Kind
from stt.speech.stream import SpeechStream

FILES = recordings(kinds=("short",), language="en")[:2]
SPOKEN = sum(file.utterances[0].end - file.utterances[0].start for file in FILES)


@pytest.fixture(name="nano", scope="module")
def _nano(tmp_path_factory):
    """The smallest model."""
    return make("nano", tmp_path_factory.mktemp("models") / "nano")


class Engine:
    """Each call takes 8 s of a false clock; the texts are those of the scripted engine."""

    n_mels = 80

    def __init__(self, clock) -> None:
        self.clock = clock
        self.batches = []
        self.closed = False

    def transcribe(self, batch):
        """Count on, for 8 s."""
        self.clock.now += 8.0
        self.batches.append(batch)
        return [hypothesis_of(count_on(window), window) for window in batch]

    def close(self) -> None:
        """Remember it."""
        self.closed = True


@pytest.fixture(name="engine")
def _engine(monkeypatch):
    """In the place of the model, with a clock that only it and the stream move."""
    clock = SimpleNamespace(now=0.0)
    engine = Engine(clock)
    monkeypatch.setattr(tiny, "time", SimpleNamespace(process_time=lambda: clock.now))
    monkeypatch.setattr(tiny, "ScriptedEngine", lambda *_: engine)
    return engine


def test_speech_is_the_time_in_which_somebody_speaks():
    """Of all utterances of all files, their silences not counted."""
    assert tiny.speech(FILES) == pytest.approx(SPOKEN)
    assert tiny.speech(FILES) < sum(file.seconds for file in FILES)


def test_sessions_that_say_the_same_share_the_time_of_the_model(engine):
    """Every batch is one window of each session, and each session pays its part."""
    cost = tiny.together(FILES, DEMO_MODEL)

    assert all(len(batch) == tiny.SESSIONS for batch in engine.batches)
    assert all(window is batch[0] for batch in engine.batches for window in batch)
    assert cost == pytest.approx(len(engine.batches) * 8.0 / tiny.SESSIONS / SPOKEN)
    assert engine.closed


def test_each_session_pays_for_its_own_stream(engine, monkeypatch):
    """What hearing and agreeing cost is not shared, and not counted twice."""
    pieces = []

    class Slow(SpeechStream):
        def receive_audio(self, samples) -> None:
            engine.clock.now += 1.0
            pieces.append(samples)
            super().receive_audio(samples)

    monkeypatch.setattr(tiny, "SpeechStream", Slow)

    cost = tiny.together(FILES, DEMO_MODEL)

    assert cost == pytest.approx((len(engine.batches) + len(pieces)) / SPOKEN)


def test_every_utterance_comes_to_its_final(engine):
    """Each file is heard to its endpoint: interims, and one final or what became it."""
    tiny.together(FILES, DEMO_MODEL)

    kinds = [batch[0].kind for batch in engine.batches]
    assert kinds.count(Kind.INTERIM) >= math.floor(SPOKEN) - len(FILES)
    assert kinds.count(Kind.SPEC) + kinds.count(Kind.FINAL) >= len(FILES)


@pytest.mark.parametrize(
    ("length", "ends"), [(0.4, [0.4]), (1.0, [1.0]), (2.5, [1.0, 2.0, 2.5]), (3.0, [1, 2, 3])]
)
def test_the_usual_way_decodes_each_step_and_the_whole_once(length, ends):
    """At each second of the utterance, and at its end, which is no second time when they meet."""
    assert tiny.step_ends(length) == ends


def test_the_usual_way_hears_what_was_said_so_far(nano, monkeypatch):
    """With the real library: audio from the onset on, four tokens a second, nothing repeated."""
    heard = []

    class Spied(tiny.WhisperModel):
        def transcribe(self, audio, **options):
            heard.append((audio, options["max_new_tokens"], options["beam_size"]))
            return super().transcribe(audio, **options)

    monkeypatch.setattr(tiny, "WhisperModel", Spied)
    spoken = FILES[0].utterances[0]
    onset = round(spoken.start * SAMPLE_RATE)
    ends = tiny.step_ends(spoken.end - spoken.start)

    cost = tiny.every_step(FILES[:1], nano, beam=1)

    assert cost > 0
    assert [tokens for _, tokens, _ in heard] == [round(4 * end) for end in ends]
    assert [len(audio) / SAMPLE_RATE for audio, *_ in heard] == pytest.approx(ends, abs=1e-3)
    for audio, _, beam in heard:
        np.testing.assert_array_equal(audio, FILES[0].samples[onset : onset + len(audio)])
        assert beam == 1


def test_the_batch_of_a_real_model_has_a_cost(nano):
    """The scripted engine goes through the same calls."""
    assert tiny.together(FILES[:1], nano) > 0

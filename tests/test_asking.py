"""What is asked while an utterance is open; the stream's tests show the whole of it."""

from __future__ import annotations

import numpy as np
import pytest

from stt.events import SAMPLE_RATE, Hypothesis, Kind, Request, Word
from stt.speech.asking import Asking
from stt.speech.endpointing import Endpointer
from stt.speech.excerpt import Excerpt
from stt.speech.options import SpeechOptions
from stt.speech.tape import Tape
from stt.speech.utterance import Utterance
from stt.speech.vad import HOP, Frames
from tests.speech import speech


class Scene:
    """An open utterance that began with the stream, and the frames the gate has judged."""

    def __init__(self, options: SpeechOptions | None = None) -> None:
        options = options or SpeechOptions()
        self.tape, self.endpointer = Tape(), Endpointer()
        self.tape.append(speech(30))
        self.now = 0
        excerpt = Excerpt(self.tape, 0, n_mels=0, whole=False)
        self.utterance = Utterance(0, 0, excerpt, options)
        self.asking = Asking(self.utterance, options, self.endpointer)

    def hear(self, seconds: float, *, voice: bool = True) -> Kind | None:
        """Judge so much more audio; what is due then."""
        count = round(seconds * SAMPLE_RATE / HOP)
        judged = np.full(count, voice, np.bool_)
        self.endpointer.step(Frames(judged, judged, np.zeros(count)))
        self.now += count * HOP
        return self.asking.due(self.now)

    def ask(self, kind: Kind) -> Request:
        """Ask for it, and have its window read."""
        request = Request(self.now, kind, 0)
        self.asking.ask(request, self.now)
        self.asking.read(request)
        self.utterance.window(kind, self.now, "")
        return request


def test_an_interim_is_due_in_speech_and_a_spec_in_silence() -> None:
    """0.4 s of speech ask for an interim, 0.2 s of silence for a spec (REC-52)."""
    scene = Scene()

    assert scene.hear(0.2) is None
    assert scene.hear(0.3) is Kind.INTERIM
    scene.asking.hear(scene.ask(Kind.INTERIM), Hypothesis("well"))
    assert scene.hear(0.15, voice=False) is None
    assert scene.hear(0.1, voice=False) is Kind.SPEC


def test_each_silence_has_one_spec() -> None:
    """Once asked for, a spec is due again only after more speech."""
    scene = Scene()
    scene.hear(1.0)
    assert scene.hear(0.3, voice=False) is Kind.SPEC
    scene.asking.hear(scene.ask(Kind.SPEC), Hypothesis("well"))
    assert scene.utterance.interim() is not None

    assert scene.hear(0.1, voice=False) is None
    assert scene.hear(0.2) is None
    assert scene.hear(0.3, voice=False) is Kind.SPEC


def test_nothing_is_due_beside_a_spec() -> None:
    """While a spec is outstanding no interim is asked for."""
    scene = Scene()
    scene.hear(1.0)
    scene.hear(0.3, voice=False)
    scene.ask(Kind.SPEC)

    assert scene.hear(3.0) is None


def test_a_spec_absorbs_the_interim() -> None:
    """Its answer is the answer of an interim that still waited (REC-61); so is its failure."""
    scene = Scene()
    scene.hear(1.0)
    interim = Request(1, Kind.INTERIM, 0)
    scene.asking.ask(interim, scene.now)
    scene.hear(0.3, voice=False)
    spec = scene.ask(Kind.SPEC)
    assert scene.asking.wants(interim)

    scene.asking.hear(spec, Hypothesis("well"))

    assert not scene.asking.wants(interim)
    assert not scene.asking.wants(spec)


def test_an_interim_older_than_the_spec_under_way_says_nothing() -> None:
    """An answer that comes in the wrong order is dropped."""
    scene = Scene()
    scene.hear(1.0)
    interim = scene.ask(Kind.INTERIM)
    scene.hear(0.3, voice=False)
    scene.ask(Kind.SPEC)

    scene.asking.hear(interim, Hypothesis("old"))

    assert scene.utterance.silent
    assert scene.utterance.policy.tail == ""


def test_a_spec_that_waited_into_speech_is_not_wanted() -> None:
    """Read while somebody speaks again it could be no final; an interim is due instead (REC-71)."""
    scene = Scene()
    scene.hear(1.0)
    scene.hear(0.3, voice=False)
    spec = Request(7, Kind.SPEC, 0)
    scene.asking.ask(spec, scene.now)
    scene.hear(1.0)

    assert not scene.asking.read(spec)

    assert not scene.asking.wants(spec)
    assert scene.hear(0.1) is Kind.INTERIM


WORDS = tuple(Word(f" w{at}", at * 0.5, (at + 1) * 0.5) for at in range(14))


@pytest.mark.parametrize("resumed", [False, True])
def test_the_window_of_a_spec_is_cut_when_speech_goes_on(resumed: bool) -> None:
    """It may be the final's; only when it cannot be any more it is cut (REC-22)."""
    scene = Scene()
    scene.hear(7.0)
    answer = Hypothesis("".join(word.text for word in WORDS).strip(), WORDS, language="en")
    scene.asking.hear(scene.ask(Kind.INTERIM), Hypothesis(answer.text))
    scene.hear(0.3, voice=False)
    scene.asking.hear(scene.ask(Kind.SPEC), answer)
    assert scene.utterance.excerpt.window_start == 0

    scene.hear(0.2, voice=resumed)
    scene.asking.go_on()

    assert (scene.utterance.excerpt.window_start > 0) is resumed
    assert (scene.asking.ahead.final(scene.endpointer.speech_end) is None) is resumed

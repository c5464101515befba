"""The state of one stream of speech: audio and hypotheses in, requests and events out.

Sans-I/O: no thread, no lock, no clock, no engine. Whoever owns a stream serialises the calls, gives
its ``requests()`` to an engine and its ``events()`` to a client, after every ``receive_*`` call.

Of an open utterance it asks for interims while speech goes on, and at 0.2 s of silence for a
*spec*, the final decoded ahead: if no speech follows, its answer is the final as soon as the
endpoint is there (recognition REC-52). At most one interim and one spec are outstanding (AD2); a
queue may drop a waiting interim when the spec comes.
"""

from __future__ import annotations

from collections import deque

from stt.errors import STTError
from stt.events import (
    SAMPLE_RATE,
    Ended,
    Event,
    Failed,
    Final,
    Hypothesis,
    Kind,
    Request,
    Samples,
    SpeechEnded,
    SpeechStarted,
    Window,
)
from stt.speech.ahead import Ahead
from stt.speech.endpointing import Boundary, Closed, Endpointer, Opened
from stt.speech.excerpt import Excerpt
from stt.speech.hybrid import HybridVAD
from stt.speech.options import SpeechOptions
from stt.speech.tape import Tape
from stt.speech.text import is_garbled, is_unspoken
from stt.speech.utterance import Utterance
from stt.speech.vad import EnergyVAD

_BLOCK = 10 * SAMPLE_RATE  # samples heard at once: bounds the memory of a long piece of audio
_SHORTEST_STEP = 0.3  # seconds; an interim of less audio says nothing (recognition REC-10)
_REMEMBERED = 600  # characters of earlier finals: a good 100 tokens, of which an engine takes 64
_SURE = -0.51  # mean log probability of a text whose mean probability is 0.6 (REC-53)


class SpeechStream:
    """One stream of speech. No thread, no lock, no clock.

    Its memory is the window of the open utterance and the audio of those that await their final;
    an hour of silence or of speech keeps no more (recognition REC-04).
    """

    def __init__(self, options: SpeechOptions | None = None) -> None:
        self._options = options or SpeechOptions()
        self._tape = Tape()
        vad = self._options.vad
        self._vad = HybridVAD(vad) if vad.hybrid else EnergyVAD(vad)
        self._endpointer = Endpointer(self._options.endpointing)
        self._open: Utterance | None = None
        self._awaiting: deque[Utterance | Ended] = deque()  # ended, and not yet said to have
        self._interim: Request | None = None  # the one outstanding (AD2)
        self._ahead = Ahead()
        self._previous = ""  # the end of the finals so far
        self._speech = 0  # samples of the utterances that have ended
        self._utterances = 0
        self._numbers = 0
        self._requests: list[Request] = []
        self._events: list[Event] = []

    # What a stream is told.

    def receive_audio(self, samples: Samples) -> None:
        """Take the next (n,) float32 samples, mono, 16 kHz; NaN and infinities count as 0.

        The caller leaves the array alone from now on.
        """
        for at in range(0, len(samples), _BLOCK):
            clean = self._tape.append(samples[at : at + _BLOCK])
            self._cross(self._endpointer.step(self._vad.judge(clean)))
            self._tape.forget(self._earliest)
        self._ask()

    def receive_hypothesis(self, request: Request, hypothesis: Hypothesis) -> None:
        """Take the answer to a request; a stale or unknown one is ignored (native W25, B3)."""
        if request == self._ahead.request and self._open:
            self._hear_ahead(self._open, hypothesis)
            self._ask()
        elif request == self._interim and self._open:
            self._interim = None
            if not self._ahead.under_way:
                self._hear(self._open, hypothesis)  # else it is older than what is on its way
            self._ask()
        elif utterance := self._awaits(request):
            self._finish(utterance, hypothesis)
            self._flush()

    def receive_failure(self, request: Request, error: STTError) -> None:
        """Take the failure of a request: a final's is said, an interim's is due again later."""
        if request == self._ahead.request:
            self._ahead.request = self._interim = None
        elif request == self._interim:
            self._interim = None
        elif utterance := self._awaits(request):
            utterance.fail(error)
            self._flush()

    def receive_end(self) -> None:
        """Endpoint now (REC-55); Ended is said once all before it has been. Audio may follow."""
        self._cross(self._endpointer.finish(self._tape.end))
        self._awaiting.append(Ended())
        self._flush()

    # What a stream asks and says. Call these after every receive_*.

    def requests(self) -> list[Request]:
        """What should be recognised now; never the same request twice."""
        requests, self._requests = self._requests, []
        return requests

    def window(self, request: Request) -> Window | None:
        """The audio of a request as of now (AD1); None when its answer is no longer wanted.

        It may be read again, when a batch failed and its windows are tried one by one.
        """
        ahead = request == self._ahead.request
        utterance = self._open if ahead or request == self._interim else self._awaits(request)
        if utterance is None:
            return None
        end = self._tape.end if utterance.audio_end is None else utterance.audio_end
        if ahead:
            self._ahead.read(self._endpointer.speech_end)
        window = utterance.window(request.kind, end, self._previous)
        self._tape.forget(self._earliest)
        return window

    def events(self) -> list[Event]:
        """What should be said now, in order; never the same event twice."""
        events, self._events = self._events, []
        return events

    # How a stream stands.

    @property
    def received(self) -> float:
        """Seconds of audio received."""
        return self._tape.end / SAMPLE_RATE

    @property
    def speech(self) -> float:
        """Seconds of speech found, the open utterance included."""
        speech = self._speech
        if self._open:
            speech += max(0, self._endpointer.speech_end - self._open.start)
        return speech / SAMPLE_RATE

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._open is not None

    @property
    def idle(self) -> bool:
        """Whether no utterance is open and none awaits its final."""
        return self._open is None and not self._awaiting

    @property
    def earliest_audio(self) -> float:
        """Seconds since stream start from which on audio may still be read."""
        return self._earliest / SAMPLE_RATE

    # How utterances come and go.

    def _cross(self, boundaries: list[Boundary]) -> None:
        for boundary in boundaries:
            if isinstance(boundary, Opened):
                self._begin(boundary)
            else:
                self._end(boundary)

    def _begin(self, opened: Opened) -> None:
        number, options = self._utterances, self._options
        self._utterances += 1
        excerpt = Excerpt(
            self._tape, opened.audio_start, n_mels=options.n_mels, whole=options.final == "best"
        )
        self._open = Utterance(number, opened.start, excerpt, options)
        self._ahead = Ahead()
        self._events.append(SpeechStarted(number, opened.start / SAMPLE_RATE))

    def _end(self, closed: Closed) -> None:
        assert self._open is not None, "the endpointer closes only what it opened"
        utterance, self._open = self._open, None
        ahead, self._ahead = self._ahead, Ahead()
        if self._interim in self._requests:
            self._requests.remove(self._interim)
        self._interim = None  # no interim after the endpoint (native W5)
        self._speech += closed.end - utterance.start
        self._events.append(SpeechEnded(utterance.number, closed.end / SAMPLE_RATE))
        utterance.close(closed.end, closed.audio_end)
        self._awaiting.append(utterance)
        if answer := ahead.final(closed.speech_end):
            self._finish(utterance, answer)  # REC-52
            self._flush()
        elif ahead.becomes_final(closed.speech_end):
            utterance.request = ahead.request
        else:
            if ahead.request in self._requests:
                self._requests.remove(ahead.request)
            utterance.request = self._request(self._options.kind, utterance)

    def _request(self, kind: Kind, utterance: Utterance) -> Request:
        request = Request(self._numbers, kind, utterance.number)
        self._numbers += 1
        self._requests.append(request)
        return request

    def _awaits(self, request: Request) -> Utterance | None:
        """The ended utterance that awaits the answer to this request."""
        for waiting in self._awaiting:
            if isinstance(waiting, Utterance) and waiting.request == request:
                return waiting if waiting.outcome is None else None
        return None

    def _finish(self, utterance: Utterance, hypothesis: Hypothesis) -> None:
        if self._options.final == "best":
            utterance.revise(hypothesis)
        else:
            utterance.finish(hypothesis)

    def _flush(self) -> None:
        """Say what is known of the ended utterances, in their order."""
        while self._awaiting:
            first = self._awaiting[0]
            outcome: Final | Failed | Ended | None = (
                first if isinstance(first, Ended) else first.outcome
            )
            if outcome is None:
                return
            self._awaiting.popleft()
            self._events.append(outcome)
            if isinstance(outcome, Final) and outcome.text:
                self._previous = f"{self._previous} {outcome.text}"[-_REMEMBERED:]
        self._tape.forget(self._earliest)
        if self._open:
            self._say_interim(self._open)

    # Interims and specs.

    def _ask(self) -> None:
        """Ask for what is due of the open utterance: a spec in silence, an interim in speech."""
        utterance = self._open
        if utterance is None or not self._options.interims or self._ahead.request is not None:
            return
        endpointing, speech_end = self._options.endpointing, self._endpointer.speech_end
        silence = min(endpointing.spec, endpointing.silence / 2) * SAMPLE_RATE
        if self._endpointer.silence >= silence and self._ahead.asked_after != speech_end:
            if self._interim in self._requests:
                self._requests.remove(self._interim)
                self._interim = None
            self._ahead = Ahead(self._request(Kind.SPEC, utterance), asked_after=speech_end)
            return
        due = speech_end > utterance.read_until and self._tape.end >= self._next_interim(utterance)
        pausing = self._endpointer.silence >= silence / 2  # then wait: a spec may say it all
        if due and not pausing and self._interim is None:
            utterance.read_until = self._tape.end
            self._interim = self._request(Kind.INTERIM, utterance)

    def _next_interim(self, utterance: Utterance) -> float:
        """The sample at which the next interim is due (REC-10)."""
        options = self._options
        step = max(options.step, _SHORTEST_STEP)
        if utterance.read_until == utterance.audio_start:
            first = utterance.start + min(options.first_step, step) * SAMPLE_RATE
            return max(first, utterance.audio_start + _SHORTEST_STEP * SAMPLE_RATE)
        if utterance.silent:
            step = min(options.next_step, step)
        return utterance.read_until + step * SAMPLE_RATE

    def _hear_ahead(self, utterance: Utterance, hypothesis: Hypothesis) -> None:
        """Take the answer to a spec: it may be the final, and is an interim in any case."""
        ahead = self._ahead
        ahead.request = self._interim = None  # the spec said all that an interim would (REC-61)
        if ahead.heard == self._endpointer.speech_end and not is_garbled(hypothesis):
            ahead.answer = hypothesis
        if self._options.final == "best":  # it is free of what was committed
            self._judge_silence(utterance, hypothesis.text.strip(), hypothesis)
        else:
            self._hear(utterance, hypothesis, cut=False)  # a final must find its window as it was

    def _hear(self, utterance: Utterance, hypothesis: Hypothesis, *, cut: bool = True) -> None:
        utterance.doubtful = is_garbled(hypothesis)
        if utterance.doubtful:
            return  # nothing is said and nothing committed (recognition REC-14)
        policy = utterance.policy
        if not is_unspoken(hypothesis):  # native W28
            utterance.update(hypothesis, cut=cut)
            self._say_interim(utterance)
        self._judge_silence(utterance, policy.committed + policy.tail, hypothesis)

    def _judge_silence(self, utterance: Utterance, text: str, hypothesis: Hypothesis) -> None:
        sure = hypothesis.average_logprob > _SURE
        self._endpointer.hear_text(text, utterance.read_until, sure=sure)

    def _say_interim(self, utterance: Utterance) -> None:
        """Say the text so far if it has changed and no earlier final is awaited."""
        if not self._awaiting and (interim := utterance.interim()):
            self._events.append(interim)

    @property
    def _earliest(self) -> int:
        """The first sample still needed."""
        utterances = [it for it in self._awaiting if isinstance(it, Utterance)]
        if self._open:
            utterances.append(self._open)
        needed = (it.excerpt.needed for it in utterances if it.outcome is None)
        return min(self._endpointer.earliest, self._tape.end, *needed)

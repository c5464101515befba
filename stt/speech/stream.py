"""The state of one stream of speech: audio and hypotheses in, requests and events out.

Sans-I/O: no thread, no lock, no clock, no engine. Whoever owns a stream serialises the calls, gives
its ``requests()`` to an engine and its ``events()`` to a client, after every ``receive_*`` call.

Of an open utterance it asks for what ``stt.speech.asking`` says is due; at the endpoint it asks for
the final, unless that was decoded ahead. Finals are said in the order of their utterances.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

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
from stt.speech.asking import Asking
from stt.speech.endpointing import Boundary, Closed, Endpointer, Opened
from stt.speech.excerpt import Excerpt
from stt.speech.hybrid import HybridVAD
from stt.speech.options import SpeechOptions
from stt.speech.tape import Tape
from stt.speech.utterance import Utterance
from stt.speech.vad import EnergyVAD

_BLOCK = 10 * SAMPLE_RATE  # samples heard at once: bounds the memory of a long piece of audio
_REMEMBERED = 600  # characters of earlier finals: a good 100 tokens, of which an engine takes 64


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
        self._asking: Asking | None = None  # of the open utterance
        self._awaiting: deque[Utterance | Ended] = deque()  # ended, and not yet said to have
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
        if self._asking and self._asking.wants(request):
            self._asking.hear(request, hypothesis)
            self._say_interim()
            self._ask()
        elif utterance := self._awaits(request):
            self._finish(utterance, hypothesis)
            self._flush()

    def receive_failure(self, request: Request, error: STTError) -> None:
        """Take the failure of a request: a final's is said, an interim's is due again later."""
        if self._asking and self._asking.wants(request):
            self._asking.fail(request)
        elif utterance := self._awaits(request):
            utterance.fail(error)
            self._flush()

    def receive_end(self) -> None:
        """Endpoint now (REC-55); Ended is said once all before it has been. Audio may follow."""
        self._cross(self._endpointer.finish(self._tape.end))
        self._awaiting.append(Ended())
        self._flush()

    def give_up(self, utterance: int) -> None:
        """Nobody waits any more for the final of an utterance that has ended: it gets none.

        Those behind it, and Ended, wait for it no longer either.
        """
        for waiting in list(self._awaiting):
            if isinstance(waiting, Utterance) and waiting.number == utterance:
                self._awaiting.remove(waiting)
                self._withdraw(waiting.request)
        self._flush()

    def configure(self, options: SpeechOptions) -> None:
        """Other wishes from now on: silences at once, the rest from the next utterance.

        How sound is judged, how audio becomes features and how finals are made stay as they were.
        """
        had = self._options
        ends = self._endpointer.configure(options.endpointing)
        self._options = replace(
            options, vad=had.vad, n_mels=had.n_mels, final=had.final, endpointing=ends
        )

    # What a stream asks and says. Call these after every receive_*.

    def requests(self) -> list[Request]:
        """What should be recognised now; never the same request twice."""
        requests, self._requests = self._requests, []
        return requests

    def window(self, request: Request) -> Window | None:
        """The audio of a request as of now (AD1); None when its answer is no longer wanted."""
        if self._asking and self._asking.wants(request):
            wanted = self._asking.read(request)
            utterance = self._asking.utterance if wanted else None
        else:
            utterance = self._awaits(request)
        if utterance is None:
            return None
        end = self._tape.end if utterance.audio_end is None else utterance.audio_end
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
        if self._asking:
            speech += max(0, self._endpointer.speech_end - self._asking.utterance.start)
        return speech / SAMPLE_RATE

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open."""
        return self._asking is not None

    @property
    def idle(self) -> bool:
        """Whether no utterance is open and none awaits its final."""
        return self._asking is None and not self._awaiting

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
        utterance = Utterance(number, opened.start, excerpt, options)
        self._asking = Asking(utterance, options, self._endpointer)
        self._events.append(SpeechStarted(number, opened.start / SAMPLE_RATE))

    def _end(self, closed: Closed) -> None:
        assert self._asking is not None, "the endpointer closes only what it opened"
        asking, self._asking = self._asking, None  # no interim after the endpoint (native W5)
        utterance, ahead = asking.utterance, asking.ahead
        self._withdraw(asking.interim)
        self._speech += closed.end - utterance.start
        self._events.append(SpeechEnded(utterance.number, closed.end / SAMPLE_RATE))
        utterance.close(closed.end, closed.audio_end)
        self._awaiting.append(utterance)
        anew = self._options.final == "best"  # what was decoded ahead keeps to what is committed
        if not anew and (answer := ahead.final(closed.speech_end)):
            utterance.finish(answer)  # REC-52
            self._flush()
        elif not anew and ahead.becomes_final(closed.speech_end):
            utterance.request = ahead.request
        else:
            self._withdraw(ahead.request)
            utterance.request = self._request(self._options.kind, utterance)

    def _request(self, kind: Kind, utterance: Utterance) -> Request:
        end = self._tape.end if utterance.audio_end is None else utterance.audio_end
        seconds = utterance.seconds_of(kind, end)
        request = Request(self._numbers, kind, utterance.number, seconds)
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
        self._say_interim()

    # The open utterance.

    def _ask(self) -> None:
        """Ask for what is due of the open utterance."""
        asking = self._asking
        if asking is None:
            return
        asking.go_on()
        kind = asking.due(self._tape.end)
        if kind is Kind.SPEC:
            self._withdraw(asking.interim)
        if kind is not None:
            asking.ask(self._request(kind, asking.utterance), self._tape.end)

    def _withdraw(self, request: Request | None) -> None:
        """A request that nobody has taken yet is not wanted any more."""
        if request in self._requests:
            self._requests.remove(request)

    def _say_interim(self) -> None:
        """Say the text so far if it has changed and no earlier final is awaited."""
        if self._asking and not self._awaiting:
            interim = self._asking.utterance.interim()
            if interim is not None:
                self._events.append(interim)

    @property
    def _earliest(self) -> int:
        """The first sample still needed."""
        utterances = [it for it in self._awaiting if isinstance(it, Utterance)]
        if self._asking:
            utterances.append(self._asking.utterance)
        needed = (it.excerpt.needed for it in utterances if it.outcome is None)
        return min(self._endpointer.earliest, self._tape.end, *needed)

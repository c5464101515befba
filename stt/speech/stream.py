"""The state of one stream of speech: audio and hypotheses in, requests and events out.

Sans-I/O: no thread, no lock, no clock, no engine. Whoever owns a stream serialises the calls, gives
its ``requests()`` to an engine and its ``events()`` to a client, after every ``receive_*`` call.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from stt.errors import STTError
from stt.events import (
    SAMPLE_RATE,
    Ended,
    Event,
    Failed,
    Final,
    FinalChoice,
    Hypothesis,
    Kind,
    Request,
    Samples,
    SpeechEnded,
    SpeechStarted,
    Task,
    Window,
)
from stt.speech.endpointing import Boundary, Closed, Endpointer, EndpointingOptions, Opened
from stt.speech.policy import PolicyOptions
from stt.speech.tape import Tape
from stt.speech.text import is_garbled, is_unspoken
from stt.speech.utterance import Utterance
from stt.speech.vad import EnergyVAD, VadOptions

_BLOCK = 10 * SAMPLE_RATE  # samples heard at once: bounds the memory of a long piece of audio
_SHORTEST_STEP = 0.3  # seconds; an interim of less audio says nothing (recognition REC-10)


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """What a client wants of a stream; composes the options of the rooms below."""

    language: str | None = None
    """ISO-639-1; None: detect it."""
    task: Task = "transcribe"
    prompt: str = ""
    """Text as if it had been said before."""
    hotwords: str = ""
    """Words the client expects to be said."""
    step: float = 1.0
    """Seconds of new audio between two interims of an utterance."""
    interims: bool = True
    """False: only finals, as files want it."""
    word_times: bool = True
    """Whether finals carry words with times."""
    interim_words: bool = False
    """Whether interims do."""
    final: FinalChoice = "consistent"
    """Whether a final keeps to what was committed, or is decoded anew (REC-27)."""
    n_mels: int = 0
    """Mel bands of the features in its windows; 0: windows carry samples (``Engine.n_mels``)."""
    kind: Kind = Kind.FINAL
    """The kind of the requests for finals: ``Kind.BULK`` for files."""
    vad: VadOptions = field(default_factory=VadOptions)
    endpointing: EndpointingOptions = field(default_factory=EndpointingOptions)
    policy: PolicyOptions = field(default_factory=PolicyOptions)


class SpeechStream:
    """One stream of speech. No thread, no lock, no clock.

    Its memory is the audio of the open utterance and of those that await their final, and 0.3 s
    of pre-roll; an hour of silence or of speech keeps no more (recognition REC-04).
    """

    def __init__(self, options: SpeechOptions | None = None) -> None:
        self._options = options or SpeechOptions()
        self._tape = Tape()
        self._vad = EnergyVAD(self._options.vad)
        self._endpointer = Endpointer(self._options.endpointing)
        self._open: Utterance | None = None
        self._awaiting: deque[Utterance | Ended] = deque()  # ended, and not yet said to have
        self._interim: Request | None = None  # the one outstanding (AD2)
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
        self._ask_for_interim()

    def receive_hypothesis(self, request: Request, hypothesis: Hypothesis) -> None:
        """Take the answer to a request; a stale or unknown one is ignored (native W25, B3)."""
        if request == self._interim and self._open:
            self._interim = None
            self._hear_interim(self._open, hypothesis)
            self._ask_for_interim()
        elif utterance := self._awaits(request):
            utterance.finish(hypothesis)
            self._flush()

    def receive_failure(self, request: Request, error: STTError) -> None:
        """Take the failure of a request: a final's is said, an interim's is due again later."""
        if request == self._interim:
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
        final = request != self._interim
        utterance = self._awaits(request) if final else self._open
        if utterance is None:
            return None
        end = self._tape.end if utterance.audio_end is None else utterance.audio_end
        utterance.read_until = end
        options = self._options
        return Window(
            samples=self._tape.read(utterance.audio_start, end),
            kind=request.kind,
            language=utterance.language,
            task=options.task,
            prefix=utterance.policy.committed,
            prompt=options.prompt,
            word_times=final and options.word_times,
        )

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
        self._open = Utterance(
            number, opened.start, opened.audio_start, options.language, options.policy
        )
        self._events.append(SpeechStarted(number, opened.start / SAMPLE_RATE))

    def _end(self, closed: Closed) -> None:
        assert self._open is not None, "the endpointer closes only what it opened"
        utterance, self._open = self._open, None
        if self._interim in self._requests:
            self._requests.remove(self._interim)
        self._interim = None  # no interim after the endpoint (native W5)
        self._speech += closed.end - utterance.start
        self._events.append(SpeechEnded(utterance.number, closed.end / SAMPLE_RATE))
        request = self._request(self._options.kind, utterance)  # REC-52: a spec would save it
        utterance.close(closed.end, closed.audio_end, request)
        self._awaiting.append(utterance)

    def _request(self, kind: Kind, utterance: Utterance) -> Request:
        seconds = (self._tape.end - utterance.audio_start) / SAMPLE_RATE
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
        self._tape.forget(self._earliest)
        if self._open:
            self._say_interim(self._open)

    # Interims.

    def _ask_for_interim(self) -> None:
        """Ask for an interim when one is due: ``step`` of new audio, and new speech in it."""
        utterance = self._open
        if utterance is None or self._interim is not None or not self._options.interims:
            return
        step = max(self._options.step, _SHORTEST_STEP) * SAMPLE_RATE
        new_speech = self._endpointer.speech_end > utterance.read_until
        if new_speech and self._tape.end - utterance.read_until >= step:
            utterance.read_until = self._tape.end
            self._interim = self._request(Kind.INTERIM, utterance)

    def _hear_interim(self, utterance: Utterance, hypothesis: Hypothesis) -> None:
        if is_unspoken(hypothesis) or is_garbled(hypothesis):
            return  # nothing is said and nothing committed (native W28, recognition REC-14)
        utterance.update(hypothesis)
        policy = utterance.policy
        self._endpointer.hear_text(
            policy.committed + policy.tail,
            utterance.read_until,
            sure=hypothesis.average_logprob > -0.51,  # a mean probability of 0.6 (REC-53)
        )
        self._say_interim(utterance)

    def _say_interim(self, utterance: Utterance) -> None:
        """Say the text so far if it has changed and no earlier final is awaited."""
        if not self._awaiting and (interim := utterance.interim()):
            self._events.append(interim)

    @property
    def _earliest(self) -> int:
        """The first sample still needed."""
        waiting = (it.audio_start for it in self._awaiting if isinstance(it, Utterance))
        return min(self._endpointer.earliest, next(waiting, self._tape.end))

"""What is asked of an engine while an utterance is open, and what the answers make of it.

Interims while somebody speaks, and in each short silence a *spec*, the final decoded ahead
(recognition REC-52). At most one of each is outstanding (AD2); a queue may drop a waiting interim
when the spec comes (REC-61). Pure state: a stream makes the requests and says the events.
"""

from __future__ import annotations

from stt.events import SAMPLE_RATE, Hypothesis, Kind, Request
from stt.speech.ahead import Ahead
from stt.speech.endpointing import Endpointer
from stt.speech.options import SpeechOptions
from stt.speech.text import is_garbled, is_unspoken
from stt.speech.utterance import Utterance

_SHORTEST_STEP = 0.3  # seconds; an interim of less audio says nothing (recognition REC-10)
_HASTE = 2.0  # seconds of an utterance in which its first text is awaited with short steps
_SURE = -0.51  # mean log probability of a text whose mean probability is 0.6 (REC-53)


class Asking:
    """The requests of the open utterance. No lock: the owner of the stream calls it."""

    def __init__(
        self, utterance: Utterance, options: SpeechOptions, endpointer: Endpointer
    ) -> None:
        self.utterance = utterance
        self.interim: Request | None = None
        """Outstanding."""
        self.ahead = Ahead()
        self._options = options
        self._endpointer = endpointer
        ends = options.endpointing
        self._silence = min(ends.spec, ends.silence / 2) * SAMPLE_RATE  # that asks for a spec

    def due(self, now: int) -> Kind | None:
        """What to ask for when the stream has ``now`` samples; `ask` then follows."""
        if not self._options.interims or self.ahead.request is not None:
            return None
        speech_end, silence = self._endpointer.speech_end, self._endpointer.silence
        if silence >= self._silence and self.ahead.asked_after != speech_end:
            return Kind.SPEC
        new = speech_end > self.utterance.read_until and now >= self._next_interim()
        pausing = silence >= self._silence / 2  # then wait: a spec may say it all
        return Kind.INTERIM if new and not pausing and self.interim is None else None

    def ask(self, request: Request, now: int) -> None:
        """The request for what was due."""
        if request.kind is Kind.SPEC:
            self.ahead = Ahead(request, asked_after=self._endpointer.speech_end)
        else:
            self.utterance.read_until = now
            self.interim = request

    def wants(self, request: Request) -> bool:
        """Whether the answer to a request is awaited here."""
        return request in (self.interim, self.ahead.request)

    def read(self, request: Request) -> bool:
        """The window of a request is read now; False: it is not wanted any more.

        A spec that waited until somebody speaks again would be an interim with a final's urgency:
        under load that costs other sessions their finals (REC-71).
        """
        if request == self.ahead.request:
            speech_end = self._endpointer.speech_end
            if self.ahead.asked_after != speech_end and self._endpointer.silence < self._silence:
                self.fail(request)
                return False
            self.ahead.read(speech_end)
        return True

    def fail(self, request: Request) -> None:
        """A request failed; an interim is due again later, a final at the endpoint."""
        if request == self.ahead.request:
            self.ahead.request = None
        self.interim = None

    def go_on(self) -> None:
        """Speech may have gone on after a spec was answered: then it is no final any more.

        Only now may its window be cut, as a final must find its window as it was.
        """
        answer = self.ahead.answer
        if answer is not None and self.ahead.final(self._endpointer.speech_end) is None:
            self.ahead.answer = None
            self._cut(answer)

    def hear(self, request: Request, hypothesis: Hypothesis) -> None:
        """Take the answer to a request that is wanted."""
        if request == self.ahead.request:
            self.ahead.request = self.interim = None  # it says all that an interim would (REC-61)
            if self.ahead.heard == self._endpointer.speech_end and not is_garbled(hypothesis):
                self.ahead.answer = hypothesis
        else:
            self.interim = None
            if self.ahead.under_way:
                return  # it is older than what is on its way
        self._take(hypothesis)
        if self.ahead.answer is not hypothesis:
            self._cut(hypothesis)

    def _take(self, hypothesis: Hypothesis) -> None:
        utterance = self.utterance
        utterance.doubtful = is_garbled(hypothesis)
        if utterance.doubtful:
            return  # nothing is said and nothing committed (recognition REC-14)
        if not is_unspoken(hypothesis):  # native W28
            utterance.update(hypothesis)
        text = utterance.policy.committed + utterance.policy.tail
        sure = hypothesis.average_logprob > _SURE
        self._endpointer.hear_text(text, utterance.read_until, sure=sure)

    def _cut(self, hypothesis: Hypothesis) -> None:
        """Cut a long window; of an answer that is no ground for a text only what was forced counts.

        REC-22, REC-23.
        """
        ground = not (self.utterance.doubtful or is_unspoken(hypothesis))
        forced = bool(self.utterance.policy.prefix)
        self.utterance.cut(hypothesis.words if ground or forced else ())

    def _next_interim(self) -> float:
        """The sample at which the next interim is due (REC-10)."""
        options, utterance = self._options, self.utterance
        step = max(options.step, _SHORTEST_STEP)
        heard = utterance.read_until - utterance.audio_start
        if not heard:
            first = utterance.start + min(options.first_step, step) * SAMPLE_RATE
            return max(first, utterance.audio_start + _SHORTEST_STEP * SAMPLE_RATE)
        if utterance.silent and heard < _HASTE * SAMPLE_RATE:
            step = min(options.next_step, step)
        return utterance.read_until + step * SAMPLE_RATE

"""Where utterances begin and end: judged frames in, boundaries out.

It counts frames and compares with times; it hears no audio, decodes no text and knows no clock.
Positions are samples since the stream began. Times of the options are seconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from stt.events import SAMPLE_RATE
from stt.speech.vad import HOP, Frames, next_onset

_QUIETEST = 4  # frames: the 100 ms of REC-54, in which an endless utterance is cut


@dataclass(frozen=True, slots=True)
class EndpointingOptions:
    """When an utterance begins and ends (recognition section 6)."""

    onset: float = 0.096
    """Speech that opens an utterance (REC-51)."""
    preroll: float = 0.3
    """Audio kept before the onset (REC-51)."""
    postroll: float = 0.3
    """Audio kept after the last speech, for the weak ends of words."""
    unvoiced: float = 0.5
    """How much later than its onset speech may be known to be a voice, at most."""
    hangover: float = 0.072
    """A gap up to this length does not interrupt an onset; speech lasts this much longer."""
    silence: float = 0.6
    """Silence that ends an utterance (REC-53)."""
    cut_after: float = 20.0
    """An utterance this long ends at its next dip (REC-54)."""
    dip: float = 0.12
    """Silence that counts as such a dip."""
    longest: float = 28.0
    """An utterance this long is cut at its quietest 100 ms of the last ``cut_search`` (REC-54)."""
    cut_search: float = 3.0
    spec: float = 0.2
    """Silence after which the final is decoded ahead (REC-52); half the silence if that is less."""
    by_text: bool = False
    """Let the text decide how long a silence ends the utterance (REC-53): the times below."""
    silence_after_sentence: float = 0.35
    silence_unfinished: float = 1.0
    silence_without_text: float = 2.4

    def silence_for(self, text: str, sure: bool) -> float:
        """The silence that ends an utterance with this text (REC-53)."""
        if not text:
            return self.silence_without_text
        if text[-1] in ",，、;":
            return self.silence_unfinished
        if text[-1] in ".?!。？！।॥؟…":
            return self.silence_after_sentence if sure else self.silence
        return self.silence_unfinished if len(text.split()) < 3 else self.silence


@dataclass(frozen=True, slots=True)
class Opened:
    """An utterance begins."""

    start: int
    """Where its speech starts."""
    audio_start: int
    """Where its audio starts: the pre-roll, but never inside the utterance before."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The open utterance ends."""

    end: int
    """Where its speech ends."""
    audio_end: int
    speech_end: int
    """The end of the last frame that was judged to be speech, without the hang-over."""


Boundary: TypeAlias = Opened | Closed


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


class Endpointer:
    """Turns judged frames into utterances. No lock: the owner of the stream calls it."""

    def __init__(self, options: EndpointingOptions | None = None) -> None:
        self._options = options = options or EndpointingOptions()
        self._onset_frames = max(1, round(_samples(options.onset) / HOP))
        self._hangover_frames = round(_samples(options.hangover) / HOP)
        self._levels: deque[float] = deque(maxlen=max(1, _samples(options.cut_search) // HOP))
        self._now = 0  # the end of the last frame
        self._boundary = 0  # the audio before it belongs to utterances that have ended
        self._onset: int | None = None  # where speech began that may become an utterance
        self._onset_speech = 0  # frames of speech since then
        self._speech_end = 0
        self._opened: Opened | None = None
        self._wait = _samples(options.silence)

    def configure(self, options: EndpointingOptions) -> EndpointingOptions:
        """Let other silences end utterances, the open one too; the options that hold then.

        What decides which audio is kept stays as it was: it may have been forgotten.
        """
        self._options = replace(
            self._options,
            silence=options.silence,
            spec=options.spec,
            by_text=options.by_text,
            silence_after_sentence=options.silence_after_sentence,
            silence_unfinished=options.silence_unfinished,
            silence_without_text=options.silence_without_text,
        )
        self._wait = _samples(options.silence)
        return self._options

    @property
    def speech_end(self) -> int:
        """The end of the last frame with speech."""
        return self._speech_end

    @property
    def silence(self) -> int:
        """Samples since the last frame with speech."""
        return self._now - self._speech_end

    @property
    def earliest(self) -> int:
        """The first sample that an utterance which has not begun yet can need."""
        if self._opened:  # it may end where its speech does, or be cut (REC-54)
            seconds = self._options.longest - self._options.cut_search
            return min(self._speech_end, self._opened.audio_start + _samples(seconds))
        start = self._now if self._onset is None else self._onset
        return max(self._boundary, start - _samples(self._options.preroll))

    def step(self, frames: Frames) -> list[Boundary]:
        """Take the next frames; the boundaries they bring, in order."""
        onset, speech, level = frames.onset.tolist(), frames.speech.tolist(), frames.level.tolist()
        voiced = [True] * len(onset) if frames.voiced is None else frames.voiced.tolist()
        boundaries: list[Boundary] = []
        at = 0
        while at < len(speech):
            if self._opened is None and self._onset is None:
                at = self._skip(onset, at)
                if at == len(speech):
                    break
            self._now += HOP
            if self._opened is None:
                boundaries += self._await_onset(onset[at], voiced[at])
            else:
                boundaries += self._await_end(speech[at], level[at])
            at += 1
        return boundaries

    def finish(self, received: int) -> list[Boundary]:
        """Endpoint now (REC-55). ``received``: samples of the stream so far, for a part frame."""
        boundaries: list[Boundary] = []
        if self._opened:
            boundaries.append(self._close(received))
        self._boundary, self._onset = received, None
        return boundaries

    def hear_text(self, text: str, until: int, *, sure: bool) -> None:
        """The text of the open utterance, from audio up to ``until``; more speech outdates it."""
        if self._options.by_text and self._opened and until >= self._speech_end:
            self._wait = _samples(self._options.silence_for(text.strip(), sure))

    def _skip(self, onset: list[bool], at: int) -> int:
        """Go on to the next frame in which speech may begin, or to the end."""
        found = next_onset(onset, at)
        self._now += (found - at) * HOP
        return found

    def _await_onset(self, speech: bool, voiced: bool) -> list[Boundary]:
        if speech:
            if self._onset is None:
                self._onset, self._onset_speech = max(self._boundary, self._now - HOP), 0
            self._onset_speech += 1
            self._speech_end = self._now
        elif self._now - self._speech_end > self._hangover_frames * HOP:
            self._onset = None
        if self._onset is None or self._onset_speech < self._onset_frames:
            return []
        if not voiced:  # a sound; if a voice comes yet, it did not begin long ago
            self._onset = max(self._onset, self._now - _samples(self._options.unvoiced))
            return []
        preroll = _samples(self._options.preroll)
        opened = Opened(self._onset, max(self._boundary, self._onset - preroll))
        self._open(opened)
        return [opened]

    def _await_end(self, speech: bool, level: float) -> list[Boundary]:
        assert self._opened is not None
        self._levels.append(level)
        if speech:
            self._speech_end, self._wait = self._now, _samples(self._options.silence)
        length = self._now - self._opened.audio_start
        dip = _samples(self._options.dip)
        wait = min(self._wait, dip) if length >= _samples(self._options.cut_after) else self._wait
        if self._now - max(self._speech_end, self._opened.start) >= wait:
            return [self._close(self._now)]
        if length + HOP > _samples(self._options.longest):
            return self._cut(self._now - self._quietest())
        return []

    def _open(self, opened: Opened) -> None:
        self._opened, self._onset = opened, None
        self._wait = _samples(self._options.silence)

    def _close(self, received: int) -> Closed:
        """Close the open utterance ``received`` samples into the stream."""
        self._opened = None
        self._levels.clear()
        end = min(received, self._speech_end + self._hangover_frames * HOP)
        audio_end = min(received, self._speech_end + _samples(self._options.postroll))
        self._boundary = audio_end
        return Closed(end, audio_end, self._speech_end)

    def _cut(self, at: int) -> list[Boundary]:
        """End the utterance at sample ``at`` and begin the next one there (REC-54)."""
        opened = Opened(start=at, audio_start=at)
        self._open(opened)
        return [Closed(end=at, audio_end=at, speech_end=at), opened]

    def _quietest(self) -> int:
        """How many samples ago the middle of the quietest 100 ms was."""
        power = 10.0 ** (np.array(self._levels) / 10)
        sums = np.convolve(power, np.ones(_QUIETEST), "valid")
        return (len(power) - int(np.argmin(sums)) - _QUIETEST // 2) * HOP

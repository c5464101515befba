"""The energy gate, and a voice detector that says whether what opens it is a voice (REC-50).

Hum, music and machines are loud without speaking. Where sound rises over the noise the detector
listens, until it has heard a voice; after that the gate alone judges, until it is quiet again. So
speech costs the detector a few frames an utterance, music as long as it lasts, silence nothing.

The defaults were chosen on the clips of ``tests/audio`` and on four minutes of plucked chords:
with two frames of 0.7 no word of the clips is lost, no noise, hum or chord opens an utterance, and
of 199 single words cut out without silence 189 are heard (192 by the gate alone). With 0.5 the
chords open six, with 0.85 three words are lost; four frames in a row hear 167 single words.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from stt.events import SAMPLE_RATE, Samples
from stt.speech.silero import CONTEXT, FRAME, Silero
from stt.speech.vad import HOP, EnergyVAD, Frames, VadOptions, next_onset

_LOUD: Final = 4  # frames of the gate that make a sound worth listening to, as an onset (REC-51)
_WARM_UP: Final = 9 * FRAME  # samples that the detector hears before that: 0.29 s
_QUIET: Final = 12  # frames of the gate (0.29 s) without sound after which a new sound begins


class HybridVAD:
    """An `EnergyVAD` whose frames also say whether a voice has been heard. One per stream."""

    def __init__(self, options: VadOptions | None = None) -> None:
        self._options = options or VadOptions()
        self._gate = EnergyVAD(self._options)
        self._silero = Silero()
        # What it may still need, as it came: an array made of it for each piece would let go of the
        # interpreter lock, and wake who waits for it (see `vad`).
        self._pieces: deque[Samples] = deque([np.zeros(CONTEXT + _WARM_UP, np.float32)])
        self._start = -CONTEXT - _WARM_UP  # of the pieces, in samples since the stream began
        self._judged = 0  # frames of the gate
        self._quiet = _QUIET  # frames since the last one with sound
        self._loud = 0  # frames with sound in the sound that goes on
        self._voiced = False  # a voice has been heard in the sound that goes on
        self._row = 0  # Silero frames in a row that were a voice
        self._next: int | None = None  # where the detector's next frame starts; None: not listening

    def judge(self, samples: Samples) -> Frames:
        """Judge every frame that is complete now, as `EnergyVAD.judge` does."""
        for at in range(0, len(samples), SAMPLE_RATE):
            piece = samples[at : at + SAMPLE_RATE]
            self._pieces.append(piece if len(samples) <= SAMPLE_RATE else piece.copy())
        frames = self._gate.judge(samples)
        voiced = np.zeros(len(frames.onset), np.bool_)
        onset = frames.onset.tolist()
        at = 0
        while at < len(onset):
            if self._quiet >= _QUIET:
                at = self._skip(onset, at)
            end = self._sound_until(onset, at)
            voiced[at + self._unvoiced(end - at) : end] = True
            at = end
        self._forget()
        return Frames(frames.onset, frames.speech, frames.level, voiced)

    @property
    def kept(self) -> int:
        """Samples that are kept for the detector."""
        return sum(map(len, self._pieces))

    def _skip(self, onset: list[bool], at: int) -> int:
        """Go on to the next sound, or to the end."""
        found = next_onset(onset, at)
        self._judged += found - at
        return found

    def _sound_until(self, onset: list[bool], at: int) -> int:
        """The end of the sound that goes on at a frame, or of the frames."""
        first = self._judged - at
        while at < len(onset):
            self._quiet = 0 if onset[at] else self._quiet + 1
            self._loud += onset[at]
            if self._loud == _LOUD and onset[at]:
                self._start_listening(first + at)
            at += 1
            if self._quiet >= _QUIET:
                break
        return at

    def _start_listening(self, frame: int) -> None:
        """A sound has been loud for long enough to be speech: the detector hears it from its start.

        A blip costs nothing.
        """
        start = max(frame * HOP - _WARM_UP, self._start + CONTEXT)
        self._next = -(-start // FRAME) * FRAME
        self._silero.reset()
        self._row = 0

    def _unvoiced(self, count: int) -> int:
        """Hear the next frames of a sound; how many of them come before a voice is known of."""
        first = self._judged
        self._judged += count
        silent = 0 if self._voiced else max(0, self._detect() - first)
        if self._quiet >= _QUIET:
            self._voiced, self._next, self._loud = False, None, 0
        return min(silent, count)

    def _detect(self) -> int:
        """Let the detector hear what is new; the frame from which on there is a voice.

        One call of the network for all of it: calls cost more than frames.
        """
        count = 0 if self._next is None else (self._judged * HOP - self._next) // FRAME
        if self._next is None or count <= 0:
            return self._judged
        begin = self._next - CONTEXT - self._start
        heard = np.concatenate(self._pieces)[begin : begin + CONTEXT + count * FRAME]
        for number, probability in enumerate(self._silero.probabilities(heard).tolist(), 1):
            self._row = self._row + 1 if probability >= self._options.voice else 0
            if self._row >= self._options.voice_frames:
                end = self._next + number * FRAME
                self._voiced, self._next = True, None
                return -(-end // HOP) - 1
        self._next += count * FRAME
        return self._judged

    def _forget(self) -> None:
        """Keep what the detector may still need."""
        needed = self._judged * HOP - _WARM_UP - FRAME - CONTEXT
        if self._next is not None:
            needed = min(needed, self._next - CONTEXT)
        while self._pieces and self._start + len(self._pieces[0]) <= needed:
            self._start += len(self._pieces.popleft())

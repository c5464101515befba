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

from typing import Final

import numpy as np

from stt.events import Samples
from stt.speech.silero import CONTEXT, FRAME, Silero
from stt.speech.vad import HOP, EnergyVAD, Frames, VadOptions

_WARM_UP: Final = 6 * FRAME  # samples before a sound that the detector hears first: 0.19 s
_QUIET: Final = 12  # frames of the gate (0.29 s) without sound after which a new sound begins


class HybridVAD:
    """An `EnergyVAD` whose frames also say whether a voice has been heard. One per stream."""

    def __init__(self, options: VadOptions | None = None) -> None:
        self._options = options or VadOptions()
        self._gate = EnergyVAD(self._options)
        self._silero = Silero()
        self._audio: Samples = np.zeros(CONTEXT + _WARM_UP, np.float32)
        self._audio_start = -len(self._audio)  # samples since the stream began
        self._judged = 0  # frames of the gate
        self._quiet = _QUIET  # frames since the last one with sound
        self._voiced = False  # a voice has been heard in the sound that goes on
        self._row = 0  # Silero frames in a row that were a voice
        self._next: int | None = None  # where the detector's next frame starts; None: not listening

    def judge(self, samples: Samples) -> Frames:
        """Judge every frame that is complete now, as `EnergyVAD.judge` does."""
        self._audio = np.concatenate((self._audio, samples))
        frames = self._gate.judge(samples)
        voiced = np.zeros(len(frames.onset), np.bool_)
        onset = frames.onset.tolist()
        at = 0
        while at < len(onset):
            if self._quiet >= _QUIET:
                at = self._skip(onset, at)
            if at < len(onset):
                voiced[at] = self._listen(onset[at])
                at += 1
        self._forget()
        return Frames(frames.onset, frames.speech, frames.level, voiced)

    @property
    def kept(self) -> int:
        """Samples that are kept for the detector."""
        return len(self._audio)

    def _skip(self, onset: list[bool], at: int) -> int:
        """Go on to the next sound, or to the end."""
        found = onset.index(True, at) if True in onset[at:] else len(onset)
        self._judged += found - at
        return found

    def _listen(self, sound: bool) -> bool:
        """Take the gate's next frame; whether a voice has been heard in this sound."""
        self._judged += 1
        self._quiet = 0 if sound else self._quiet + 1
        if self._quiet >= _QUIET:
            self._voiced, self._next = False, None
        elif not self._voiced:
            self._detect(self._judged * HOP)
        return self._voiced

    def _detect(self, until: int) -> None:
        """Let the detector hear the frames that end by sample ``until``."""
        if self._next is None:
            start = until - HOP - _WARM_UP
            self._next = -(-max(start, self._audio_start + CONTEXT) // FRAME) * FRAME
            self._silero.reset()
            self._row = 0
        count = (until - self._next) // FRAME
        if count <= 0:
            return
        first = self._next - CONTEXT - self._audio_start
        heard = self._audio[first : first + CONTEXT + count * FRAME]
        for probability in self._silero.probabilities(heard).tolist():
            self._row = self._row + 1 if probability >= self._options.voice else 0
            self._voiced = self._voiced or self._row >= self._options.voice_frames
        self._next = None if self._voiced else self._next + count * FRAME

    def _forget(self) -> None:
        """Keep what the detector may still need."""
        needed = self._judged * HOP - _WARM_UP - FRAME - CONTEXT
        if self._next is not None:
            needed = min(needed, self._next - CONTEXT)
        if needed > self._audio_start:
            self._audio = self._audio[needed - self._audio_start :].copy()
            self._audio_start = needed

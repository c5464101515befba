"""Any rate to 16 kHz, in pieces: one stateful resampler per stream of samples.

The only place that resamples; imported only where a rate is not 16 kHz, for it loads PyAV.
"""

from __future__ import annotations

import av
import numpy as np

from stt.events import SAMPLE_RATE, Samples


class Resampler:
    """Mono float32 at ``sample_rate`` in, mono float32 at 16 kHz out. One caller at a time.

    How the input is cut into pieces does not change the output (client-protocols E12).
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._swr = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)

    def push(self, samples: Samples) -> Samples:
        """What can be said about the output so far: some 1 ms less than what went in."""
        if not len(samples):
            return samples
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="flt", layout="mono")
        frame.sample_rate = self._rate
        return self._read(frame)

    def flush(self) -> Samples:
        """The tail; the resampler then starts anew."""
        tail = self._read(None)
        self._swr = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        return tail

    def _read(self, frame: av.AudioFrame | None) -> Samples:
        parts = [out.to_ndarray()[0] for out in self._swr.resample(frame)]
        if not parts:
            return np.zeros(0, np.float32)
        samples: Samples = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return np.clip(samples, -1.0, 1.0)  # resampling a full-scale signal overshoots

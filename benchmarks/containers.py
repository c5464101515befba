"""Speech in containers, piece by piece, as a browser's recorder writes it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
import numpy as np
from numpy.typing import NDArray

RATE = 16_000  # Hz, of the samples
OPUS_RATE = 48_000  # Hz, what Opus is made of
OPUS_FRAME = 960  # samples of it, 20 ms
BIT_RATE = 32_000  # bit/s
OPTIONS = {
    "webm": {"live": "1", "cluster_time_limit": "100", "flush_packets": "1"},
    "ogg": {"page_duration": "100000", "flush_packets": "1"},  # 0.1 s in microseconds
}


class _Written(io.RawIOBase):
    """A file that is only written, and emptied by whoever sends it on."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = bytearray()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Keep it until it is taken."""
        self._bytes += data
        return len(data)

    def take(self) -> bytes:
        """What was written since it was taken last."""
        taken, self._bytes = bytes(self._bytes), bytearray()
        return taken


def opus_pieces(samples: NDArray[np.float32], container: str, *, every: float) -> Iterator[bytes]:
    """(n,) float32 at 16 kHz as Opus in ``webm`` or ``ogg``: what is written each ``every`` s.

    A piece may be empty; the end of the container is left out, as when the page is closed.
    """
    written = _Written()
    size = round(every * RATE)
    out = av.open(written, "w", format=container, options=OPTIONS[container])
    track = out.add_stream("libopus", rate=OPUS_RATE, layout="mono")
    track.bit_rate = BIT_RATE
    resampler = av.AudioResampler(
        format=track.codec_context.format, layout="mono", rate=OPUS_RATE, frame_size=OPUS_FRAME
    )
    for at in range(0, len(samples), size):
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis, at : at + size], "flt", "mono")
        frame.sample_rate = RATE
        for part in resampler.resample(frame):
            out.mux(track.encode(part))
        yield written.take()

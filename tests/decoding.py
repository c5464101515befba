"""A whole file at once, as tests compare it; the service takes it block by block."""

from __future__ import annotations

from typing import Any

import numpy as np

from stt.audio.decode import decoded_blocks
from stt.events import Samples


def decode_file(data: bytes, *, max_seconds: float, **more: Any) -> Samples:
    """All that `decoded_blocks` yields, which says what the arguments are and what it raises."""
    collected = bytearray()  # grows in place: at its end it holds the audio once, not twice
    for block in decoded_blocks(data, max_seconds=max_seconds, **more):
        collected += block.tobytes()
    return np.frombuffer(collected, np.float32)

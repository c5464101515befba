"""Silero's voice detector: how probable it is that a frame of audio holds a voice.

A small recurrent network (Silero Team, "Silero VAD", v6). The file comes with faster-whisper; the
runtime is loaded when the first detector is made. One frame is 32 ms, with the 4 ms before it.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stt.errors import SettingError
from stt.events import Samples

FRAME: Final = 512  # samples
CONTEXT: Final = 64  # samples before a frame
_MODEL: Final = "assets/silero_vad_v6.onnx"


class Silero:
    """The detector's state in one stream. Called by whoever owns the stream."""

    def __init__(self) -> None:
        self._session = _session()
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._hidden = np.zeros((1, 1, 128), np.float32)
        self._cell = np.zeros((1, 1, 128), np.float32)

    def probabilities(self, audio: Samples) -> NDArray[np.float32]:
        """Of each frame in (64 + n * 512,) samples, the first 64 being context: (n,) float32."""
        frames = np.lib.stride_tricks.sliding_window_view(audio, CONTEXT + FRAME)[::FRAME]
        found, self._hidden, self._cell = self._session.run(
            None, {"input": np.ascontiguousarray(frames), "h": self._hidden, "c": self._cell}
        )
        return np.asarray(found, np.float32).reshape(-1)


@cache
def _session() -> Any:
    """The network, shared by all streams: a session may run in any number of threads.

    Raises SettingError where the file is missing.
    """
    import onnxruntime  # noqa: PLC0415  heavy, and only where this detector is wanted

    package = find_spec("faster_whisper")
    if package is None or package.origin is None:
        raise SettingError("STT_VAD=hybrid needs faster-whisper, whose file it reads; or: energy")
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = True
    return onnxruntime.InferenceSession(
        str(Path(package.origin).parent / _MODEL),
        sess_options=options,
        providers=["CPUExecutionProvider"],
    )

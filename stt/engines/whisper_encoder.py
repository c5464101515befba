"""Encodes several windows of one length, and gives the outputs of any of them.

On a CPU each window is encoded apart, which is as fast (recognition 1.3), and outputs are joined
through numpy where they are decoded together (API-11). On a GPU all are encoded in one batch and no
output passes through the host: the few times that only some of a batch are wanted (their prompts
are of another length, or only they want word times) these are encoded again (REC-76).
"""

from __future__ import annotations

from collections.abc import Sequence

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from stt.engines.whisper_decoding import Decoding

_view = ctranslate2.StorageView.from_array


class Encoded:
    """The encoder outputs of some windows; for one thread."""

    def __init__(
        self, model: ctranslate2.models.Whisper, decodings: Sequence[Decoding], length: int
    ) -> None:
        """Encode the windows, padded to ``length`` feature frames, and number their rows."""
        self._model = model
        self._padded = _padded(decodings, length)
        self._joined: dict[tuple[int, ...], ctranslate2.StorageView] = {}
        """What was asked for, by rows."""
        for row, decoding in enumerate(decodings):
            decoding.row = row
        if self._on_cpu:
            for row in range(len(decodings)):
                self._joined[row,] = model.encode(_view(self._padded[row : row + 1]))
        else:
            self.rows(decodings)

    def rows(self, decodings: Sequence[Decoding]) -> ctranslate2.StorageView:
        """(n_decodings, length / 2, d_model): the outputs of some of them, in their order."""
        rows = tuple(decoding.row for decoding in decodings)
        if rows not in self._joined:
            self._joined[rows] = self._join(rows)
        return self._joined[rows]

    @property
    def _on_cpu(self) -> bool:
        return bool(self._model.device == "cpu")

    def _join(self, rows: tuple[int, ...]) -> ctranslate2.StorageView:
        if self._on_cpu:
            return _view(np.concatenate([np.asarray(self._joined[row,]) for row in rows]))
        return self._model.encode(_view(self._padded[list(rows)]))


def _padded(decodings: Sequence[Decoding], length: int) -> NDArray[np.float32]:
    """(n_decodings, n_mels, length) float32; padding is 0.0 after scaling (REC-03)."""
    padded = np.zeros((len(decodings), decodings[0].features.shape[1], length), np.float32)
    for row, decoding in enumerate(decodings):
        padded[row, :, : decoding.frames] = decoding.features.T
    return padded

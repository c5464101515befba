"""A Whisper model of a real size with random weights, for measuring cost where there is no model.

    python -m benchmarks.random_model tiny FOLDER

A random model costs what a trained one costs per feature frame and per token, and says nothing
about words; it hardly ever ends a text by itself (recognition REC-84). The same size and seed give
the same weights. Vocabulary and marks are those of the demo model: it is multilingual.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ctranslate2.specs import common_spec, whisper_spec
from numpy.typing import NDArray

from stt.engines.options import DEMO_MODEL

MELS = 80
ENCODER_POSITIONS = 1500
DECODER_POSITIONS = 448
SPREAD = 0.02  # standard deviation of the weights, as before a training


@dataclass(frozen=True, slots=True)
class Size:
    """The dimensions of a Whisper model."""

    width: int
    layers: int
    """Of the encoder, and as many of the decoder."""
    heads: int


SIZES = {
    "nano": Size(16, 1, 1),  # for mechanics: 1.2 MB, most of it the vocabulary
    "tiny": Size(384, 4, 6),
    "base": Size(512, 6, 8),
    "small": Size(768, 12, 12),
}
"""The last three: openai/whisper, model card, table "Model sizes"."""


class RandomWeights:
    """Fills the parts of a model's specification with small random numbers."""

    def __init__(self, size: Size, seed: int = 0) -> None:
        self._size = size
        self._source = np.random.default_rng(seed)

    def whisper(self) -> whisper_spec.WhisperSpec:
        """All of a model, as float32."""
        size = self._size
        spec = whisper_spec.WhisperSpec(size.layers, size.heads, size.layers, size.heads)
        encoder, decoder = spec.encoder, spec.decoder
        for conv, channels in ((encoder.conv1, MELS), (encoder.conv2, size.width)):
            conv.weight = self._normal(size.width, channels, 3)
            conv.bias = self._normal(size.width)
        for part, positions in ((encoder, ENCODER_POSITIONS), (decoder, DECODER_POSITIONS)):
            part.position_encodings.encodings = self._normal(positions, size.width)
            self._norm(part.layer_norm)
            for layer in part.layer:
                self._attention(layer.self_attention, (3,))
                if part is decoder:
                    self._attention(layer.attention, (1, 2))
                self._feed_forward(layer.ffn)
        words = self._normal(len(_vocabulary()), size.width)
        decoder.embeddings.weight = words
        decoder.projection.weight = words  # one matrix, as in every Whisper
        return spec

    def _attention(self, spec: object, fused: Sequence[int]) -> None:
        """``fused``: how many of query, key and value each linear layer before the last holds."""
        self._norm(spec.layer_norm)  # type: ignore[attr-defined]
        *inputs, output = spec.linear  # type: ignore[attr-defined]
        for linear, count in zip(inputs, fused, strict=True):
            self._linear(linear, count * self._size.width, self._size.width)
        self._linear(output, self._size.width, self._size.width)

    def _feed_forward(self, spec: object) -> None:
        self._norm(spec.layer_norm)  # type: ignore[attr-defined]
        self._linear(spec.linear_0, 4 * self._size.width, self._size.width)  # type: ignore[attr-defined]
        self._linear(spec.linear_1, self._size.width, 4 * self._size.width)  # type: ignore[attr-defined]

    def _linear(self, spec: common_spec.LinearSpec, outputs: int, inputs: int) -> None:
        spec.weight = self._normal(outputs, inputs)
        spec.bias = self._normal(outputs)

    def _norm(self, spec: common_spec.LayerNormSpec) -> None:
        spec.gamma = np.ones(self._size.width, np.float32)
        spec.beta = np.zeros(self._size.width, np.float32)

    def _normal(self, *shape: int) -> NDArray[np.float32]:
        return np.float32(SPREAD) * self._source.standard_normal(shape, dtype=np.float32)


def make(size: str, folder: Path, *, seed: int = 0) -> Path:
    """Write the model into a folder, which is made; returns the folder. Raises KeyError."""
    dimensions = SIZES[size]
    spec = RandomWeights(dimensions, seed).whisper()
    spec.register_vocabulary(_vocabulary())
    config = json.loads((DEMO_MODEL / "config.json").read_text(encoding="utf-8"))
    config["alignment_heads"] = [[dimensions.layers - 1, head] for head in range(dimensions.heads)]
    for name, value in config.items():
        setattr(spec.config, name, value)
    spec.validate()
    spec.optimize(quantization="int8")
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    for name in ("tokenizer.json", "preprocessor_config.json"):
        shutil.copyfile(DEMO_MODEL / name, folder / name)
    return folder


def _vocabulary() -> list[str]:
    tokens: list[str] = json.loads((DEMO_MODEL / "vocabulary.json").read_text(encoding="utf-8"))
    return tokens


def main() -> None:
    """Make one model."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.random_model",
        description="Write a Whisper model with random weights.",
    )
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = make(options.size, options.folder, seed=options.seed)
    print(f"{folder}: {(folder / 'model.bin').stat().st_size / 1e6:.1f} MB of weights")


if __name__ == "__main__":
    main()

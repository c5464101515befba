"""Models with random weights (benchmarks/random_model.py)."""

from __future__ import annotations

import hashlib
import json

import ctranslate2
import numpy as np
import pytest
from faster_whisper import WhisperModel

from benchmarks.random_model import SIZES, RandomWeights, make
from stt.engines.options import DEMO_MODEL
from stt.engines.whisper_folder import DecoderShape, decoder_shape, has_alignment_heads


@pytest.fixture(name="nano", scope="module")
def _nano(tmp_path_factory):
    """The smallest model."""
    return make("nano", tmp_path_factory.mktemp("models") / "nano")


def test_faster_whisper_runs_it(nano):
    """The unmodified library loads the folder and goes through all of its steps (REC-84)."""
    whisper = WhisperModel(str(nano), device="cpu", compute_type="int8", cpu_threads=1)

    segments, info = whisper.transcribe(
        np.zeros(16_000, np.float32), beam_size=1, word_timestamps=True, temperature=0
    )

    assert info.language in whisper.supported_languages
    assert isinstance(list(segments), list)
    assert whisper.model.n_mels == 80


def test_nano_is_small(nano):
    """About 1 MB of weights, for CI (REC-84)."""
    assert (nano / "model.bin").stat().st_size < 1_300_000


def test_the_same_seed_gives_the_same_weights(nano, tmp_path):
    """Figures of two machines are about the same model; another seed is another model."""

    def digest(folder):
        return hashlib.sha256((folder / "model.bin").read_bytes()).hexdigest()

    assert digest(make("nano", tmp_path / "again")) == digest(nano)
    assert digest(make("nano", tmp_path / "other", seed=1)) != digest(nano)


def test_its_marks_are_those_of_the_demo_model(nano):
    """Suppressed tokens and languages come from there; alignment heads are its own."""
    config = json.loads((nano / "config.json").read_text())
    demo = json.loads((DEMO_MODEL / "config.json").read_text())

    assert config["suppress_ids"] == demo["suppress_ids"]
    assert config["lang_ids"] == demo["lang_ids"]
    assert has_alignment_heads(nano)
    assert decoder_shape(nano / "model.bin") == DecoderShape(1, 1)


@pytest.mark.parametrize(
    ("size", "width", "layers", "heads"),
    [("tiny", 384, 4, 6), ("base", 512, 6, 8), ("small", 768, 12, 12)],
)
def test_sizes_are_those_of_whisper(size, width, layers, heads):
    """Dimensions of openai/whisper; each head has 64."""
    dimensions = SIZES[size]

    assert (dimensions.width, dimensions.layers, dimensions.heads) == (width, layers, heads)
    assert width == 64 * heads


def test_weights_are_whole(nano):
    """Every variable of the specification is filled, with the shapes Whisper has."""
    spec = RandomWeights(SIZES["nano"]).whisper()

    assert spec.encoder.conv1.weight.shape == (16, 80, 3)
    assert spec.decoder.layer[0].attention.linear[1].weight.shape == (32, 16)
    model = ctranslate2.models.Whisper(str(nano))
    assert model.is_multilingual
    assert model.num_languages == 99

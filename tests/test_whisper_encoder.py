"""Encoder outputs of several windows (stt/engines/whisper_encoder.py)."""

from __future__ import annotations

import ctranslate2
import numpy as np
import pytest

from stt.engines.options import DEMO_MODEL
from stt.engines.whisper_decoding import Decoding
from stt.engines.whisper_encoder import Encoded
from stt.events import Kind, Window

LENGTH = 200


@pytest.fixture(name="model", scope="module")
def _model():
    """The demo model's weights."""
    return ctranslate2.models.Whisper(str(DEMO_MODEL), compute_type="int8", intra_threads=1)


class Spied:
    """A model that says which device it is on, and notes the batches it encodes."""

    def __init__(self, model, device: str) -> None:
        self.model = model
        self.device = device
        self.batches: list[int] = []

    def encode(self, features):
        """Note the size of the batch."""
        self.batches.append(features.shape[0])
        return self.model.encode(features)


@pytest.fixture(name="decodings")
def _jobs():
    """Three windows of other lengths."""
    noise = np.random.default_rng(7)
    window = Window(np.zeros(0, np.float32), Kind.FINAL)
    return [
        Decoding(window, noise.standard_normal((frames, 80), dtype=np.float32))
        for frames in (40, 72, 150)
    ]


def values(view):
    """The outputs as numbers."""
    return np.asarray(view)


def test_a_cpu_encodes_each_window_apart(model, decodings):
    """One call a window, and joining or choosing needs no other (REC-65)."""
    spied = Spied(model, "cpu")
    encoded = Encoded(spied, decodings, LENGTH)

    whole, some, one = (
        encoded.rows(decodings),
        encoded.rows(decodings[:2]),
        encoded.rows(decodings[2:]),
    )

    assert spied.batches == [1, 1, 1]
    assert values(whole).shape == (3, LENGTH // 2, 192)
    np.testing.assert_array_equal(values(whole)[:2], values(some))
    np.testing.assert_array_equal(values(whole)[2:], values(one))


def test_a_gpu_encodes_in_the_batch_and_some_of_it_again(model, decodings):
    """No output passes through the host: a part of a batch is encoded again, once (REC-76)."""
    spied = Spied(model, "cuda")
    encoded = Encoded(spied, decodings, LENGTH)

    whole = encoded.rows(decodings)
    assert spied.batches == [3]

    some = encoded.rows([decodings[0], decodings[2]])
    again = encoded.rows([decodings[0], decodings[2]])
    assert spied.batches == [3, 2]
    assert again is some
    np.testing.assert_allclose(values(some), values(whole)[[0, 2]], atol=1e-5)


def test_order_is_that_of_the_question(model, decodings):
    """Rows come as the windows were named, whatever their order in the batch."""
    encoded = Encoded(Spied(model, "cpu"), decodings, LENGTH)

    backwards = values(encoded.rows(decodings[::-1]))

    np.testing.assert_array_equal(backwards, values(encoded.rows(decodings))[::-1])


def test_padding_is_nought(model, decodings):
    """Behind the audio stand zeros, after scaling (REC-03)."""
    padded = np.zeros((1, 80, LENGTH), np.float32)
    padded[0, :, :40] = decodings[0].features.T
    expected = model.encode(ctranslate2.StorageView.from_array(padded))

    encoded = Encoded(Spied(model, "cpu"), decodings, LENGTH)

    np.testing.assert_array_equal(values(encoded.rows(decodings[:1])), values(expected))

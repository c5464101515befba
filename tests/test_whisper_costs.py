"""The cost table of a model (stt/engines/whisper_costs.py)."""

from __future__ import annotations

import ctranslate2
import pytest
import tokenizers
from faster_whisper.tokenizer import Tokenizer

from stt.costs import CostTable
from stt.engines.options import DEMO_MODEL
from stt.engines.whisper_costs import BATCHES, ENCODER_FRAMES, Meter, measured


@pytest.fixture(name="model", scope="module")
def _model():
    """The demo model's weights."""
    return ctranslate2.models.Whisper(str(DEMO_MODEL), compute_type="int8", intra_threads=1)


@pytest.fixture(name="tokenizer", scope="module")
def _tokenizer():
    """Its English tokenizer."""
    vocabulary = tokenizers.Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))
    return Tokenizer(vocabulary, True, task="transcribe", language="en")


class Spied:
    """A model that notes how much it was made to do."""

    def __init__(self, model, device="cpu") -> None:
        self.model = model
        self.device = device
        self.n_mels = model.n_mels
        self.tokens: list[list[int]] = []
        self.aligned = 0

    def encode(self, features):
        """As the model."""
        return self.model.encode(features)

    def generate(self, encoded, prompts, **options):
        """Note how many tokens each row got."""
        results = self.model.generate(encoded, prompts, **options)
        self.tokens.append([len(result.sequences_ids[0]) for result in results])
        return results

    def align(self, *arguments):
        """Note the call."""
        self.aligned += 1
        return self.model.align(*arguments)


def test_a_table_has_every_part(model, tokenizer):
    """With time enough: all lengths, all batches, word times; each costs something (REC-67)."""
    table = measured(model, tokenizer, aligns=True, budget=60.0)

    assert tuple(frames for frames, _ in table.encode) == tuple(sorted(ENCODER_FRAMES))
    assert tuple(batch for batch, _ in table.step) == tuple(sorted(BATCHES))
    assert [frames for frames, _ in table.align] == [100, 500]
    assert all(seconds > 0 for _, seconds in (*table.encode, *table.step, *table.align))
    assert table.encode_s(3000) > table.encode_s(100)
    assert table.window > 0


def test_a_big_model_is_measured_at_little(model, tokenizer):
    """When the time is over after the first call, two lengths and one batch must do (REC-67)."""
    table = measured(model, tokenizer, aligns=True, budget=0.0)

    assert [frames for frames, _ in table.encode] == [100, 500]
    assert [batch for batch, _ in table.step] == [1]
    assert table.encode_s(3000) > table.encode_s(500)
    assert table.step_s(8) > table.step_s(1)


def test_a_model_without_word_times_is_not_asked_for_them(model, tokenizer):
    """Without alignment heads ``align`` would raise."""
    spied = Spied(model)

    table = measured(spied, tokenizer, aligns=False)

    assert spied.aligned == 0
    assert table.align == CostTable().align


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("beam", [1, 5])
def test_decoding_takes_the_steps_it_is_told(model, tokenizer, device, beam):
    """Noise has no text, yet every row gets exactly the tokens that are timed."""
    spied = Spied(model, device)

    seconds = Meter(spied, tokenizer).generate(3, 7, memory=100, beam=beam)

    assert seconds > 0
    assert spied.tokens == [[7, 7, 7]] * len(spied.tokens)


def test_a_step_is_what_more_tokens_cost_more(model, tokenizer, monkeypatch):
    """The difference of few and many steps, and what is left of the few (REC-67)."""
    costs = {2: 0.5, 8: 1.1}
    monkeypatch.setattr(Meter, "generate", lambda self, batch, steps, **_: costs[steps])

    step, before = Meter(model, tokenizer).step(1)

    assert step == pytest.approx(0.1)
    assert before == pytest.approx(0.3)

"""An engine with a model's costs and a script's text (benchmarks/scripted_engine.py)."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.random_model import make
from benchmarks.scripted_engine import NUMBERS, ScriptedEngine, count_on
from stt.engines.base import Engine
from stt.engines.models import ModelSource
from stt.engines.options import EngineOptions
from stt.errors import EngineError
from stt.events import Hypothesis, Kind, Window


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory):
    """The smallest model."""
    return make("nano", tmp_path_factory.mktemp("models") / "nano")


def build(folder, **options) -> ScriptedEngine:
    """The engine on that model."""
    source = ModelSource(str(folder), "folder", name="nano")
    return ScriptedEngine(source, EngineOptions(device="cpu", calibrate=False), **options)


@pytest.fixture(name="engine", scope="module")
def _engine(folder):
    """The engine with its default script."""
    engine = build(folder)
    yield engine
    engine.close()


def window(seconds: float, **fields) -> Window:
    """An English window of silence."""
    samples = np.zeros(round(16_000 * seconds), np.float32)
    return Window(samples, **({"kind": Kind.INTERIM, "language": "en"} | fields))


def spied(engine, monkeypatch) -> list:
    """What the model wrote: for each call of ``generate``, the tokens of each row."""
    calls = []
    model = engine._decoder._model

    class Spied:
        def generate(self, encoded, prompts, **options):
            results = model.generate(encoded, prompts, **options)
            calls.append([len(result.sequences_ids[0]) for result in results])
            return results

        def __getattr__(self, name):
            return getattr(model, name)

    monkeypatch.setattr(engine._decoder, "_model", Spied())
    return calls


def test_it_says_what_the_script_says(engine):
    """Text and words are the script's, with times; the model's nonsense is thrown away."""
    described: Engine = engine

    (answer,) = described.transcribe([window(2.0, word_times=True)])

    assert answer.text == "one, two three, four, five"
    assert "".join(word.text for word in answer.words) == answer.text
    assert [word.end for word in answer.words] == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0])
    assert "scripted" in engine.name


def test_the_model_decodes_the_tokens_of_the_script_once(engine, monkeypatch):
    """As many steps as the text has tokens, and one for its end; never a second decode (REC-84)."""
    calls = spied(engine, monkeypatch)

    (answer,) = engine.transcribe([window(4.0, previous="zero " * 50, hotwords="Hark")])

    tokens = len(engine._whisper.hf_tokenizer.encode(" " + answer.text).ids)
    special = len(engine._whisper.hf_tokenizer.encode("").ids)
    assert calls == [[tokens - special + 1]]
    assert engine.short_context_retries == 0


@pytest.mark.parametrize("beam", [1, 5])
def test_a_batch_takes_the_steps_of_its_longest_text(engine, monkeypatch, beam):
    """Windows of one length are decoded together, and each has its own text."""
    calls = spied(engine, monkeypatch)

    answers = engine.transcribe([window(1.0, beam=beam), window(1.2, beam=beam)])

    assert [answer.text for answer in answers] == ["one, two", "one, two three,"]
    assert len(calls) == (1 if beam == 1 else 2)
    assert max(max(call) for call in calls) == 6


def test_a_language_that_is_not_given_is_looked_for(engine, monkeypatch):
    """Its cost is paid, too."""
    asked = []
    find = engine._decoder._find_languages
    monkeypatch.setattr(
        engine._decoder, "_find_languages", lambda some, encoded: asked.append(find(some, encoded))
    )

    (answer,) = engine.transcribe([window(1.0, language=None)])

    assert len(asked) == 1
    assert answer.language == "en"


@pytest.mark.parametrize(
    ("seconds", "prefix", "previous", "text"),
    [
        (0.3, "", "", ""),
        (2.0, "one, two", "", "one, two three, four, five"),
        (2.0, " one, two ", "", " one, two three, four, five"),
        (1.2, "eight, nine,", "", "eight, nine, zero"),
        (0.4, "one, two three,", "", "one, two three,"),
        (0.8, "", "And six, seven", "eight, nine,"),
        (0.8, "hello", "", "hello one,"),
    ],
)
def test_counting_goes_on_where_it_was(seconds, prefix, previous, text):
    """A text starts with its prefix and continues it; words are paid by the window's length."""
    assert count_on(window(seconds, prefix=prefix, previous=previous)) == text


def test_a_minute_of_counting_has_the_tokens_of_speech(engine):
    """2.5 words and 4 tokens a second (recognition 2.6)."""
    text = " " + " ".join(NUMBERS)

    tokens = engine._whisper.hf_tokenizer.encode(text, add_special_tokens=False).ids

    assert len(tokens) == 16


def test_another_script_may_be_given(folder):
    """A script is any callable; what it answers as a hypothesis is passed on as it is."""
    said = Hypothesis("hola", language="es")
    engine = build(folder, script=lambda _: said)

    assert engine.transcribe([window(1.0)]) == [said]
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.transcribe([window(1.0)])

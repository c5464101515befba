"""The Whisper engine on the demo model (stt/engines/faster_whisper.py and whisper_*.py)."""

from __future__ import annotations

import dataclasses
import math
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from faster_whisper import WhisperModel

from benchmarks.wer import WordErrors, load, manifest, normalise, utterances
from stt.costs import CostTable
from stt.engines import whisper_decoder, whisper_encoder, whisper_loading
from stt.engines.base import Engine
from stt.engines.faster_whisper import FasterWhisperEngine
from stt.engines.models import ModelSource
from stt.engines.options import DEMO_MODEL, EngineOptions
from stt.engines.profile import ModelProfile
from stt.engines.whisper_encoder import Encoded
from stt.errors import EngineError, SettingError
from stt.events import SAMPLE_RATE, Hypothesis, Kind, Samples, Window
from stt.mel import window_log_mel

DEMO = ModelSource(str(DEMO_MODEL), "folder", name="demo")
FILES = {file["file"]: file for file in manifest()}


def loaded(**options) -> FasterWhisperEngine:
    """The demo model on the CPU, its costs not measured, to save the time."""
    return FasterWhisperEngine(DEMO, EngineOptions(device="cpu", calibrate=False, **options))


@pytest.fixture(name="engine", scope="module")
def _engine(tmp_path_factory):
    """The demo model with two workers, loaded once; its lengths are those of REC-43.

    Not those of its profile, which a calibration may change.
    """
    profile = tmp_path_factory.mktemp("profile") / "profile.json"
    ModelProfile().write(profile)
    engine = loaded(num_workers=2, profile=profile)
    yield engine
    engine.close()


def first(file: str) -> Samples:
    """The first utterance of a file, cut out."""
    return next(utterances(FILES[file]))[1]


def final(samples: Samples, **fields) -> Window:
    """A final's window, English unless told otherwise."""
    return Window(samples, Kind.FINAL, **({"language": "en"} | fields))


def joined(answer: Hypothesis) -> str:
    """The words of a hypothesis as one text."""
    return "".join(word.text for word in answer.words)


def test_engine_describes_itself(engine):
    """Name, model and languages are for people and for the doors."""
    described: Engine = engine

    assert described.name == "faster-whisper demo int8 on cpu"
    assert described.model == "demo"
    assert engine.multilingual
    assert described.translates
    assert described.n_mels == 80
    assert {"en", "de", "es", "hi", "zh"} <= described.languages
    assert "yue" not in described.languages  # this vocabulary has no such token


@pytest.mark.parametrize(
    ("language", "kinds", "most"),
    [
        ("en", ("short", "digits"), 0.02),
        ("en", ("pauses",), 0.08),
        ("en", ("growing",), 0.05),
        ("es", ("short",), 0.25),
        ("de", ("short",), 0.02),
        ("hi", ("short",), 0.02),
    ],
)
def test_utterances_are_recognised(engine, language, kinds, most):
    """Utterances cut out of their files come back with few wrong words, in their script."""
    errors = WordErrors()
    for file in FILES.values():
        if file["language"] == language and file["kind"] in kinds:
            for utterance, samples in utterances(file):
                (answer,) = engine.transcribe([final(samples, language=language)])
                errors.add(utterance["text"], answer.text)

    assert errors.words > 0
    assert errors.rate <= most, errors.wrong


def test_short_input_gives_the_words_of_whisper_itself(engine):
    """On 10 s of encoder input the words are those of ``WhisperModel.transcribe`` on 30 s."""
    whisper = WhisperModel(str(DEMO_MODEL), device="cpu", compute_type="int8", cpu_threads=1)
    for name in ("en_short_02.flac", "en_short_07.flac", "de_short_01.flac"):
        samples, language = load(name), FILES[name]["language"]
        segments, _ = whisper.transcribe(
            samples, language=language, beam_size=1, without_timestamps=True
        )

        (answer,) = engine.transcribe([final(samples, language=language)])

        assert normalise(answer.text) == normalise("".join(segment.text for segment in segments))


def test_language_is_detected_when_none_is_given(engine):
    """Without a language the window's own is found, with its probability; given ones are sure."""
    names = ("en_short_02.flac", "de_short_01.flac", "es_short_02.flac", "hi_short_01.flac")

    answers = engine.transcribe([final(first(name), language=None) for name in names])
    (given,) = engine.transcribe([final(first(names[1]), language="de")])

    assert [answer.language for answer in answers] == ["en", "de", "es", "hi"]
    assert all(0.5 < answer.language_probability < 1 for answer in answers)
    assert (given.language, given.language_probability) == ("de", 1.0)
    assert given.text == answers[1].text == "Der Apfel vergisst einen Berg."


def mixed_windows() -> list[Window]:
    """Windows of many lengths, languages, kinds, prefixes and contexts."""
    windows = [
        final(first("en_short_02.flac"), word_times=True),
        final(first("de_short_01.flac"), language="de", word_times=True),
        final(first("hi_short_01.flac"), language=None),
        final(first("en_short_09.flac"), language=None, word_times=True),
        final(first("en_short_02.flac"), prefix="How many months"),
        final(first("en_short_03.flac"), prompt="George", word_times=True),
        final(first("en_short_07.flac"), task="translate"),
        final(np.zeros(SAMPLE_RATE, np.float32)),
        final(np.zeros(10, np.float32)),
    ]
    growing = load("en_growing.flac")
    for seconds in (0.5, 2, 3.5, 4, 6):
        samples = growing[: round(seconds * SAMPLE_RATE)]
        windows += [Window(samples, Kind.INTERIM, language="en"), Window(samples, Kind.INTERIM)]
    return windows + searched_windows()


def searched_windows() -> list[Window]:
    """Windows that are decoded with beams, hot words and previous text."""
    names = ("en_short_02.flac", "en_short_07.flac", "en_short_09.flac")
    windows = [final(first(name), beam=5) for name in names]
    windows += [final(first(name), beam=2, word_times=True) for name in names]
    return [
        *windows,
        final(first("de_short_01.flac"), language=None, beam=5),
        final(first("hi_short_01.flac"), language="hi", beam=5, word_times=True),
        final(first("en_short_02.flac"), beam=5, prefix="How many months"),
        final(first("en_short_02.flac"), hotwords="months", previous="One two three. " * 20),
        final(first("en_short_02.flac"), hotwords="months", beam=5),
        final(np.zeros(2 * SAMPLE_RATE, np.float32), beam=5),
    ]


def test_features_give_the_hypothesis_of_their_samples(engine):
    """A window may bring its log-mel instead of its samples, and nothing changes (REC-02)."""
    for window in mixed_windows()[::3]:
        features = window_log_mel(window.samples, 80)
        brought = dataclasses.replace(window, samples=np.zeros(0, np.float32), features=features)

        (expected,), (answer,) = engine.transcribe([window]), engine.transcribe([brought])

        assert answer.text == expected.text
        assert answer.language == expected.language
        assert answer.average_logprob == pytest.approx(expected.average_logprob, abs=1e-3)


def test_features_of_another_model_are_refused(engine):
    """128 mel bands for a model of 80 are an EngineError that says so."""
    window = Window(np.zeros(0, np.float32), Kind.FINAL, features=np.zeros((200, 128), np.float32))

    with pytest.raises(EngineError, match=r"shape \(200, 128\): demo hears 80 bands"):
        engine.transcribe([window])


def test_hypotheses_are_the_same_alone_and_in_any_batch(engine):
    """Text, words, times and language do not depend on the rest of the batch (REC-70, QM-09)."""
    windows = mixed_windows()
    alone = [engine.transcribe([window])[0] for window in windows]

    for order in (range(len(windows)), reversed(range(len(windows)))):
        rows = list(order)
        together = engine.transcribe([windows[row] for row in rows])
        for row, answer in zip(rows, together, strict=True):
            assert dataclasses.replace(
                answer, average_logprob=0, no_speech_probability=0, language_probability=0, words=()
            ) == dataclasses.replace(
                alone[row],
                average_logprob=0,
                no_speech_probability=0,
                language_probability=0,
                words=(),
            )
            assert answer.average_logprob == pytest.approx(alone[row].average_logprob, abs=1e-3)
            assert [(word.text, word.start, word.end) for word in answer.words] == [
                (word.text, word.start, word.end) for word in alone[row].words
            ]


def test_threads_share_the_engine(engine):
    """Several threads get what one gets."""
    windows = [final(first(f"en_short_{number:02}.flac")) for number in range(1, 7)]
    expected = [engine.transcribe([window])[0].text for window in windows]

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda window: engine.transcribe([window])[0], windows * 2))

    assert [answer.text for answer in answers] == expected * 2


def test_prefix_is_continued_and_kept(engine):
    """A text starts with exactly the committed text, and goes on where it ends (REC-12)."""
    samples = first("en_short_02.flac")
    free = engine.transcribe([final(samples)])[0]
    assert free.text == "How many months are beside the garden?"

    for prefix in ("How many months", " How many months", "How many months are beside the garden?"):
        (forced,) = engine.transcribe([final(samples, prefix=prefix, word_times=True)])
        assert forced.text == prefix + free.text[len(prefix.strip()) :]
        assert joined(forced) == forced.text
        assert (
            joined(dataclasses.replace(forced, words=forced.words[: len(prefix.split())])) == prefix
        )


def test_wrong_prefix_is_not_corrected(engine):
    """Committed text cannot change, even where the model would have written another."""
    (forced,) = engine.transcribe([final(first("en_short_02.flac"), prefix="Two <|en|> dogs")])

    assert forced.text.startswith("Two <|en|> dogs")
    assert joined(forced) == forced.text


def test_long_prefix_is_refused(engine):
    """A prefix that leaves the decoder no position is an EngineError, not a wrong text."""
    with pytest.raises(EngineError, match="no room"):
        engine.transcribe([final(first("en_short_02.flac"), prefix="word " * 450)])


def test_words_are_the_text_in_every_language(engine):
    """Joined, the words are the text; punctuation belongs to its word."""
    for name in ("en_short_01.flac", "es_short_03.flac", "hi_short_01.flac"):
        (answer,) = engine.transcribe([final(first(name), language=FILES[name]["language"])])

        assert joined(answer) == answer.text == answer.text.strip()
        assert len(answer.words) == len(answer.text.split())
        assert all(word.start is None and word.probability is None for word in answer.words)


def test_word_times_are_near_the_truth(engine):
    """Median error of starts and ends is below 0.1 s; times rise and lie in the window."""
    starts, ends = [], []
    for name in (f"en_short_{number:02}.flac" for number in range(2, 9)):
        samples = load(name)
        (answer,) = engine.transcribe([final(samples, word_times=True)])
        said = FILES[name]["utterances"][0]["words"]
        assert len(answer.words) == len(said)
        for word, truth in zip(answer.words, said, strict=True):
            assert 0 <= word.start <= word.end <= len(samples) / SAMPLE_RATE
            assert 0 < word.probability <= 1
            starts.append(abs(word.start - truth["start"]))
            ends.append(abs(word.end - truth["end"]))

    assert np.median(starts) < 0.1
    assert np.median(ends) < 0.1
    assert max(ends) < 0.6


def test_silence_has_no_text_and_says_so(engine):
    """Silence and noise: no text, no words, a no-speech probability near 1."""
    for name in ("silence_room_10s.flac", "noise_pink_15s.flac", "noise_clicks_8s.flac"):
        (answer,) = engine.transcribe([final(load(name)[: 5 * SAMPLE_RATE], word_times=True)])

        assert (answer.text, answer.words) == ("", ())
        assert answer.no_speech_probability > 0.9
        assert answer.compression_ratio == 1.0


@pytest.mark.parametrize("n_samples", [0, 1, 159, 160, 320, 1000])
def test_tiny_windows_are_no_trouble(engine, n_samples):
    """A window of less than a frame, or of one or two, is answered (API-01, API-05)."""
    window = final(np.zeros(n_samples, np.float32), word_times=True, prefix="so far")

    (answer,) = engine.transcribe([window])

    assert answer.text.startswith("so far")


def test_words_of_a_window_without_frames_have_no_times(engine):
    """Nothing was decoded: the prefix comes back."""
    (answer,) = engine.transcribe([final(np.zeros(0, np.float32), prefix="so far")])

    assert (answer.text, answer.language) == ("so far", "en")


def test_samples_that_are_no_numbers_cost_one_decode(engine):
    """NaN in, NaN out: one bounded decode, no second one (API-07)."""
    before = engine.short_context_retries

    (answer,) = engine.transcribe([final(np.full(2 * SAMPLE_RATE, np.nan, np.float32))])

    assert math.isnan(answer.average_logprob)
    assert len(answer.text) <= 8 + 7 * 2
    assert engine.short_context_retries == before


def test_thirty_seconds_are_the_most(engine):
    """30 s are recognised, more is refused."""
    samples = load("en_long_60s.flac")

    (answer,) = engine.transcribe([final(samples[: 30 * SAMPLE_RATE])])

    assert len(answer.text) > 200
    with pytest.raises(EngineError, match=r"30\.00 s is longer than the 30 s"):
        engine.transcribe([final(samples[: 30 * SAMPLE_RATE + 1])])


def test_unknown_language_is_named(engine):
    """A language the model does not have is an EngineError that names it and those it has."""
    with pytest.raises(EngineError, match=r"does not know the language xx: .*de, .*en, "):
        engine.transcribe([final(first("en_short_02.flac"), language="xx")])


class Spied:
    """The engine's model, its calls noted; the rest is the model's."""

    def __init__(self, model, device="cpu") -> None:
        self._model = model
        self.device = device
        self.encoded: list[int] = []
        """Windows of each call of ``encode``."""
        self.generated: list[dict] = []
        """Prompts and options of each call of ``generate``."""

    def encode(self, features):
        """Note the batch."""
        self.encoded.append(features.shape[0])
        return self._model.encode(features)

    def generate(self, encoded, prompts, **options):
        """Note what was asked."""
        self.generated.append(options | {"prompts": prompts})
        return self._model.generate(encoded, prompts, **options)

    def __getattr__(self, name):
        return getattr(self._model, name)


@pytest.fixture(name="spied")
def _spied(engine, monkeypatch):
    """The model of the engine, for one test with a spy around it."""
    spied = Spied(engine._decoder._model)
    monkeypatch.setattr(engine._decoder, "_model", spied)
    return spied


def test_windows_of_one_class_are_decoded_in_one_call(engine, spied):
    """Windows of equal encoder length, context length and beam share a call (REC-65)."""
    samples = first("en_short_02.flac")
    longer = first("en_short_07.flac")

    engine.transcribe([final(samples), final(longer, prefix="How"), final(longer, language="de")])
    assert [len(call["prompts"]) for call in spied.generated] == [3]

    spied.generated.clear()
    engine.transcribe(
        [final(samples, beam=5), final(longer, beam=5), final(samples), final(samples, prompt="So")]
    )
    assert [(len(call["prompts"]), call["beam_size"]) for call in spied.generated] == [
        (2, 5),
        (1, 1),
        (1, 1),
    ]


def test_gpu_never_takes_encoder_outputs_through_the_host(engine, spied, monkeypatch):
    """On CUDA windows are encoded in one call, and the few that differ again (REC-76)."""
    spied.device = "cuda"
    without_copies = SimpleNamespace(zeros=np.zeros, float32=np.float32)
    monkeypatch.setattr(whisper_encoder, "np", without_copies)
    windows = [final(first("en_short_02.flac")), final(first("en_short_07.flac"))]

    answers = engine.transcribe(windows)
    assert spied.encoded == [2]

    spied.encoded.clear()
    mixed = engine.transcribe([windows[0], dataclasses.replace(windows[1], prompt="So")])
    assert spied.encoded == [2, 1, 1]
    assert mixed[0].text == answers[0].text == "How many months are beside the garden?"


def wrong_when_short():
    """A guard that turns down the first text of each window and takes the second."""
    seen = []

    def looks_wrong(decoding) -> bool:
        again = decoding in seen
        seen.append(decoding)
        return not again

    return looks_wrong


def test_second_decode_has_no_previous_text_and_repeats_nothing(engine, spied, monkeypatch):
    """What a client asked for stays; previous text goes, phrases come once (REC-28)."""
    monkeypatch.setattr(engine, "_looks_wrong", wrong_when_short())
    window = final(
        first("en_short_02.flac"), previous="One two three. " * 30, hotwords="Hark", prompt="George"
    )

    (answer,) = engine.transcribe([window])

    once, again = spied.generated
    english = engine._tokenizer("transcribe", "en")
    clients = [*english.encode(" Hark"), *english.encode(" George")]
    assert len(once["prompts"][0]) == 1 + len(clients) + 32 + 4
    assert again["prompts"][0][1:-4] == clients
    assert (once["no_repeat_ngram_size"], again["no_repeat_ngram_size"]) == (0, 3)
    assert answer.text == "How many months are beside the garden?"


def test_text_that_never_ends_says_so(engine, monkeypatch):
    """A hypothesis that reached its cap in the second decode, too, is marked (REC-15)."""
    monkeypatch.setattr(whisper_decoder.whisper_prompt, "most_new_tokens", lambda *_, **__: 3)

    for beam in (1, 5):
        (answer,) = engine.transcribe([final(first("en_short_02.flac"), beam=beam)])

        assert answer.capped
        assert answer.text == "How many months"


def interim(seconds: float) -> Window:
    """An English interim of so much of an utterance."""
    samples = first("en_short_02.flac")[: round(seconds * SAMPLE_RATE)]
    return Window(samples, Kind.INTERIM, language="en")


def test_interims_that_fail_often_get_more_encoder_input(monkeypatch, caplog):
    """More than 5 % that 30 s help: the minimum of that kind goes up one step (REC-45)."""
    engine = loaded(encoder_context="2")
    monkeypatch.setattr(engine, "_looks_wrong", wrong_when_short())
    assert engine.frames(Kind.INTERIM, 0.5) == 200

    for _ in range(2):
        engine.transcribe([interim(1.0)] * 3)

    assert engine.frames(Kind.INTERIM, 0.5) == 250
    assert engine.frames(Kind.FINAL, 0.5) == 200
    assert engine.encoder_context.min_interim == 250
    assert engine.short_context_retries == 6
    assert caplog.text.count("had to be decoded again") == 1
    engine.close()


def test_windows_that_30_s_do_not_help_say_nothing_of_their_length(monkeypatch):
    """Noise and mumbling are still wrong at 30 s: short input is not to blame (REC-45)."""
    engine = loaded(encoder_context="2")
    monkeypatch.setattr(engine, "_looks_wrong", lambda decoding: True)

    engine.transcribe([interim(1.0)] * 6)

    assert engine.frames(Kind.INTERIM, 0.5) == 200
    assert engine.short_context_retries == 6
    engine.close()


def test_windows_longer_than_the_least_say_nothing_of_it(monkeypatch):
    """Their own audio set their length, not the minimum (REC-45)."""
    engine = loaded(encoder_context="1")
    monkeypatch.setattr(engine, "_looks_wrong", wrong_when_short())
    assert engine.frames(Kind.INTERIM, 1.0) > 100

    engine.transcribe([interim(1.0)] * 6)

    assert engine.frames(Kind.INTERIM, 0.3) == 100
    engine.close()


def test_windows_of_30_s_that_are_decoded_again_are_not_counted(monkeypatch):
    """A text cut off at 30 s gets more tokens; its context was not short (REC-44)."""
    engine = loaded(encoder_context="full")
    lengths = []

    def spy(model, decodings, length):
        lengths.append(length)
        return Encoded(model, decodings, length)

    monkeypatch.setattr(whisper_decoder, "Encoded", spy)
    monkeypatch.setattr(
        whisper_decoder.whisper_prompt,
        "most_new_tokens",
        lambda tokenizer, seconds, *, generous: 100 if generous else 3,
    )

    (answer,) = engine.transcribe([final(first("en_short_02.flac"))])

    assert lengths == [3000, 3000]
    assert answer.text == "How many months are beside the garden?"
    assert engine.short_context_retries == 0
    engine.close()


def test_profile_of_the_model_is_heeded(tmp_path):
    """Encoder lengths and previous text come from the profile (REC-41, REC-11)."""
    file = tmp_path / "profile.json"
    ModelProfile(100, 200, 64, previous_tokens=0, translates=False).write(file)
    engine = loaded(profile=file)
    spied = Spied(engine._decoder._model)
    engine._decoder._model = spied

    engine.transcribe([final(first("en_short_02.flac"), previous="one " * 100)])

    assert (engine.frames(Kind.INTERIM, 0.2), engine.frames(Kind.FINAL, 0.2)) == (100, 200)
    assert not engine.translates
    assert len(spied.generated[0]["prompts"][0]) == 4
    engine.close()


def test_costs_are_measured_at_the_start():
    """An engine knows what its calls cost here, unless it is told not to look (REC-67)."""
    assert loaded().costs == CostTable()

    engine = FasterWhisperEngine(DEMO, EngineOptions(device="cpu"))
    engine.close()

    assert 0 < engine.costs.batch_s(500, 20, 1) < engine.costs.batch_s(500, 20, 8) < 60


def test_capped_decode_is_repeated_once_at_30_s(engine, monkeypatch):
    """A text that reaches its token cap on short input is decoded again at 3000 frames (REC-44)."""
    lengths = []

    def spy(model, decodings, length):
        lengths.append(length)
        return Encoded(model, decodings, length)

    def few(tokenizer, seconds, *, generous):
        return 100 if generous else 3

    monkeypatch.setattr(whisper_decoder, "Encoded", spy)
    monkeypatch.setattr(whisper_decoder.whisper_prompt, "most_new_tokens", few)
    before = engine.short_context_retries
    samples = first("en_short_02.flac")

    answers = engine.transcribe([final(samples, word_times=True), final(np.zeros_like(samples))])

    assert lengths == [1000, 3000]
    assert engine.short_context_retries == before + 1
    assert answers[0].text == "How many months are beside the garden?"
    assert answers[0].words[-1].end > 1
    assert not answers[0].capped
    assert answers[1].text == ""


def test_window_with_a_smaller_cap_is_scored_as_alone(engine, monkeypatch):
    """In a batch with a longer window a capped one still has the score it has alone (REC-70)."""
    monkeypatch.setattr(
        whisper_decoder.whisper_prompt,
        "most_new_tokens",
        lambda tokenizer, seconds, *, generous: 3 if seconds < 4 else 60,
    )
    short = final(first("en_short_02.flac"))
    long = final(first("en_short_01.flac"))
    assert short.seconds < 4 < long.seconds

    (alone,) = engine.transcribe([short])
    together = engine.transcribe([long, short])[1]

    assert alone.text == together.text == "How many months"
    assert together.average_logprob == pytest.approx(alone.average_logprob, abs=1e-4)


def test_full_context_gives_the_same_words():
    """``STT_ENCODER_CONTEXT=full`` is one switch away and needs no guard (REC-46)."""
    engine = loaded(encoder_context="full")

    (answer,) = engine.transcribe([final(first("en_short_02.flac"))])
    engine.close()

    assert answer.text == "How many months are beside the garden?"
    assert engine.short_context_retries == 0


def test_translation_is_asked_for(engine):
    """The task reaches the model; the demo model, untrained for it, transcribes all the same."""
    (answer,) = engine.transcribe(
        [final(first("de_short_01.flac"), language="de", task="translate")]
    )

    assert normalise(answer.text)[:2] == ["der", "apfel"]


def test_closed_engine_refuses():
    """After close nothing is recognised; closing twice is fine."""
    engine = loaded()
    engine.close()
    engine.close()

    with pytest.raises(EngineError, match="closed"):
        engine.transcribe([final(first("en_short_02.flac"))])


def test_failing_model_is_an_engine_error(engine, monkeypatch):
    """What CTranslate2 raises reaches the caller as EngineError, with its words."""

    def fail(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(whisper_decoder.Decoder, "_generate", fail)

    with pytest.raises(EngineError, match="the model failed: out of memory"):
        engine.transcribe([final(first("en_short_02.flac"))])


def test_cuda_without_a_gpu_stops_the_start(monkeypatch):
    """STT_DEVICE=cuda on a machine without a GPU is a SettingError at load."""
    monkeypatch.setattr(whisper_loading.ctranslate2, "get_cuda_device_count", lambda: 0)

    with pytest.raises(SettingError, match=r"STT_DEVICE=cuda: no usable NVIDIA GPU.* auto, cpu"):
        FasterWhisperEngine(DEMO, EngineOptions(device="cuda"))


def break_cuda(monkeypatch) -> None:
    """A machine with a GPU whose computation fails."""
    warm_up = whisper_loading._warm_up
    whisper_model = whisper_loading.WhisperModel
    devices = []

    def load_on_cpu(folder, *, device, **options):
        devices.append(device)
        return whisper_model(folder, device="cpu", **{**options, "compute_type": "int8"})

    def fail_on_cuda(whisper):
        if devices[-1] == "cuda":
            raise RuntimeError("Library libcublas.so.12 is not found or cannot be loaded")
        warm_up(whisper)

    supported = {"cpu": {"int8", "float32"}, "cuda": {"float16", "float32"}}
    monkeypatch.setattr(whisper_loading.ctranslate2, "get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(
        whisper_loading.ctranslate2, "get_supported_compute_types", supported.__getitem__
    )
    monkeypatch.setattr(whisper_loading, "WhisperModel", load_on_cpu)
    monkeypatch.setattr(whisper_loading, "_warm_up", fail_on_cuda)


def test_gpu_that_cannot_compute_stops_the_start(monkeypatch):
    """STT_DEVICE=cuda with a missing library is found by the warm-up, which names the library."""
    break_cuda(monkeypatch)

    with pytest.raises(SettingError, match=r"STT_DEVICE=cuda: .*libcublas\.so\.12"):
        FasterWhisperEngine(DEMO, EngineOptions(device="cuda"))


def test_auto_falls_back_to_the_cpu(monkeypatch, caplog):
    """STT_DEVICE=auto serves from the CPU when the GPU does not compute, and says why."""
    break_cuda(monkeypatch)

    engine = FasterWhisperEngine(DEMO, EngineOptions(device="auto", calibrate=False))
    engine.close()

    assert engine.name == "faster-whisper demo int8 on cpu"
    assert "libcublas" in caplog.text


@pytest.mark.parametrize(
    ("device", "supported", "chosen"),
    [
        ("cpu", {"int8", "float32"}, "int8"),
        ("cuda", {"int8", "float16", "float32"}, "float16"),
        ("cuda", {"int8", "float32"}, "int8"),
        ("cpu", {"int16"}, "default"),
    ],
)
def test_compute_type_fits_the_device(monkeypatch, device, supported, chosen):
    """int8 on a CPU, float16 on a GPU that has it (API-12)."""
    monkeypatch.setattr(
        whisper_loading.ctranslate2, "get_supported_compute_types", lambda _: supported
    )

    assert whisper_loading.choose_compute_type(device, "auto") == chosen


def test_unsupported_compute_type_is_named():
    """A number format the device lacks is a SettingError with the list of those it has."""
    with pytest.raises(
        SettingError,
        match=r"STT_COMPUTE_TYPE=float17: not possible on this cpu; allowed: auto, .*int8",
    ):
        FasterWhisperEngine(DEMO, EngineOptions(device="cpu", compute_type="float17"))


def test_broken_model_is_named(tmp_path):
    """A folder whose model cannot be loaded is a SettingError that names it."""
    (tmp_path / "model.bin").write_bytes(b"no model")
    source = ModelSource(str(tmp_path), "folder", name="broken")

    with pytest.raises(SettingError, match=r"STT_MODEL: the model in .* cannot be loaded"):
        FasterWhisperEngine(source, EngineOptions(device="cpu"))


@pytest.mark.gpu
def test_gpu_gives_the_words_of_the_cpu(engine):
    """On a GPU, encoding in the batch, the words are the same (REC-76)."""
    if not whisper_loading.ctranslate2.get_cuda_device_count():
        pytest.skip("no NVIDIA GPU here")
    gpu = FasterWhisperEngine(DEMO, EngineOptions(device="cuda", calibrate=False))
    windows = [final(first("en_short_02.flac"), word_times=True), final(first("en_short_07.flac"))]

    assert [answer.text for answer in gpu.transcribe(windows)] == [
        answer.text for answer in engine.transcribe(windows)
    ]

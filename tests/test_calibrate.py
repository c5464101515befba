"""Calibration of a model: its windows, the search for a profile, the command (REC-42)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import calibrate
from benchmarks.policy import search
from benchmarks.policy.corpus import Recording, Spoken
from benchmarks.policy.search import AT_30_S, Calibration, Trial
from benchmarks.policy.windows import Collected, Decoded, Sample, Score, collect, place, score
from stt.engines.fake import FakeEngine
from stt.engines.profile import ModelProfile
from stt.events import Kind, Window
from tests.speech import silence, speech

DEMO = Path(calibrate.DEMO_MODEL)


def window(kind: Kind = Kind.FINAL, seconds: float = 2.0, previous: str = "") -> Window:
    return Window(speech(seconds), kind, previous=previous)


def always(text: str, *, capped: bool = False, retried: bool = False) -> Callable[..., Decoded]:
    return lambda *_: Decoded(text, capped, retried)


# Windows.


def recording(**more: object) -> Recording:
    samples = np.concatenate((silence(0.5), speech(3.2), silence(1.0), speech(1.5)))
    fields = {"text": "one two three", "words": (), "utterances": ()} | more
    return Recording("a.wav", "en", "en", samples, **fields)  # type: ignore[arg-type]


def test_the_windows_of_a_corpus_are_free_of_what_was_committed() -> None:
    """Interims one by one, finals by recording, each without forced prefix and previous text."""
    found = collect([recording()], FakeEngine())

    assert len(found.interims) >= 4
    assert {len(sample.windows) for sample in found.interims} == {1}
    (finals,) = found.finals
    assert [one.kind for one in finals.windows] == [Kind.FINAL, Kind.FINAL]
    assert finals.truth == ("one", "two", "three")
    windows = [one for sample in [*found.interims, finals] for one in sample.windows]
    assert not any(one.prefix or one.previous for one in windows)
    assert found.speech == pytest.approx(4.7, abs=0.3)


def test_word_times_tell_what_is_said_in_a_live_window() -> None:
    """A word belongs to the window its middle lies in; without times nobody knows."""
    words = (Spoken("One,", 0.6, 1.2), Spoken("two", 2.5, 2.9), Spoken("three", 4.8, 5.5))

    timed = collect([recording(words=words)], FakeEngine())
    untimed = collect([recording()], FakeEngine())

    assert {sample.truth for sample in timed.interims} >= {("one",), ("one", "two"), ("three",)}
    assert {sample.truth for sample in untimed.interims} == {None}


def test_windows_with_text_before_them_are_kept_apart() -> None:
    """Of a long utterance the window is cut, and the text that left it is previous text."""
    long = Recording("a.wav", "en", "en", speech(14.0), None)

    found = collect([long], FakeEngine())

    assert found.continued
    assert all(sample.windows[0].previous for sample in found.continued)
    assert found.finals[0].truth is None


def test_a_window_is_found_where_it_was_last_cut_out() -> None:
    """By its samples; repeated audio is taken where it was heard last."""
    one = speech(1.0)
    audio = np.concatenate((one, silence(0.5), one, silence(0.5)))

    assert place(audio, one) == 24_000
    assert place(audio, silence(0.5)) == len(audio) - 8_000
    with pytest.raises(ValueError, match="no part"):
        place(audio, speech(2.5))
    with pytest.raises(ValueError, match="no part"):
        place(audio, 2 * one)


def test_samples_are_scored_against_their_truth() -> None:
    """The joined texts of a sample's windows; what was capped and decoded again is counted."""
    sample = Sample((window(), window()), ("a", "b", "a", "c"), "en")

    total = score([sample], always("A b.", capped=True, retried=True), always("unused"))

    assert (total.errors, total.words, total.rate) == (1, 4, 0.25)
    assert (total.windows, total.capped, total.retried) == (2, 2, 2)


def test_without_truth_the_30_s_decode_is_it() -> None:
    """Of interims the last word does not count: it may be half a word (REC-20)."""
    interim = Sample((window(Kind.INTERIM),), None, "en")
    final = Sample((window(),), None, "en")

    lenient = score([interim], always("one two th"), always("one two three"))
    strict = score([final], always("one two th"), always("one two three"))

    assert (lenient.errors, lenient.words) == (0, 2)
    assert (strict.errors, strict.words) == (1, 3)


# The search.


def collected(**more: list[Sample]) -> Collected:
    truth = tuple(["word"] * 50)
    interims = [Sample((window(Kind.INTERIM),), truth, "en")]
    finals = [Sample((window(),), truth, "en")]
    return replace(Collected(interims, finals, [], 99.0), **more)  # type: ignore[arg-type]


def words(right: int) -> Decoded:
    return Decoded(" ".join(["word"] * right + ["noise"] * (50 - right)), False, False)


def test_the_shortest_lengths_that_hold_are_taken() -> None:
    """Each kind its own; a length below one that does not hold is not trusted."""

    def decode(profile: ModelProfile, one: Window) -> Decoded:
        if one.kind is Kind.INTERIM:
            return words(50 if profile.min_frames_interim >= 300 else 40)
        return words(40 if profile.min_frames_final in (100, 500) else 50)

    profile = Calibration(collected(), decode).profile()

    assert (profile.min_frames_interim, profile.min_frames_final) == (300, 700)


def test_a_model_that_needs_30_s_gets_them() -> None:
    """No shorter length holds: the profile says 30 s, and nothing is lost."""

    def decode(profile: ModelProfile, one: Window) -> Decoded:
        return words(50 if profile.min_frames_final == 3000 else 40)

    profile = Calibration(collected(), decode).profile()

    assert profile.min_frames_interim == profile.min_frames_final == 3000


@pytest.mark.parametrize(("least", "margin"), [(64, 64), (128, 128), (256, 256), (999, 256)])
def test_the_least_margin_that_holds_is_taken(least: int, margin: int) -> None:
    """For all windows together; the largest one, where none holds (REC-40)."""

    def decode(profile: ModelProfile, one: Window) -> Decoded:
        return words(50 if profile == AT_30_S or profile.margin >= least else 40)

    calibration = Calibration(collected(), decode)

    assert calibration._with_margin(ModelProfile(100, 100)).margin == margin


@pytest.mark.parametrize(
    ("right", "tokens"),
    [({0: 48, 32: 50, 64: 50}, 32), ({0: 50, 32: 50, 64: 50}, 0), ({0: 48, 32: 40, 64: 49}, 64)],
)
def test_previous_text_with_fewest_errors_is_taken(right: dict[int, int], tokens: int) -> None:
    """The least of equals; without windows that have any there is none."""

    def decode(profile: ModelProfile, one: Window) -> Decoded:
        return words(right[profile.previous_tokens] if one.previous else 50)

    continued = [Sample((window(previous="Before."),), tuple(["word"] * 50), "en")]

    assert Calibration(collected(continued=continued), decode).profile().previous_tokens == tokens
    assert Calibration(collected(), decode).profile().previous_tokens == 0


@pytest.mark.parametrize(
    ("measured", "holds"),
    [
        (Score(errors=11, words=1000, windows=200), True),
        (Score(errors=12, words=1000, windows=200), False),
        (Score(errors=1, words=1000, windows=200, capped=1), False),
        (Score(errors=1, words=1000, windows=200, retried=4), True),
        (Score(errors=1, words=1000, windows=200, retried=5), False),
    ],
)
def test_what_holds(measured: Score, holds: bool) -> None:
    """At most a point above 30 s, no more capped, at most 2 % more decoded again (REC-42)."""
    trial = Trial("finals", "1 s", measured, Score(errors=1, words=1000, windows=200))

    assert trial.holds is holds
    assert trial.notes()["holds"] is holds


# The model, and the command.


def test_a_window_is_decoded_once_at_each_length() -> None:
    """The model is loaded again for another profile, and not for a window it knows."""
    model = calibrate.Model(
        calibrate.find_model(str(DEMO), demo=DEMO), calibrate.EngineOptions(calibrate=False)
    )
    one = window(seconds=1.0)
    short, long = ModelProfile(100, 100), ModelProfile(100, 500)

    first = model.decode(short, one)
    loaded = model.engine(short)
    again = model.decode(short, one)
    other = model.decode(long, one)

    assert again is first
    assert other is not first
    assert model.engine(long) is not loaded
    model.close()
    model.close()


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["calibrate", *arguments])
    return calibrate.main()


def test_too_little_speech_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a sentence that says how much is needed, before anything is decoded."""
    audio = str(Path(__file__).parent / "audio")

    assert run(monkeypatch, "--model", str(DEMO), "--audio", audio, "--kinds", "quiet") == 2

    said = capsys.readouterr().err
    assert "has 2 s of speech; a calibration needs at least 60 s" in said


def test_a_profile_is_written_with_how_it_was_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The engine reads it; its notes have the model, the audio and every trial."""
    monkeypatch.setattr(calibrate, "LEAST_SPEECH", 1.0)
    monkeypatch.setattr(search, "LENGTHS", (100, 500))
    audio = str(Path(__file__).parent / "audio")
    arguments = ["--model", str(DEMO), "--audio", audio, "--kinds", "quiet", "--phases", "2"]

    assert run(monkeypatch, *arguments, "--output", str(tmp_path / "profile.json")) == 0

    profile = ModelProfile.read(tmp_path / "profile.json")
    assert profile.notes["model"] == "demo"
    measured = json.loads((tmp_path / "profile.json").read_text())["measured"]
    assert (measured["audio"], measured["files"], measured["phases"]) == ("audio", 1, 2)
    assert measured["truth"] == "words with times"
    assert {trial["what"] for trial in measured["trials"]} == {"interims", "finals", "margin"}
    printed = capsys.readouterr().out
    assert "| interims |" in printed
    assert f"written to {tmp_path / 'profile.json'}" in printed


def test_a_model_that_cannot_be_had_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, no stack."""
    assert run(monkeypatch, "--model", "nowhere", "--audio", "tests/audio") == 2

    assert "STT_MODEL=nowhere" in capsys.readouterr().err


def test_what_the_truth_was_is_told() -> None:
    """Three kinds of it, from best to least."""
    timed = recording(words=(Spoken("one", 0.0, 1.0),))

    assert calibrate._truth([timed]) == "words with times"
    assert calibrate._truth([timed, recording()]).startswith("texts for finals")
    assert calibrate._truth([recording(text=None)]).startswith("the 30 s decode")

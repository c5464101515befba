"""The policy evaluation as a whole: recordings, the virtual clock, settings, the command."""

from __future__ import annotations

import json
import sys
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.policy import __main__ as command
from benchmarks.policy import replay as policy_replay
from benchmarks.policy.corpus import (
    MINUTE,
    CorpusError,
    Recording,
    Spoken,
    minute,
    phases,
    recordings,
)
from benchmarks.policy.evaluate import Outcome, evaluate
from benchmarks.policy.offline import Transcript
from benchmarks.policy.replay import Pace, replay
from benchmarks.policy.report import columns, figures, outcome_table, texts
from benchmarks.policy.settings import Setting
from stt.engines.fake import FakeEngine
from stt.errors import EngineError
from stt.events import Failed, Final, Hypothesis, Interim, Kind, Request, Samples, Window
from stt.speech.options import SpeechOptions
from stt.speech.stream import SpeechStream
from tests.speech import silence, speech


def sounds(*parts: Samples) -> Samples:
    return np.concatenate(parts)


def write(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((samples * 32_767).astype("<i2").tobytes())


class Known:
    """Stands in for the model offline: it has heard everything before."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.beams: list[int] = []

    def whole(self, recording: Recording, *, beam: int = 1) -> Transcript:
        self.beams.append(beam)
        return Transcript(self.text)

    def cut_out(self, recording: Recording) -> Transcript:
        return Transcript(self.text)

    def tokens(self, text: str) -> int:
        return len(text.split())


# Recordings.


def test_a_manifest_tells_what_is_said_and_when() -> None:
    """The acceptance set is the English speech of tests/audio, noise aside."""
    found = recordings(language="en")

    groups = {recording.group for recording in found}
    assert groups == {
        f"en {kind}"
        for kind in ("short", "digits", "pauses", "growing", "long", "quiet", "clipped")
    }
    (hello,) = [recording for recording in found if recording.name == "en_hello.flac"]
    assert hello.text is not None
    assert len(hello.utterances) == 2
    assert " ".join(word.text for word in hello.words) == hello.text
    assert hello.words[-1].end < hello.seconds == pytest.approx(4.4, abs=0.01)


def test_kinds_choose_recordings() -> None:
    """Only those asked for; a kind that no file has is named."""
    names = {recording.name for recording in recordings(kinds=["two_languages"])}

    assert names == {"two_languages_en_es.flac", "turns_en_de.flac"}
    assert {one.language for one in recordings(kinds=["silence"])} == {None}
    with pytest.raises(CorpusError, match="of the kind shouted"):
        recordings(kinds=["shouted"])


def test_a_folder_without_manifest_has_texts_beside_the_files(tmp_path: Path) -> None:
    """Where there is no text file nobody knows what is said."""
    write(tmp_path / "a.wav", speech(1.0))
    write(tmp_path / "b.WAV", speech(2.0))
    (tmp_path / "a.txt").write_text("Ah.\n")
    (tmp_path / "notes.md").write_text("no recording")

    one, other = recordings(tmp_path, language="de")

    assert (one.name, one.text, one.language, one.group) == ("a.wav", "Ah.", "de", "de")
    assert (other.name, other.text, other.words) == ("b.WAV", None, ())
    assert other.seconds == 2.0


def test_a_folder_that_cannot_be_evaluated_is_refused(tmp_path: Path) -> None:
    """With a sentence that says why."""
    with pytest.raises(CorpusError, match="no such recordings"):
        recordings(tmp_path)
    with pytest.raises(CorpusError, match=r"no manifest\.json"):
        recordings(tmp_path, kinds=["short"])
    with pytest.raises(CorpusError, match="is no folder"):
        recordings(tmp_path / "nowhere")


def test_a_minute_is_a_minute() -> None:
    """Recordings one after the other, cut or filled up, so that minutes can be compared."""
    short = Recording("a", "a", "en", speech(20.0), None)
    long = Recording("b", "b", "en", speech(50.0), None)

    assert len(minute([short])) == len(minute([short, long])) == MINUTE
    assert not minute([short])[21 * 16_000 :].any()
    assert minute([short, long])[-16_000:].any()


def test_phases_move_a_recording_and_its_words() -> None:
    """The same audio a part of a piece later, so that it falls otherwise into pieces."""
    one = Recording("a", "a", "en", speech(1.0), "Ah", (Spoken("Ah", 0.2, 0.9),))

    first, second = phases([one], 2, piece=0.1)

    assert first.seconds == 1.0
    assert second.seconds == pytest.approx(1.05)
    assert second.words[0].start == pytest.approx(0.25)
    np.testing.assert_array_equal(second.samples[800:], one.samples)
    assert (second.name, second.shift) == ("a", 0.05)


# The virtual clock.


def test_without_delay_every_answer_is_there_at_once() -> None:
    """The clock is the audio's: interims each second, the final at the endpoint (REC-80)."""
    played = replay(
        sounds(silence(1.0), speech(3.2)), SpeechOptions(), FakeEngine(), count=lambda text: 5
    )

    interims = [one.at for one in played.said if isinstance(one.event, Interim)]
    (end,) = [one.at for one in played.said if isinstance(one.event, Final)]
    np.testing.assert_allclose(np.diff(interims[:3]), 1.0, atol=0.01)
    assert end == pytest.approx(4.2 + 0.6, abs=0.2)
    assert played.seconds == pytest.approx(4.2 + 1.5)
    assert played.speech == pytest.approx(3.2, abs=0.2)
    assert played.calls[0].at == played.calls[0].received == pytest.approx(interims[0])
    assert [call.tokens for call in played.calls] == [5] * len(played.calls)
    assert len(played.stream_cpu) <= 7
    assert sum(played.stream_cpu) > 0
    assert played.engine_cpu > 0


def test_a_delay_holds_the_worker() -> None:
    """An answer is late by it, and what is asked meanwhile waits for the one worker."""
    quick = replay(speech(5.0), SpeechOptions(), FakeEngine())
    slow = replay(speech(5.0), SpeechOptions(), FakeEngine(), Pace(delay=1.4))

    finals = [
        next(one.at for one in played.said if isinstance(one.event, Final))
        for played in (quick, slow)
    ]
    assert 1.4 <= finals[1] - finals[0] < 2.9
    assert len(slow.calls) < len(quick.calls)
    starts = [call.at for call in slow.calls]
    assert min(np.diff(starts)) >= 1.4 - 1e-9


def test_the_most_urgent_request_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The virtual worker takes finals before interims, as the queue does (REC-63)."""

    asked = [Request(0, Kind.INTERIM, 1), Request(1, Kind.FINAL, 0), Request(2, Kind.FINAL, 1)]

    class Asking(SpeechStream):
        def requests(self) -> list[Request]:
            requests = asked.copy()
            asked.clear()
            return requests

        def window(self, request: Request) -> Window:
            return Window(speech(1.0), request.kind)

    monkeypatch.setattr(policy_replay, "SpeechStream", Asking)

    played = replay(speech(1.0), SpeechOptions(), FakeEngine())

    assert [call.request.number for call in played.calls] == [1, 2, 0]


def test_calls_can_take_what_they_cost() -> None:
    """Computation-aware: the answer of a call comes its CPU seconds later."""

    def work(window: Window) -> str:
        np.sort(np.random.default_rng(0).random(400_000))
        return "well"

    played = replay(speech(1.5), SpeechOptions(), FakeEngine(work), Pace(delay=None))

    (first,) = [one for one in played.said if isinstance(one.event, Interim)]
    assert first.at - played.calls[0].at == pytest.approx(played.calls[0].cpu)
    assert played.calls[0].cpu > 0


def test_windows_are_kept_on_demand() -> None:
    """Their audio is much; only the batch test and the calibration need it."""
    kept = replay(speech(2.0), SpeechOptions(), FakeEngine(), keep=True)
    thrown = replay(speech(2.0), SpeechOptions(), FakeEngine())

    assert all(call.window is not None for call in kept.calls)
    assert all(call.window is None for call in thrown.calls)


def test_a_failing_engine_fails_utterances() -> None:
    """The replay goes on, and the failure is among what was said."""

    def fail(window: Window) -> str:
        raise EngineError("no")

    played = replay(speech(2.0), SpeechOptions(), FakeEngine(fail))

    assert [type(one.event) for one in played.said][-2:-1] == [Failed]
    assert {call.hypothesis for call in played.calls} == {None}


# Settings.


def test_without_word_times_delays_count_from_what_the_model_heard() -> None:
    """Its times are those of the recording, wherever a phase has put that."""

    class Timed(Known):
        def whole(self, recording: Recording, *, beam: int = 1) -> Transcript:
            return Transcript("one two", (Spoken("one", 0.1, 0.9), Spoken("two", 1.0, 2.4)))

    one = Recording("a.wav", "en", "en", speech(2.5), None)
    firsts = []
    for recording in phases([one], 2, piece=0.1):
        engine = FakeEngine(lambda window: Hypothesis("one two", language="en"))
        outcome = evaluate([recording], Setting(), Timed("one two"), engine=engine).total  # type: ignore[arg-type]
        firsts += outcome.first
        assert len(outcome.lag) == 2

    assert firsts[0] == pytest.approx(firsts[1], abs=0.1)


def test_options_are_changed_by_their_names() -> None:
    """Wherever they stand, with the type they have."""
    setting = Setting().having("soft", "4").having("silence", "0.4").having("encoder", "2")
    setting = setting.having("final", "best").having("piece", "0.02").having("interims", "0")

    assert setting.speech.policy.soft == 4.0
    assert setting.speech.endpointing.silence == 0.4
    assert setting.engine.encoder_context == "2"
    assert setting.speech.final == "best"
    assert setting.speech.interims is False
    assert setting.pace == Pace(piece=0.02)
    assert setting.taking_what_it_costs().pace == Pace(piece=0.02, delay=None)


@pytest.mark.parametrize(
    ("name", "value"),
    [("silense", "1"), ("soft", "many"), ("encoder", "99"), ("interims", "yes"), ("vad", "x")],
)
def test_a_bad_option_is_named(name: str, value: str) -> None:
    """Before anything is measured."""
    with pytest.raises(CorpusError, match=name):
        Setting().having(name, value)


# The evaluation.


def evaluated(text: str | None, said: str, offline: str = "one two") -> tuple[Outcome, list[str]]:
    recording = Recording("a.wav", "en", "en", speech(2.5), text)
    evaluation = evaluate(
        [recording],
        Setting(),
        Known(offline),  # type: ignore[arg-type]
        engine=FakeEngine(lambda window: Hypothesis(said, language="en")),
    )
    return evaluation.total, list(texts(evaluation))


def test_the_streamed_text_is_compared_with_the_truth_and_with_the_model() -> None:
    """Points of word error rate above offline, and what differs (QM-01)."""
    total, shown = evaluated("One, two.", "one too")

    assert total.streamed.rate == 0.5
    assert total.offline.rate == 0.0
    assert total.against.rate == 0.5
    assert total.above == 50.0
    assert shown == ["a.wav (en)\n    streamed one [two -> too]"]


def test_without_a_text_the_model_is_the_truth() -> None:
    """Then nobody can say how wrong either is."""
    total, shown = evaluated(None, "one too")

    assert total.above is None
    assert total.against.rate == 0.5
    assert shown == ["a.wav (en)\n    streamed one [two -> too]"]
    assert figures(total)["wer"] is None


def test_best_finals_are_compared_with_five_beams() -> None:
    """As they are decoded (REC-27)."""
    offline = Known("one")
    recording = Recording("a.wav", "en", "en", speech(2.5), "one")

    evaluate(
        [recording],
        Setting().having("final", "best"),
        offline,  # type: ignore[arg-type]
        engine=FakeEngine(lambda window: Hypothesis("one")),
    )

    assert offline.beams[0] == 5


def test_the_language_is_told_unless_it_is_to_be_found() -> None:
    """A recording's language goes to the stream (--detect)."""
    recording = Recording("a.wav", "en", "en", speech(2.5), "one")
    told = []
    for setting in (Setting(), Setting(detect=True)):
        engine = FakeEngine()
        evaluate([recording], setting, Known("one"), engine=engine)  # type: ignore[arg-type]
        told.append(engine.windows[0].language)

    assert told == ["en", None]


def test_the_table_has_a_row_for_each_outcome() -> None:
    """Columns without anything in them are left out."""
    total, _ = evaluated("One, two.", "one two")

    head, _, row = outcome_table({"a": total, "b": Outcome()}, "set").splitlines()[:3]

    assert head.split()[1:8] == ["set", "|", "files", "|", "speech", "|", "words"]
    assert "cut out" not in head
    assert row.split("|")[5].strip() == "0.0"
    assert len(head) == len(row)
    assert columns([["a", "b"], ["1", "22"]]).splitlines()[-1] == "| 1 | 22 |"


# The command, with the demo model.


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["policy", *arguments])
    return command.main()


def test_the_command_prints_a_table_and_writes_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One short kind, with the model on its cut utterances."""
    arguments = ("--kinds", "quiet", "--cut", "--show", "--json", str(tmp_path / "out.json"))

    assert run(monkeypatch, *arguments) == 0

    printed = capsys.readouterr().out
    assert "| en quiet" in printed
    assert "| all" in printed
    assert "cut out" in printed
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["all"]["words"] == 5
    assert found["all"]["tokens"] > 5
    assert found["all"]["committed_changed"] == 0


def test_the_command_sweeps_any_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One row for each value."""
    assert run(monkeypatch, "--kinds", "quiet", "--sweep", "step=0.5,1") == 0

    printed = capsys.readouterr().out
    assert "| step=0.5" in printed
    assert "| step=1" in printed


@pytest.mark.parametrize(
    "arguments",
    [("--sweep", "soft"), ("--sweep", "softer=1,2"), ("--model", "nowhere"), ("--kinds", "loud")],
)
def test_the_command_says_what_is_wrong_with_it(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: Sequence[str],
) -> None:
    """One sentence, no stack."""
    assert run(monkeypatch, *arguments) == 2

    assert capsys.readouterr().err.splitlines()[-1].startswith("python -m benchmarks.policy: ")

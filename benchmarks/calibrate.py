"""Measure how short the encoder input of a model may be, and write its profile (REC-42).

    python -m benchmarks.calibrate --model FOLDER --audio FOLDER [--output FILE]

AUDIO holds wav or flac files as ``benchmarks.policy`` takes them, with at least a minute of speech
as the model will hear it. With word times in a manifest every window is compared with what is said
in it; with texts the finals are; without, all are compared with the model's own decode at 30 s. The
profile is written to ``profile.json`` in the model's folder, where the engine finds it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the libraries (REC-75)

from benchmarks.policy.corpus import CorpusError, Recording, phases, recordings
from benchmarks.policy.replay import Pace
from benchmarks.policy.report import columns
from benchmarks.policy.search import HEAD, MOST_WORSE, Calibration
from benchmarks.policy.windows import Collected, Decoded, collect
from stt.engines.faster_whisper import FasterWhisperEngine
from stt.engines.models import ModelSource, find_model
from stt.engines.options import DEMO_MODEL, EngineOptions
from stt.engines.profile import FILE, ModelProfile
from stt.errors import SettingError
from stt.events import FEATURE_RATE, Window

LEAST_SPEECH = 60.0  # seconds; a word error rate of less says nothing


class Model:
    """The model under any profile. What was decoded at one encoder length is kept. One thread."""

    def __init__(self, source: ModelSource, options: EngineOptions) -> None:
        self._source = source
        self._options = options
        self._engine: FasterWhisperEngine | None = None
        self._profile: ModelProfile | None = None
        self._known: dict[tuple[int, int, int], Decoded] = {}

    def engine(self, profile: ModelProfile) -> FasterWhisperEngine:
        """The model with that profile; there is one at a time. Raises SettingError."""
        if self._engine is None or self._profile != profile or self._has_moved():
            self.close()
            with tempfile.TemporaryDirectory(prefix="hark-calibrate-") as folder:
                file = Path(folder) / FILE
                profile.write(file)
                options = replace(self._options, profile=file)
                self._engine = FasterWhisperEngine(self._source, options)
            self._profile = profile
        return self._engine

    def decode(self, profile: ModelProfile, window: Window) -> Decoded:
        """A window alone under a profile."""
        frames = profile.context.length(window.kind, int(window.seconds * FEATURE_RATE))
        key = (id(window), frames, profile.previous_tokens if window.previous else 0)
        if key not in self._known:
            engine = self.engine(profile)
            before = engine.short_context_retries
            (heard,) = engine.transcribe([window])
            retried = engine.short_context_retries > before
            self._known[key] = Decoded(heard.text, heard.capped, retried)
        return self._known[key]

    def close(self) -> None:
        """Let go of the model. Never raises."""
        if self._engine is not None:
            self._engine.close()
        self._engine = None

    def _has_moved(self) -> bool:
        """Whether the engine has raised its encoder lengths by itself (REC-45)."""
        assert self._engine is not None
        assert self._profile is not None
        return self._engine.encoder_context != self._profile.context


def check(speech: float, audio: Path) -> None:
    """Raises CorpusError where there is too little speech to decide anything on."""
    if speech < LEAST_SPEECH:
        raise CorpusError(
            f"{audio} has {speech:.0f} s of speech; a calibration needs at least "
            f"{LEAST_SPEECH:.0f} s, better some minutes of several speakers."
        )


def notes(
    model: str, audio: Path, found: Sequence[Recording], calibration: Calibration
) -> dict[str, object]:
    """How a profile was measured, for its file."""
    return {
        "model": model,
        "measured": {
            "audio": audio.name,
            "files": len({recording.name for recording in found}),
            "phases": len({recording.shift for recording in found}),
            "speech_s": round(calibration.windows.speech, 1),
            "truth": _truth(found),
            "most_points_above_30_s": MOST_WORSE,
            "trials": [trial.notes() for trial in calibration.trials],
        },
    }


def _truth(found: Sequence[Recording]) -> str:
    if all(recording.words for recording in found):
        return "words with times"
    if all(recording.text is not None for recording in found):
        return "texts for finals, the 30 s decode for interims"
    return "the 30 s decode, where there is no text"


def main() -> int:
    """Calibrate a model."""
    parser = _parser()
    chosen = parser.parse_args()
    try:
        source = find_model(chosen.model, demo=DEMO_MODEL)
        found = recordings(chosen.audio, kinds=chosen.kinds, language=chosen.language)
        # what is certain to be too little is refused before anything is decoded
        check(sum(recording.seconds for recording in found), chosen.audio)
        found = phases(found, max(1, chosen.phases), Pace().piece)
        calibration, profile = _calibrate(source, chosen.device, found, chosen.audio)
    except (CorpusError, SettingError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    print(columns([HEAD, *(trial.cells() for trial in calibration.trials)]), end="\n\n")
    output = chosen.output or Path(source.path_or_name) / FILE
    known = ModelProfile.of_model(Path(source.path_or_name))
    said = notes(source.name, chosen.audio, found, calibration)
    replace(profile, translates=known.translates, notes=said).write(output)
    print("\n".join(_summary(profile, output, calibration.windows)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", required=True, help="a folder or a name, as STT_MODEL")
    add("--audio", required=True, type=Path, help="a folder with recordings")
    add("--kinds", type=lambda value: value.split(","), default=(), help="of the manifest")
    add("--language", help="only recordings in it; of recordings without a manifest: theirs")
    add("--phases", type=int, default=1, metavar="N", help="play each N times, each a bit later")
    add("--device", default="cpu", help="as STT_DEVICE")
    add("--output", type=Path, help=f"{FILE} in the model's folder")
    return parser


def _calibrate(
    source: ModelSource, device: str, found: Sequence[Recording], audio: Path
) -> tuple[Calibration, ModelProfile]:
    """Collect the windows, and find the profile. Raises CorpusError, SettingError."""
    with closing(Model(source, EngineOptions(device=device, calibrate=False))) as model:
        print(f"hearing {len(found)} recordings ...", file=sys.stderr, flush=True)
        windows = collect(found, model.engine(ModelProfile(previous_tokens=0)))
        check(windows.speech, audio)
        print(f"decoding windows of {windows.speech:.0f} s ...", file=sys.stderr, flush=True)
        calibration = Calibration(windows, model.decode)
        return calibration, calibration.profile()


def _summary(profile: ModelProfile, output: Path, windows: Collected) -> Iterator[str]:
    yield f"interims: at least {profile.min_frames_interim / FEATURE_RATE:g} s"
    yield f"finals: at least {profile.min_frames_final / FEATURE_RATE:g} s"
    yield f"margin: {profile.margin / FEATURE_RATE:g} s"
    if windows.continued:
        yield f"previous text: {profile.previous_tokens} tokens"
    else:
        yield "previous text: none; no utterance was long enough to try it"
    yield f"written to {output}"


if __name__ == "__main__":
    sys.exit(main())

"""Recognition at the size of Whisper's tiny: what live sessions cost, and the usual way.

The model has random weights in tiny's dimensions, so that each call costs what it costs users of
the real one; its texts are scripted, about four tokens a second (``scripted_engine.py``). Both
ways hear the same recordings in the same run.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel

from benchmarks.policy.corpus import Recording, recordings
from benchmarks.random_model import make
from benchmarks.replay.live import Asked, climb
from benchmarks.replay.playlist import PAUSE
from benchmarks.scripted_engine import ScriptedEngine
from benchmarks.sessions import Plan
from benchmarks.table import Row
from benchmarks.wer import KINDS
from stt.costs import TOKENS_PER_SECOND
from stt.engines.models import find_model
from stt.engines.options import DEMO_MODEL, EngineOptions
from stt.engines.profile import FILE
from stt.events import SAMPLE_RATE
from stt.speech.endpointing import EndpointingOptions
from stt.speech.options import SpeechOptions
from stt.speech.stream import SpeechStream
from stt.speech.vad import VadOptions

SESSIONS = 8
COST = 0.035  # s of CPU per s of speech: the aim (recognition REC-90)
RATIO = 0.1  # of decoding every step at 30 s
STEP = 1.0  # s, the default of STT_STEP_MS
PIECE = 0.1  # s of audio in a message
FILES = 12
QUICK = 3


def tiny_rows(plan: Plan) -> list[Row]:
    """CPU per second of speech of 8 sessions, and in parts of what the usual way costs."""
    files = recordings(kinds=KINDS, language="en")[: QUICK if plan.rounds == 1 else FILES]
    with tempfile.TemporaryDirectory(prefix="hark-tiny-") as folder:
        model = make("tiny", Path(folder) / "tiny")
        safe, _ = live(files, model)
        shutil.copy(DEMO_MODEL / FILE, model)  # from here on it allows short windows
        short, rest = live(files, model)
        batch = together(files, model)
        usual = {beam: every_step(files, model, beam=beam) for beam in (5, 1)}
    name = f"tiny, {SESSIONS} sessions"
    return [
        Row(
            f"{name} in one batch: CPU s per speech s",
            [batch],
            "s",
            [rest],
            COST,
            "stream and engine, windows decoded together as on a busy worker",
        ),
        Row(
            f"{name} in one batch: in parts of WhisperModel.transcribe each step",
            [batch / usual[5]],
            "",
            [rest],
            RATIO,
            f"that takes {usual[5]:.2f} s per speech s with its beam of 5, greedy {usual[1]:.2f}",
        ),
        Row(
            f"{name} live, hardly any batches: CPU s per speech s of the service",
            [short],
            "s",
            [rest],
            note=f"{safe:.3f} s without a profile; {short / usual[5]:.3f} of the usual way",
        ),
    ]


def speech(files: Sequence[Recording]) -> float:
    """Seconds in which somebody speaks."""
    return sum(spoken.end - spoken.start for file in files for spoken in file.utterances)


def live(files: Sequence[Recording], model: Path) -> tuple[float, float]:
    """CPU s of the whole service per s of speech, and the rest of the machine in % of a core."""
    app = "benchmarks.costed:costed_app()"
    rung = climb(Asked(files, app=app, settings={"STT_MODEL": str(model)}), SESSIONS)
    assert rung.cost is not None, "it is a service of our own"
    return rung.cost.cpu / (SESSIONS * speech(files)), rung.cost.rest


def together(files: Sequence[Recording], model: Path) -> float:
    """CPU s per s of speech of sessions that say the same at the same time: every batch is full."""
    source = find_model(str(model), demo=DEMO_MODEL)
    engine = ScriptedEngine(source, EngineOptions(device="cpu", calibrate=False))
    options = SpeechOptions(
        language="en",
        n_mels=engine.n_mels,
        vad=VadOptions(hybrid=True),
        endpointing=EndpointingOptions(by_text=True),
    )
    shared, own = 0.0, 0.0
    for file in files:
        stream = SpeechStream(options)
        samples = np.concatenate((file.samples, np.zeros(round(PAUSE * SAMPLE_RATE), np.float32)))
        for at in range(0, len(samples), round(PIECE * SAMPLE_RATE)):
            begun = time.process_time()
            stream.receive_audio(samples[at : at + round(PIECE * SAMPLE_RATE)])
            while requests := stream.requests():
                for request in requests:
                    if window := stream.window(request):
                        before = time.process_time()
                        answer = engine.transcribe([window] * SESSIONS)[0]
                        shared += time.process_time() - before
                        begun += time.process_time() - before
                        stream.receive_hypothesis(request, answer)
            stream.events()
            own += time.process_time() - begun
    engine.close()
    return (shared / SESSIONS + own) / speech(files)


def step_ends(length: float) -> list[float]:
    """The seconds of an utterance that are decoded: up to each step, then all of them."""
    return [STEP * at for at in range(1, math.ceil(length / STEP))] + [length]


def every_step(files: Sequence[Recording], model: Path, *, beam: int) -> float:
    """CPU s per s of speech of the usual way: what was said so far, decoded anew at each step.

    No voice activity, no sockets, one session, no fallback, no more tokens than are spoken: less
    than what such servers do.
    """
    whisper = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=1)
    begun = time.process_time()
    for file in files:
        for spoken in file.utterances:
            start = spoken.start
            for end in step_ends(spoken.end - start):
                first, last = round(start * SAMPLE_RATE), round((start + end) * SAMPLE_RATE)
                segments, _ = whisper.transcribe(
                    file.samples[first:last],
                    language="en",
                    beam_size=beam,
                    temperature=0.0,
                    condition_on_previous_text=False,
                    without_timestamps=True,
                    max_new_tokens=max(1, round(end * TOKENS_PER_SECOND)),
                    log_prob_threshold=None,
                    no_speech_threshold=None,
                    compression_ratio_threshold=None,
                )
                for _ in segments:
                    pass
    return (time.process_time() - begun) / speech(files)

"""What the calls of a Whisper model cost on this machine, measured with care (recognition REC-83).

    python -m benchmarks.costs --model FOLDER [--json FILE] [--quick]

Prints the tables of recognition sections 2.1 to 2.3: one window by its length, the decoder by
batch, the encoder by batch. CPU milliseconds of one core, the least of several runs; on a GPU wall
time, which means something only while nothing else runs. ``--json`` writes what the capacity
simulation reads (``stt.costs.CostTable``). Weights may be random (benchmarks/random_model.py).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from faster_whisper.tokenizer import Tokenizer

from benchmarks.table import machine
from stt.costs import CostTable, Points
from stt.engines.encoder_context import FULL
from stt.engines.options import DEVICES, EngineOptions
from stt.engines.whisper_costs import MEMORY, PYTHON, Meter
from stt.engines.whisper_loading import load
from stt.events import FEATURE_RATE, SAMPLE_RATE
from stt.mel import window_log_mel

PIECE = 1.0  # s of audio whose features are computed at once, the step of a live stream
LONGEST_BATCHED = 1000  # feature frames; longer windows never share a call of the encoder
BEAM = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and how often."""

    frames: Sequence[int] = (100, 200, 300, 500, 1000, 1500, 2000, FULL)
    batches: Sequence[int] = (1, 2, 4, 8, 16)
    rounds: int = 10


QUICK = Plan(frames=(100, 500, 1000), batches=(1, 8), rounds=2)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured, in seconds."""

    encode: dict[int, Points]
    """For each batch of the encoder: seconds per window, by frames."""
    mel: float
    """Features of one second of audio, in pieces of one second."""
    step: Points
    """By batch."""
    fixed: Points
    """What precedes the first decoding step, by batch."""
    beam_step: Points
    """A step with a beam of 5, by batch."""
    align: Points
    """By frames; empty where the model has no alignment heads."""

    def as_table(self) -> CostTable:
        """What a scheduler and a simulation need of it."""
        (few, low), (many, high) = self.fixed[0], self.fixed[-1]
        window = max(high - low, 0.0) / max(many - few, 1)
        return CostTable(
            encode=self.encode[1],
            step=self.step,
            call=max(low - window, 0.0),
            window=window + PYTHON,
            align=self.align or CostTable().align,
        )


def measure(meter: Meter, plan: Plan, *, n_mels: int, aligns: bool) -> Figures:
    """Every figure of a plan; says on stderr where it is."""
    _say("the encoder")
    encode = {
        batch: tuple(
            (frames, meter.encode(frames, batch=batch, rounds=plan.rounds) / batch)
            for frames in plan.frames
            if batch == 1 or frames <= LONGEST_BATCHED
        )
        for batch in plan.batches
    }
    _say("the decoder")
    steps = [(batch, *meter.step(batch, rounds=plan.rounds)) for batch in plan.batches]
    _say(f"the decoder with a beam of {BEAM}")
    beam = [(batch, meter.step(batch, beam=BEAM, rounds=plan.rounds)[0]) for batch in plan.batches]
    _say("features and word times")
    return Figures(
        encode=encode,
        mel=_mel(meter, n_mels, plan.rounds),
        step=tuple((batch, step) for batch, step, _ in steps),
        fixed=tuple((batch, fixed) for batch, _, fixed in steps),
        beam_step=tuple(beam),
        align=tuple((frames, meter.align(frames, rounds=plan.rounds)) for frames in plan.frames)
        if aligns
        else (),
    )


def _mel(meter: Meter, n_mels: int, rounds: int) -> float:
    noise = np.random.default_rng(0).standard_normal(int(PIECE * SAMPLE_RATE), dtype=np.float32)
    return meter.least(lambda: window_log_mel(noise, n_mels), 10 * rounds) / PIECE


def _say(what: str) -> None:
    print(f"measuring {what} ...", file=sys.stderr, flush=True)


def printed(figures: Figures) -> str:
    """The figures as three tables in Markdown, in ms."""
    lengths = [frames for frames, _ in figures.encode[1]]
    batches = [batch for batch, _ in figures.step]
    windows = _rows(
        ["one window, ms", *(f"{frames / FEATURE_RATE:g} s" for frames in lengths)],
        ["log-mel", *(figures.mel * frames / FEATURE_RATE for frames in lengths)],
        ["encoder", *(seconds for _, seconds in figures.encode[1])],
        ["word times, 4 tokens/s", *(dict(figures.align).get(frames) for frames in lengths)],
    )
    decoder = _rows(
        [f"decoder from {MEMORY / FEATURE_RATE:g} s, ms", *(f"batch {size}" for size in batches)],
        ["step", *(seconds for _, seconds in figures.step)],
        ["step for each window", *(seconds / size for size, seconds in figures.step)],
        [f"step with a beam of {BEAM}", *(seconds for _, seconds in figures.beam_step)],
        ["before the first step", *(seconds for _, seconds in figures.fixed)],
    )
    encoder = _rows(
        ["encoder for each window, ms", *(f"batch {size}" for size in figures.encode)],
        *(
            [f"{frames} frames", *(dict(points).get(frames) for points in figures.encode.values())]
            for frames in lengths
            if frames <= LONGEST_BATCHED
        ),
    )
    return "\n\n".join((windows, decoder, encoder))


def _rows(*rows: Iterable[str | float | None]) -> str:
    """A table of Markdown; numbers are seconds and shown in ms."""
    cells = [
        [
            "-" if cell is None else cell if isinstance(cell, str) else f"{1000 * cell:.3g}"
            for cell in row
        ]
        for row in rows
    ]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def main() -> None:
    """Measure one model."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.costs", description="Measure what a model's calls cost here."
    )
    parser.add_argument("--model", required=True, type=Path, help="the model's folder")
    parser.add_argument("--device", default="cpu", choices=DEVICES)
    parser.add_argument("--compute-type", default="auto")
    parser.add_argument("--json", type=Path, help="write the cost table into this file")
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds")
    options = parser.parse_args()
    loaded = load(
        str(options.model), EngineOptions(device=options.device, compute_type=options.compute_type)
    )
    whisper = loaded.whisper
    english = Tokenizer(
        whisper.hf_tokenizer, whisper.model.is_multilingual, task="transcribe", language="en"
    )
    figures = measure(
        Meter(whisper.model, english),
        QUICK if options.quick else Plan(),
        n_mels=whisper.model.n_mels,
        aligns=loaded.word_times,
    )
    print(machine("benchmarks.costs"))
    print(f"{options.model.name}, {loaded.compute_type} on {loaded.device}", end="\n\n")
    print(printed(figures))
    if options.json:
        options.json.write_text(figures.as_table().to_json() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""How an evaluation is shown: a table, the differing texts, and figures for machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import mean

from benchmarks.policy.evaluate import Evaluation, Heard, Outcome
from benchmarks.policy.transcript import differences, units
from benchmarks.table import percentile
from benchmarks.wer import WordErrors

NOTHING = "-"


def _percent(errors: WordErrors) -> str:
    return f"{100 * errors.rate:.1f}" if errors.words else NOTHING


def _seconds(values: Sequence[float], percent: float) -> str:
    return f"{percentile(values, percent):.2f}" if values else NOTHING


def _mean(values: Sequence[float]) -> str:
    return f"{mean(values):.2f}" if values else NOTHING


def _above(outcome: Outcome) -> str:
    return NOTHING if outcome.above is None else f"{outcome.above:+.1f}"


COLUMNS: dict[str, Callable[[Outcome], str]] = {
    "files": lambda it: str(it.files),
    "speech": lambda it: f"{it.speech:.0f}",
    "words": lambda it: str(it.streamed.words or it.against.words),
    "WER": lambda it: _percent(it.streamed),
    "offline": lambda it: _percent(it.offline),
    "above": _above,
    "cut out": lambda it: _percent(it.cut),
    "against": lambda it: _percent(it.against),
    "changed": lambda it: str(it.changed),
    "revised": lambda it: str(it.revised),
    "failed": lambda it: str(it.failed),
    "erasure": lambda it: f"{it.erasure:.2f}",
    "first p50": lambda it: _seconds(it.first, 50),
    "p95": lambda it: _seconds(it.first, 95),
    "LAAL": lambda it: _mean(it.laal),
    "lag": lambda it: _mean(it.lag),
    "final p50": lambda it: _seconds(it.final, 50),
    "p99": lambda it: _seconds(it.final, 99),
    "change p50": lambda it: _seconds(it.change, 50),
    "CPU ms": lambda it: f"{1000 * it.per_speech(it.engine_cpu + it.stream_cpu):.1f}",
    "stream": lambda it: f"{1000 * it.per_speech(it.stream_cpu):.2f}",
    "encoded": lambda it: f"{it.per_speech(it.encoded):.2f}",
    "tokens": lambda it: f"{it.per_speech(it.tokens):.1f}",
    "windows": lambda it: str(it.windows),
    "capped": lambda it: str(it.capped),
}
SILENT_COLUMNS = ("cut out", "revised", "failed", "capped")
"""Left out where there is nothing in them."""

LEGEND = """\
speech: s. WER, offline, cut out, against: % word errors of the streamed finals, of the same model
on whole files at 30 s, of it on each true utterance, and of the finals with the model on whole
files as the truth. above: points of WER above offline. changed: committed words that changed.
erasure: words withdrawn, for each word of the finals. first: s from the onset of an utterance's
first word to its first text. LAAL, lag: s that committed words lag. final, change: s from the end
of the last word to the final, and to the last change of the text. CPU ms (of it the stream),
encoded s, tokens: for each second of speech."""


def columns(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells, the first one the head, as a Markdown table; figures to the right."""
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    shown = [lines[0], rule, *lines[1:]]
    return "\n".join(
        "| "
        + " | ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in shown
    )


def outcome_table(rows: dict[str, Outcome], first: str = "") -> str:
    """A row for each outcome; ``first``: the head of the names."""
    body = {name: [show(row) for row in rows.values()] for name, show in COLUMNS.items()}
    kept = [
        name
        for name, cells in body.items()
        if name not in SILENT_COLUMNS or {*cells} - {NOTHING, "0"}
    ]
    lines = [[first, *kept]]
    for at, name in enumerate(rows):
        lines.append([name, *(body[column][at] for column in kept)])
    return columns(lines)


def texts(evaluation: Evaluation) -> Iterator[str]:
    """Each recording whose streamed text is not that of the truth: what was heard instead."""
    for one in evaluation.heard:
        recording = one.recording
        truth = one.offline if recording.text is None else recording.text
        expected = units(truth, recording.language)
        lines = [
            f"    {name:9}{differences(expected, units(text, recording.language))}"
            for name, text in _versions(one)
            if units(text, recording.language) != expected
        ]
        if lines:
            yield "\n".join([f"{recording.name} ({recording.group})", *lines])


def _versions(one: Heard) -> Iterator[tuple[str, str]]:
    yield "streamed", one.streamed
    if one.recording.text is not None:
        yield "offline", one.offline
    if one.cut is not None:
        yield "cut out", one.cut


def figures(outcome: Outcome) -> dict[str, float | int | None]:
    """The figures of an outcome as JSON has them; seconds, shares, CPU seconds."""
    return {
        "files": outcome.files,
        "audio_s": outcome.audio,
        "speech_s": outcome.speech,
        "words": outcome.streamed.words,
        "wer": outcome.streamed.rate if outcome.streamed.words else None,
        "wer_offline": outcome.offline.rate if outcome.offline.words else None,
        "wer_cut_out": outcome.cut.rate if outcome.cut.words else None,
        "wer_against_offline": outcome.against.rate,
        "points_above_offline": outcome.above,
        "committed_changed": outcome.changed,
        "revised": outcome.revised,
        "failed": outcome.failed,
        "erasure": outcome.erasure,
        **_spread("first_word_s", outcome.first),
        **_spread("laal_s", outcome.laal),
        **_spread("commit_lag_s", outcome.lag),
        **_spread("final_s", outcome.final),
        **_spread("last_change_s", outcome.change),
        "engine_cpu_s": outcome.engine_cpu,
        "stream_cpu_s": outcome.stream_cpu,
        "encoded_s": outcome.encoded,
        "tokens": outcome.tokens,
        "windows": outcome.windows,
        "capped": outcome.capped,
        "short_context_retries": outcome.retries,
    }


def _spread(name: str, values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {
        f"{name}_mean": mean(values),
        **{f"{name}_p{at}": percentile(values, at) for at in (50, 95, 99)},
    }

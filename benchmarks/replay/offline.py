"""The same model on each whole recording, as faster-whisper runs it: the measure of word errors."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.policy.corpus import Recording
from benchmarks.wer import WordErrors


def offline(recordings: Sequence[Recording]) -> WordErrors:
    """Its errors in the recordings whose text is known; the demo model, greedy, 30 s windows."""
    from faster_whisper import WhisperModel  # noqa: PLC0415  only this measurement needs it

    from stt.engines.options import DEMO_MODEL  # noqa: PLC0415

    model = WhisperModel(str(DEMO_MODEL), device="cpu", compute_type="int8", cpu_threads=1)
    errors = WordErrors()
    for recording in recordings:
        if recording.text is not None:
            segments, _ = model.transcribe(
                recording.samples,
                language=recording.language,
                beam_size=1,
                condition_on_previous_text=False,
            )
            errors.add(recording.text, "".join(segment.text for segment in segments))
    return errors

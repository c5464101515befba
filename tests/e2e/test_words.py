"""Speech in, words out: the real service, the real model, real time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from faster_whisper import WhisperModel

from benchmarks.wer import WordErrors
from stt.audio.pcm import samples_to_pcm16
from tests.decoding import decode_file
from tests.live import ROOT, Hark, hark

AUDIO = ROOT / "tests" / "audio"
CLIPS: list[dict[str, Any]] = json.loads((AUDIO / "manifest.json").read_text())["files"]
FRAME = 3200  # bytes of 100 ms
KINDS = ("short", "digits", "pauses", "growing")

pytestmark = pytest.mark.timeout(240)


def pcm(name: str) -> bytes:
    """A clip as a client sends it."""
    samples = decode_file((AUDIO / name).read_bytes(), max_seconds=600)
    return samples_to_pcm16(samples)


def spoken(service: Hark, name: str, query: str = "") -> list[dict[str, Any]]:
    """Stream a clip in real time; every event, each with its arrival ``at`` in seconds."""
    audio = pcm(name)
    with service.connect(query) as stream, ThreadPoolExecutor(1) as reader:
        begun = time.monotonic()

        def listen() -> list[dict[str, Any]]:
            events = []
            while not events or not events[-1].get("is_final"):
                event = stream.until(lambda _: True)
                events.append(event | {"at": time.monotonic() - begun})
            return events

        listening = reader.submit(listen)
        stream.send(type="set_chunk", chunk_id=name)
        for sent in range(0, len(audio), FRAME):
            stream.audio(audio[sent : sent + FRAME])
            ahead = begun + (sent + FRAME) / 32_000 - time.monotonic()
            time.sleep(max(0.0, ahead))  # the pace of a microphone, which is what is tested
        stream.send(type="finalize_chunk")
        return listening.result(60)


def all_spoken(service: Hark, clips: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Several clips at once, each in a session of its own."""
    with ThreadPoolExecutor(len(clips)) as pool:
        names = [clip["file"] for clip in clips]
        queries = [f"?language={c['language']}" if c["language"] else "" for c in clips]
        return dict(
            zip(names, pool.map(spoken, [service] * len(clips), names, queries), strict=True)
        )


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    with hark(tmp_path_factory.mktemp("words")) as service:
        yield service


def offline(model: WhisperModel, name: str) -> str:
    """What the unmodified library makes of a clip."""
    segments, _ = model.transcribe(
        str(AUDIO / name), language="en", beam_size=1, condition_on_previous_text=False
    )
    return "".join(segment.text for segment in segments)


def test_streamed_english_is_as_good_as_offline(service: Hark) -> None:
    """Finals of streamed clips: a word error rate at most 2 points above the same model offline."""
    clips = [c for c in CLIPS if c["kind"] in KINDS and c["language"] == "en"]
    model = WhisperModel(str(ROOT / "models" / "demo"), compute_type="int8", cpu_threads=1)
    streamed, whole = WordErrors(), WordErrors()

    said = all_spoken(service, clips)

    for clip in clips:
        streamed.add(clip["text"], said[clip["file"]][-1]["text"])
        whole.add(clip["text"], offline(model, clip["file"]))
    assert streamed.rate <= whole.rate + 0.02, f"{streamed} against {whole}"
    for clip in clips:
        events = said[clip["file"]]
        committed = [e["text"] if e["is_final"] else e["committed"] for e in events]
        for before, after in pairwise(committed):
            assert after.startswith(before), "committed words changed (REC-21)"
        if clip["duration"] > 3:
            assert events[0]["at"] < clip["duration"], "no interim while it played"
    pauses = [e for e in said["en_pauses.flac"] if e.get("speech_final")]
    assert len(pauses) >= 3, "a final after each utterance"


def test_other_scripts_and_nothing_from_noise(service: Hark) -> None:
    """German, Spanish and Hindi come out in their script; silence and noise come out as nothing."""
    clips = [c for c in CLIPS if c["language"] in ("de", "es", "hi") and c["kind"] == "short"]
    quiet = [c for c in CLIPS if c["kind"] in ("silence", "noise")]

    said = all_spoken(service, clips + quiet)

    for clip in quiet:
        final = said[clip["file"]][-1]
        assert (final["text"], final["reason"] in ("silence", "filtered")) == ("", True), final
        assert [e for e in said[clip["file"]] if e.get("text")] == []
    for language, limit in (("de", 15.0), ("es", 25.0), ("hi", 15.0)):
        wer = WordErrors()
        for clip in clips:
            if clip["language"] == language:
                wer.add(clip["text"], said[clip["file"]][-1]["text"])
        assert 100 * wer.rate <= limit, f"{language}: {wer}"
    hindi = said["hi_short_01.flac"][-1]["text"]
    assert any("\u0900" <= letter <= "\u097f" for letter in hindi), hindi


def test_the_wer_tool_and_the_clips_agree() -> None:
    """The clips the figures are about are there, with their words."""
    assert sum(c["kind"] in KINDS and c["language"] == "en" for c in CLIPS) == 17
    assert all((AUDIO / c["file"]).exists() for c in CLIPS)
    assert Path(AUDIO / "manifest.json").stat().st_size > 0

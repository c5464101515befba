"""More speech than the machine can follow, on the real service (REC-73, REC-74)."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.sounds import FAST, b64, counted, say, voice
from tests.live import hark
from tests.sockets import Frames, until

SLOW = {"STT_FAKE_DELAY_MS": "700", "STT_NUM_WORKERS": "1", "STT_MAX_BATCH": "1"}
SESSIONS = 8


@pytest.mark.slow
def test_what_has_begun_goes_on_and_nothing_new_begins(tmp_path: Path) -> None:
    """Eight finals at once are 6 s of work: each is said, and others hear 503 and 429 till then."""
    with hark(tmp_path, **FAST, **SLOW) as service, ExitStack() as stack:
        streams = [
            stack.enter_context(service.connect(f"?tenant_id=t{number}"))
            for number in range(SESSIONS)
        ]
        for stream in streams:
            say(stream, "1", voice(2))
            stream.send(type="finalize_chunk")

        def refused() -> bool:
            with Frames(service.port, "/stt/stream") as peer:
                return peer.answer.status == 503 and "retry-after" in peer.answer.headers

        until(refused, 30)
        chunk = service.post("/transcribe", {"chunk_id": "1", "audio_b64": b64(voice(1))})
        assert (chunk.status, chunk.json["error"]) == (429, "queue_full")
        for stream in streams:
            assert stream.until(lambda e: e.get("is_final"))["text"] == counted(2)
        metrics = service.ask("GET", "/metrics").body.decode()
        assert 'hark_admissions_refused_total{what="session"}' in metrics
        assert 'hark_admissions_refused_total{what="chunk"} 1.0' in metrics

        until(lambda: not refused(), 30)

"""What a client was told survives: a final that arrived is read again after any end of the process.

Also its reverse: what ends the process on purpose first says, and stores, every final (native DM7,
W31; runtime section 11).
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websocket import WebSocketException

from tests.e2e.sounds import FAST, b64, counted, pinged, quiet, say, spoken, voice
from tests.live import Hark, Stream, hark
from tests.sockets import until

CLIENTS = 8


def dictate(service: Hark, tenant: str, enough: threading.Event) -> list[dict[str, Any]]:
    """Chunk after chunk until the service dies; every final that arrived."""
    finals: list[dict[str, Any]] = []
    try:
        with service.connect(f"?tenant_id={tenant}") as stream:
            while True:
                finals.append(spoken(stream, str(len(finals)), voice(1 + len(finals) % 3)))
                if len(finals) == 5:
                    enough.set()
    except (OSError, WebSocketException, AssertionError):  # the service is dead
        return finals


def test_finals_survive_kill_9(tmp_path: Path) -> None:
    """DM7: streams in full swing, kill -9, a new start: every final a client got is there."""
    with hark(tmp_path, **FAST) as service, ThreadPoolExecutor(CLIENTS) as pool:
        enough = [threading.Event() for _ in range(CLIENTS)]
        told = [pool.submit(dictate, service, f"t{n}", enough[n]) for n in range(CLIENTS)]
        for event in enough:
            assert event.wait(20)
        service.kill()
        finals = [future.result(20) for future in told]
    assert all(len(said) >= 5 for said in finals)

    with hark(tmp_path, **FAST) as service:
        for number, said in enumerate(finals):
            kept = service.get(f"/list_transcripts?tenant_id=t{number}")
            for final in said:
                assert kept[final["chunk_id"]] == {"transcript": final["text"]}, (number, final)
                assert final["text"] == counted(1 + int(final["chunk_id"]) % 3)


def test_an_endpoint_survives_kill_9(tmp_path: Path) -> None:
    """W32, DM7: what `speech_final` committed of an unfinished chunk is kept too."""
    with hark(tmp_path, **FAST) as service, ExitStack() as stack:
        stream = stack.enter_context(service.connect())
        say(stream, "1", voice(2) + quiet(1))
        told = stream.until(lambda e: e.get("speech_final"))
        service.kill()
    with hark(tmp_path, **FAST) as service:
        kept = service.get("/get_transcript?chunk_id=1")
    assert kept == {"chunk_id": "1", "transcript": told["text"]}


def test_a_posted_chunk_survives_kill_9(tmp_path: Path) -> None:
    """DM7: a transcript that could be read before the kill can be read after it; a pop stays."""
    with hark(tmp_path, **FAST) as service:
        for chunk_id in ("1", "2"):
            body = {"chunk_id": chunk_id, "audio_b64": b64(voice(2))}
            assert service.post("/transcribe", body).status == 200
        until(lambda: len(service.get("/list_transcripts")) == 2)
        assert service.get("/pop_first_transcript")["chunk_id"] == "1"
        service.kill()
    with hark(tmp_path, **FAST) as service:
        assert service.get("/list_transcripts") == {"2": {"transcript": counted(2)}}


def test_a_stop_says_and_stores_every_final(tmp_path: Path) -> None:
    """W31, F-19: SIGTERM in mid-utterance: told and stored, minted chunks too."""
    with hark(tmp_path, **FAST, STT_FAKE_DELAY_MS="100") as service, ExitStack() as stack:
        streams: list[Stream] = []
        for number in range(6):
            query = f"?tenant_id=t{number}" + ("&auto_chunk=1" if number % 2 else "")
            streams.append(stack.enter_context(service.connect(query)))
            if number % 2:
                streams[-1].audio(voice(2))
            else:
                say(streams[-1], "1", voice(2))
            pinged(streams[-1])
        service.terminate()
        finals = []
        for stream in streams:
            finals += [event for event in stream.to_the_end() if event.get("is_final")]
            assert stream.close_code == 1012
            stream.close()
        assert service.process.wait(10) == 0
    assert [final["text"] for final in finals] == [counted(2)] * 6
    with hark(tmp_path, **FAST) as service:
        for number, final in enumerate(finals):
            kept = service.get(f"/list_transcripts?tenant_id=t{number}")
            assert kept == {final["chunk_id"]: {"transcript": counted(2)}}


def test_posts_in_the_queue_at_a_stop_leave_nothing_half(tmp_path: Path) -> None:
    """AD8: a stop with snapshots waiting ends in time, and the store opens again and is whole."""
    slow = {"STT_FAKE_DELAY_MS": "300", "STT_NUM_WORKERS": "1", "STT_MAX_BATCH": "1"}
    with hark(tmp_path, **FAST, **slow) as service:
        for number in range(10):
            body = {"chunk_id": str(number), "audio_b64": b64(voice(1))}
            assert service.post("/transcribe", body).status == 200
        until(lambda: service.get("/list_transcripts"))
        before = service.get("/list_transcripts")
        service.terminate()
        assert service.process.wait(10) == 0
        assert "Traceback" not in service.log.read_text()
    with hark(tmp_path, **FAST) as service:
        kept = service.get("/list_transcripts")
    assert kept.items() >= before.items()
    assert all(entry == {"transcript": counted(1)} for entry in kept.values())


@pytest.mark.parametrize("signal", ["SIGINT", "SIGQUIT"])
def test_ctrl_c_says_every_final_too(tmp_path: Path, signal: str) -> None:
    """W31: ctrl-C in a terminal tells the clients before it ends."""
    import signal as signals

    with hark(tmp_path, **FAST) as service, service.connect() as stream:
        say(stream, "1", voice(2))
        pinged(stream)
        service.process.send_signal(getattr(signals, signal))
        rest = stream.to_the_end()
        assert [event["text"] for event in rest if event.get("is_final")] == [counted(2)]
        assert stream.close_code == 1012
        stream.close()
        service.process.wait(10)

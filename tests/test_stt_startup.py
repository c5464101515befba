"""What whoever starts the service reads (stt_startup.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from stt_startup import HERE, SAMPLE, startup_text

STATE = {"engine": "fake", "model": "demo", "model_origin": "bundled", "warning": None}


def test_its_lines_name_a_file_that_is_there(tmp_path: Path) -> None:
    """In a checkout the sample; where it was left out, as in the image, a file of one's own."""
    assert (HERE / SAMPLE).exists()
    assert f"curl -F file=@{SAMPLE} http://127.0.0.1:5055/transcribe" in startup_text(
        STATE, "127.0.0.1", 5055
    )
    elsewhere = startup_text(STATE, "127.0.0.1", 5055, folder=tmp_path)
    assert "curl -F file=@speech.wav http://127.0.0.1:5055/transcribe" in elsewhere
    assert ".venv/bin/python -m stt_client --url http://127.0.0.1:5055 speech.wav" in elsewhere


@pytest.mark.parametrize(
    ("host", "shown"),
    [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "[::1]"), ("box.lan", "box.lan")],
)
def test_addresses_can_be_clicked(host: str, shown: str) -> None:
    """What listens everywhere is reached on loopback; IPv6 is in brackets."""
    assert f"  page     http://{shown}:5055/" in startup_text(STATE, host, 5055)


def test_with_keys_its_lines_carry_one() -> None:
    """Where keys are on no line works without one; a log shows where it goes, and never a key."""
    text = startup_text(STATE, "127.0.0.1", 5055, keys=True)

    assert "curl -H 'Authorization: Bearer YOUR_KEY' -F file=" in text
    assert "--url http://127.0.0.1:5055 --key YOUR_KEY " in text
    assert "YOUR_KEY" not in startup_text(STATE, "127.0.0.1", 5055)


def test_a_warning_is_loud() -> None:
    """Such as that the demo model runs (U10)."""
    assert "!!!!\nTHE DEMO" in startup_text(STATE | {"warning": "THE DEMO"}, "127.0.0.1", 1)

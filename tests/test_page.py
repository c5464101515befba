"""Tests of the start page."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask

from api import page
from api.gate import SECURITY, install_gate

STATE = {
    "model": "models/demo",
    "model_origin": "bundled with Hark",
    "warning": "This is the <demo> model: it knows few words.",
    "sessions": 0,
}


def fetch(
    state: dict[str, Any] | None = None, reason: str | None = None, *, keys: bool = False
) -> str:
    """The HTML of the page, asked for at hark.example."""
    app = Flask("hark")
    install_gate(
        app, allowed_origins=(), capacity=lambda: True, most_sockets=1, max_body_bytes=1000
    )
    door = page.blueprint(state=lambda: state or STATE, ready=lambda: reason, keys_required=keys)
    app.register_blueprint(door)
    answer = app.test_client().get("/", base_url="https://hark.example:5055")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert answer.headers["Content-Security-Policy"] == SECURITY
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.text


def test_it_says_what_runs() -> None:
    """Model, where it came from, and the warning of the demo model, escaped."""
    html = fetch()

    assert "models/demo" in html
    assert "bundled with Hark" in html
    assert "This is the &lt;demo&gt; model: it knows few words." in html
    assert "<dd>0</dd>" in html
    assert "Ready." in html


def test_without_a_warning_there_is_no_box() -> None:
    """No empty notice, no row without a value."""
    html = fetch({"model": "large-v3", "model_origin": "", "warning": None})

    assert 'class="warning"' not in html
    assert "Where it came from" not in html


def test_it_says_why_it_is_not_ready() -> None:
    """The reason stands on the page."""
    assert "Not ready: the model is loading" in fetch(reason="the model is loading")


def test_its_lines_name_this_server() -> None:
    """All lines work as printed, at the address that was asked; other software needs it alone."""
    html = fetch()

    assert "curl -F file=@speech.wav https://hark.example:5055/transcribe" in html
    assert ".venv/bin/python -m stt_client mic --url https://hark.example:5055" in html
    assert "wss://hark.example:5055/stt/stream" in html
    assert "base URL: https://hark.example:5055/v1" in html
    assert "<pre>https://hark.example:5055\nwss://hark.example:5055</pre>" in html


def test_with_keys_its_lines_carry_one() -> None:
    """Where keys are on, the lines say where the key goes, and no link leads to a 401."""
    assert "Authorization: Bearer YOUR_KEY" in fetch(keys=True).replace("&#x27;", "'")
    assert 'href="/list_transcripts"' not in fetch(keys=True)
    assert 'href="/list_transcripts"' in fetch()


def test_it_loads_nothing() -> None:
    """No script, no image, no address elsewhere: it works offline."""
    html = fetch()

    assert not re.search(r"<(script|img|link|iframe)|url\(|@import", html)
    assert set(re.findall(r'href="([^"]*)"', html)) == {path for path, _ in page.NEXT}

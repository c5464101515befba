"""Tests of the start page."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from flask import Flask

from api import page
from api.gate import install_gate

HERE = "https://hark.example:5055"

STATE = {
    "model": "models/demo",
    "model_origin": "demo",
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
    assert answer.headers["Content-Security-Policy"] == page.POLICY
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.text


def test_it_says_what_runs() -> None:
    """Model, where it came from, and the warning of the demo model, escaped."""
    html = fetch()

    assert "models/demo" in html
    assert "this repository: a small model" in html
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
    assert f"make wyoming ARGS=&#34;--url {HERE} --uri" in html
    assert "base URL: https://hark.example:5055/v1" in html
    assert ">https://hark.example:5055\nwss://hark.example:5055</pre>" in html


def test_with_keys_its_lines_carry_one() -> None:
    """Where keys are on, the lines say where the key goes, and no link leads to a 401."""
    assert "Authorization: Bearer YOUR_KEY" in fetch(keys=True).replace("&#39;", "'")
    assert f".venv/bin/python -m stt_client mic --url {HERE} --key YOUR_KEY" in fetch(keys=True)
    assert f"--url {HERE} --key YOUR_KEY --uri" in fetch(keys=True)
    assert "/stt/stream?ticket=TICKET" in fetch(keys=True)
    for link in page.WITH_KEY:
        assert f'href="{link}"' not in fetch(keys=True)
        assert f'href="{link}"' in fetch()


def test_it_loads_nothing() -> None:
    """No image, no address elsewhere: it works offline."""
    html = fetch()

    assert not re.search(r"<(img|iframe)|url\(|@import|src=", html)
    links = set(re.findall(r'href="([^"]*)"', html))
    assert {link for link in links if not link.startswith("data:")} == {p for p, _ in page.NEXT}


def test_no_script_runs_but_its_own() -> None:
    """The policy names the one script of the page by its hash, and whom it may speak to: us."""
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>", fetch(), re.DOTALL)

    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

    policy = dict(rule.split(" ", 1) for rule in page.POLICY.split("; "))
    assert policy["script-src"] == f"'sha256-{digest}'"
    assert policy["connect-src"] == "'self'"
    assert policy["default-src"] == "'none'"


def test_a_key_is_asked_for_where_one_is_needed() -> None:
    """The microphone's ticket costs a key; without keys there is no field for one."""
    assert 'id="key"' in fetch(keys=True)
    assert 'id="key"' not in fetch().partition("<script")[0]

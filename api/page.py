"""The page at `/`: speak into it, what runs here, how to try it in one line, where to go next.

Nothing comes from anywhere else, so it works offline. Its one script stands in it, and the policy
names that script by its hash: no other runs. Without scripts all but the microphone is there.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from flask import Blueprint, Response, render_template, request
from markupsafe import Markup

SCRIPT = (Path(__file__).parent / "templates" / "speak.js").read_text(encoding="utf-8")
HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    f"script-src 'sha256-{HASH}'; connect-src 'self'"
)
"""What the gate says of every page, and this page's own script, which speaks to us alone."""
LABELS = {
    "model": "Model",
    "model_origin": "Where it came from",
    "engine": "Engine",
    "sessions": "Live sessions",
}
ORIGINS = {
    "demo": "this repository: a small model to try things with",
    "folder": "a folder of this machine, named by STT_MODEL",
    "cache": "the local cache of the Hugging Face hub",
    "hub": "the Hugging Face hub",
}
"""What `model_origin` means."""
CLIENT = ".venv/bin/python -m stt_client"
WITH_KEY = ("/list_transcripts", "/metrics")
"""Links that need a key, which a link does not carry, where keys are on."""
NEXT = (
    ("/docs", "every endpoint and message, with fields and examples"),
    ("/openapi.yaml", "HTTP, for machines"),
    ("/asyncapi.yaml", "the WebSockets, for machines"),
    ("/list_transcripts", "the transcripts of the default tenant"),
    ("/healthz", "what runs, as JSON"),
    ("/readyz", "whether it takes new sessions"),
    ("/metrics", "what it measures, for Prometheus"),
)


def blueprint(
    *,
    state: Callable[[], Mapping[str, object]],
    ready: Callable[[], str | None],
    keys_required: bool,
) -> Blueprint:
    """The route GET /.

    Args:
        state: what `/healthz` says: model, model_origin, warning, sessions and so on.
        ready: None, or why no new session is taken now.
        keys_required: whether the lines to try need an API key.
    """
    door = Blueprint("page", __name__, template_folder="templates")

    @door.get("/")
    def start() -> Response:
        said, reason = state(), ready()
        text = render_template(
            "start.html",
            facts=_facts(said),
            keys_required=keys_required,
            next=[row for row in NEXT if not (keys_required and row[0] in WITH_KEY)],
            script=Markup(SCRIPT),  # ours, and a script's text is no markup
            status="Ready." if reason is None else f"Not ready: {reason}",
            tries=_tries(request.host_url.rstrip("/"), keys_required).items(),
            warning=said.get("warning"),
        )
        response = Response(text, content_type="text/html; charset=utf-8")
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Security-Policy"] = POLICY
        return response

    return door


def _facts(state: Mapping[str, object]) -> list[tuple[str, str]]:
    """Name and value of what runs; what is not known has no row."""
    known = {key: str(state[key]) for key in LABELS if state.get(key) not in (None, "")}
    if origin := known.get("model_origin"):
        known["model_origin"] = ORIGINS.get(origin, origin)
    return [(LABELS[key], value) for key, value in known.items()]


def _tries(base: str, keys_required: bool) -> dict[str, str]:
    """The lines to try; they work as printed where no proxy changes the address."""
    key = " -H 'Authorization: Bearer YOUR_KEY'" if keys_required else ""
    option = " --key YOUR_KEY" if keys_required else ""
    spoken = f"{base}/v1\nAPI key: " + ("YOUR_KEY" if keys_required else "any text")
    ws = f"ws{base.removeprefix('http')}"
    live = f"{ws}/stt/stream"
    if keys_required:
        live += (
            "\nAuthorization: Bearer YOUR_KEY"
            f"\n\n{live}?ticket=TICKET"
            "\nin a browser; its server asks for the ticket: POST /stt/ticket with the key"
        )
    return {
        "Transcribe a file": f"curl{key} -F file=@speech.wav {base}/transcribe",
        "The same as subtitles": (
            f"curl{key} -F file=@speech.wav -F response_format=srt {base}/transcribe"
        ),
        "From the command line, in Hark's folder": (
            f"{CLIENT} speech.wav --url {base}{option}\n{CLIENT} mic --url {base}{option}"
        ),
        "Live, from your own program": live,
        "From software that speaks to OpenAI": f"base URL: {spoken}",
        "From software that speaks to Deepgram": f"{base}\n{ws}",
        "From Home Assistant, in Hark's folder": (
            f'make wyoming ARGS="--url {base}{option} --uri tcp://0.0.0.0:10300"'
        ),
    }

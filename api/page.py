"""The page at `/`: what runs here, how to try it in one line, where to go next.

Plain HTML without scripts and without anything from elsewhere, so it works offline and in any
browser. It shows no transcript.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

from flask import Blueprint, Response, request

STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5b6474; --line: #d9dde5;
  --paper: #fbfbfd; --box: #f0f2f7; --warn: #fff4d6; --accent: #175cd3 }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ee; --soft: #9aa4b5; --line: #333b4a;
  --paper: #12151c; --box: #1a1f2a; --warn: #3d3212; --accent: #84adff } }
body { font: 17px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 46rem; margin: 3rem auto; padding: 0 1.2rem }
h1 { font-size: 2.4rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
.lead { color: var(--soft); margin-top: .2rem } a { color: var(--accent) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem; margin: 0 }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
pre { background: var(--box); border: 1px solid var(--line); border-radius: 8px; overflow-x: auto;
  padding: .8rem 1rem; font: 14px/1.5 ui-monospace, monospace }
.warning { background: var(--warn); border-radius: 8px; padding: .8rem 1rem; margin: 1.5rem 0 }
"""
LABELS = {
    "model": "Model",
    "model_origin": "Where it came from",
    "engine": "Engine",
    "sessions": "Live sessions",
}
CLIENT = ".venv/bin/python -m stt_client"
TRANSCRIPTS = "/list_transcripts"
NEXT = (
    ("/docs", "every endpoint and message, with fields and examples"),
    ("/openapi.yaml", "HTTP, for machines"),
    ("/asyncapi.yaml", "the WebSockets, for machines"),
    (TRANSCRIPTS, "the transcripts of the default tenant"),
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
    door = Blueprint("page", __name__)

    @door.get("/")
    def start() -> Response:
        text = _page(state(), ready(), request.host_url.rstrip("/"), keys_required)
        response = Response(text, content_type="text/html; charset=utf-8")
        response.headers["Cache-Control"] = "no-store"
        return response

    return door


def _page(state: Mapping[str, object], reason: str | None, base: str, keys_required: bool) -> str:
    facts = "".join(
        f"<dt>{label}</dt><dd>{escape(str(state[key]))}</dd>"
        for key, label in LABELS.items()
        if state.get(key) not in (None, "")
    )
    status = "Ready." if reason is None else f"Not ready: {escape(reason)}"
    warning = state.get("warning")
    notice = f'<p class="warning">{escape(str(warning))}</p>' if warning else ""
    links = "".join(
        f'<dt><a href="{path}">{path}</a></dt><dd>{text}</dd>'
        for path, text in NEXT
        if not (keys_required and path == TRANSCRIPTS)  # a link carries no key
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Hark</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style></head><body>\n"
        '<h1>Hark</h1>\n<p class="lead">Live speech-to-text over HTTP and WebSocket.</p>\n'
        f"{notice}\n<h2>What runs here</h2>\n<dl><dt>Status</dt><dd>{status}</dd>{facts}</dl>\n"
        f"{_trying(base, keys_required)}"
        f"<h2>Where to go next</h2>\n<dl>{links}</dl>\n</body></html>\n"
    )


def _trying(base: str, keys_required: bool) -> str:
    """The lines to try; they work as printed where no proxy changes the address."""
    key = " -H 'Authorization: Bearer YOUR_KEY'" if keys_required else ""
    stream = f"ws{base.removeprefix('http')}/stt/stream"
    lines = {
        "Transcribe a file": f"curl{key} -F file=@speech.wav {base}/transcribe",
        "The same as subtitles": (
            f"curl{key} -F file=@speech.wav -F response_format=srt {base}/transcribe"
        ),
        "From the command line, in Hark's folder": (
            f"{CLIENT} speech.wav --url {base}\n{CLIENT} mic --url {base}"
        ),
        "Live, from your own program": stream,
        "From software that speaks to OpenAI": f"base URL: {base}/v1",
        "From software that speaks to Deepgram": f"{base}\nws{base.removeprefix('http')}",
    }
    return "".join(
        f"<h2>{title}</h2>\n<pre>{escape(line)}</pre>\n" for title, line in lines.items()
    )

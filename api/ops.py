"""What operators and machines ask: is it alive, is it ready, what does it measure, what can it do.

Health, metrics, the OpenAPI document with a page to read it by, and tickets for WebSocket URLs.
Says nothing about any transcript.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

from flask import Blueprint, Response

from stt.auth import TICKET_SECONDS, Authenticator, Principal, Whom
from stt.ids import DEFAULT_TENANT

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus text format
YAML_TYPE = "application/yaml"  # RFC 9512

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem;
  color: #1c2330; background: #fbfbfd; }
h1 { margin-bottom: .2rem } h2 { margin-top: 2rem; border-bottom: 1px solid #d9dde5 }
code, .method { font-family: ui-monospace, monospace }
details { border: 1px solid #d9dde5; border-radius: 6px; margin: .4rem 0; background: #fff }
summary { padding: .5rem .8rem; cursor: pointer } details > div { padding: 0 .8rem .6rem }
.method { display: inline-block; min-width: 4.2rem; font-weight: 700; color: #175cd3 }
.DELETE { color: #b42318 } .POST { color: #067647 } td, th { text-align: left; padding-right: 1rem;
  vertical-align: top } @media (prefers-color-scheme: dark) { body { color: #e4e7ee;
  background: #12151c } details { background: #1a1f2a; border-color: #333b4a } }
"""


def blueprint(
    *,
    state: Callable[[], Mapping[str, object]],
    ready: Callable[[], str | None],
    metrics_text: Callable[[], bytes],
    openapi_yaml: str,
    openapi_json: str,
    auth: Authenticator,
    whom: Whom,
) -> Blueprint:
    """The routes for operators.

    Args:
        state: what `/healthz` adds: model, model_origin, warning, sessions and so on.
        ready: None, or why no new session is taken now.
        metrics_text: the metrics in Prometheus' text format.
        openapi_yaml: the hand-kept document, served as it is.
        openapi_json: the same as JSON; the page at /swagger is made of it.
        auth: issues tickets.
        whom: the principal of the current request.
    """
    door = Blueprint("ops", __name__)
    page = docs_page(json.loads(openapi_json))

    @door.get("/healthz")
    def healthz() -> Response:
        """Alive: 200 as long as the process answers, also while the model loads (B23, RT-112)."""
        return _json({"status": "ok", **state()})

    @door.get("/readyz")
    def readyz() -> Response:
        """Ready for new sessions: 200, or 503 and why (RT-88, RT-112)."""
        reason = ready()
        if reason is None:
            return _json({"status": "ready"})
        return _json({"status": "not ready", "reason": reason}, 503)

    @door.get("/metrics")
    def metrics() -> Response:
        return _fresh(Response(metrics_text(), content_type=METRICS_TYPE))

    @door.get("/openapi.yaml")
    def as_yaml() -> Response:
        return _fresh(Response(openapi_yaml, content_type=YAML_TYPE))

    @door.get("/openapi.json")
    def as_json() -> Response:
        return _fresh(Response(openapi_json, content_type="application/json"))

    @door.get("/swagger")
    @door.get("/docs", endpoint="docs")
    def swagger() -> Response:
        """A known client's first step needs 200 here (HT8)."""
        return _fresh(Response(page, content_type="text/html; charset=utf-8"))

    @door.post("/stt/ticket")
    def ticket() -> Response:
        """A single-use ticket for ``/stt/stream?ticket=`` (W30); without keys nobody needs one."""
        principal = whom() or Principal(DEFAULT_TENANT)
        return _json({"ticket": auth.issue_ticket(principal), "expires_in": TICKET_SECONDS})

    return door


def docs_page(document: Mapping[str, Any]) -> str:
    """The OpenAPI document as one HTML page that needs nothing else."""
    info = document["info"]
    operations: dict[str, list[str]] = {}
    for path, method, operation in _operations(document):
        tag = operation.get("tags", ["other"])[0]
        operations.setdefault(tag, []).append(_operation(path, method, operation))
    sections = "".join(
        f"<h2>{escape(tag)}</h2>\n{''.join(items)}" for tag, items in operations.items()
    )
    title = escape(f"{info['title']} {info['version']}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
        f"<p>{escape(info.get('description', ''))}</p>\n"
        '<p>The document itself: <a href="/openapi.yaml">openapi.yaml</a>, '
        '<a href="/openapi.json">openapi.json</a>. <a href="/">Start page</a>.</p>\n'
        f"{sections}</body></html>\n"
    )


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    shared = document.get("components", {}).get("parameters", {})
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parameters = [
                shared[item["$ref"].rpartition("/")[2]] if "$ref" in item else item
                for item in operation.get("parameters", [])
            ]
            yield path, method.upper(), {**operation, "parameters": parameters}


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(item['name'])}</code></td><td>{escape(item['in'])}</td>"
        f"<td>{escape(item.get('description', ''))}</td></tr>"
        for item in operation["parameters"]
    )
    answers = "".join(
        f"<tr><td><code>{escape(status)}</code></td><td></td>"
        f"<td>{escape(answer.get('description', ''))}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    return (
        f'<details><summary><span class="method {method}">{method}</span> '
        f"<code>{escape(path)}</code> {escape(operation.get('summary', ''))}</summary>"
        f"<div><p>{escape(operation.get('description', ''))}</p>"
        f"<table>{parameters}{answers}</table></div></details>\n"
    )


def _json(body: Mapping[str, object], status: int = 200) -> Response:
    return _fresh(Response(json.dumps(body), status, content_type="application/json"))


def _fresh(response: Response) -> Response:
    """Not to be kept by any cache (HT5)."""
    response.headers["Cache-Control"] = "no-store"
    return response

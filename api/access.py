"""Who makes a request: asked once, at the gate, and known to every door behind it.

Translates what HTTP carries (headers, subprotocols, the query) for `stt.auth`, which decides.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Request, Response, g, request

from stt.auth import Authenticator, Principal
from stt.errors import Forbidden

OPEN_PATHS = frozenset(
    (
        "/", "/healthz", "/readyz", "/docs", "/docs/", "/swagger", "/swagger/",
        "/openapi.json", "/openapi.yaml", "/asyncapi.json", "/asyncapi.yaml",
    )
)  # fmt: skip
"""What needs no key: it tells nobody's words."""


KEY_HEADERS = ("X-API-Key", "api-key")  # the second is Azure's (client RH2)
SECRET_PATHS = frozenset(("/v1/realtime",))
"""What a client secret opens. It is in the hands of whoever opened a web page, who may speak and
hear their own words: not read a tenant's transcripts, subscribe to them, send files or issue more.
"""


def asking(auth: Authenticator) -> Callable[[Request], None]:
    """What the gate asks of each request; it raises Unauthorized, or Forbidden.

    Leaves the principal, for `whom` and for the WebSocket door, in ``flask.g``. The query counts on
    WebSocket routes alone, where browsers can set no header (native W30, runtime RT-55, client
    RH2).
    """

    def ask(asked: Request) -> None:
        if asked.path in OPEN_PATHS:
            return
        query = asked.args if _is_handshake(asked) else {}
        offered = asked.headers.get("Sec-WebSocket-Protocol", "")
        headers = (asked.headers.get(name) for name in KEY_HEADERS)
        principal = auth.identify(
            authorization=asked.headers.get("Authorization"),
            api_key=next((key for key in (*headers, query.get("api_key")) if key), None),
            subprotocols=[name.strip() for name in offered.split(",")],
            ticket=query.get("ticket"),
        )
        g.principal = _within_reach(principal, asked.path, auth.required)

    return ask


def _within_reach(principal: Principal | None, path: str, required: bool) -> Principal | None:
    """Who it is for this path: a client secret opens few, and none more where all are open."""
    if principal is None or principal.session is None or path in SECRET_PATHS:
        return principal
    if required:
        raise Forbidden(f"a client secret opens {', '.join(sorted(SECRET_PATHS))} alone")
    return None


def whom() -> Principal | None:
    """The principal of the current request; None where no keys are set."""
    principal: Principal | None = g.get("principal") if request else None
    return principal


def count_refusals(app: Flask, count: Callable[[str], None]) -> None:
    """Have ``count`` called with the error code of each WebSocket handshake the gate refuses.

    With the status, where the error has no code of ours.
    """

    @app.after_request
    def _count(response: Response) -> Response:
        if _is_handshake(request) and response.status_code >= 400:
            count(g.get("error_code") or str(response.status_code))
        return response


def _is_handshake(asked: Request) -> bool:
    rule = asked.url_rule
    return rule is not None and bool(rule.websocket)

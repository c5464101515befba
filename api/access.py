"""Who makes a request: asked once, at the gate, and known to every door behind it.

Translates what HTTP carries (headers, subprotocols, tickets) for `stt.auth`, which decides.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Request, Response, g, request

from stt.auth import Authenticator, Principal

OPEN_PATHS = frozenset(
    ("/", "/healthz", "/readyz", "/openapi.json", "/openapi.yaml", "/docs", "/swagger")
)
"""What needs no key: it tells nobody's words."""


def asking(auth: Authenticator) -> Callable[[Request], None]:
    """What the gate asks of each request; it raises Unauthorized.

    Leaves the principal, for `whom` and for the WebSocket door, in ``flask.g``. A ticket counts on
    WebSocket routes alone, which is where one is needed (native W30, runtime RT-55).
    """

    def ask(asked: Request) -> None:
        if asked.path in OPEN_PATHS:
            return
        offered = asked.headers.get("Sec-WebSocket-Protocol", "")
        g.principal = auth.identify(
            authorization=asked.headers.get("Authorization"),
            subprotocols=[name.strip() for name in offered.split(",")],
            ticket=asked.args.get("ticket") if _is_handshake(asked) else None,
        )

    return ask


def whom() -> Principal | None:
    """The principal of the current request; None where no keys are set."""
    principal: Principal | None = g.get("principal") if request else None
    return principal


def count_refusals(app: Flask, count: Callable[[str], None]) -> None:
    """Have ``count`` called with the error code of each WebSocket handshake the gate refuses."""

    @app.after_request
    def _count(response: Response) -> Response:
        if _is_handshake(request) and response.status_code >= 400 and response.is_json:
            count(str(response.get_json()["code"]))
        return response


def _is_handshake(asked: Request) -> bool:
    rule = asked.url_rule
    return rule is not None and bool(rule.websocket)

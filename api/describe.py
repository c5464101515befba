"""What the API says of itself: both documents for machines, and one page for people.

The page is written from the documents, in one piece: no script, nothing from anywhere else, so it
works offline and under the Content-Security-Policy of the gate. Knows nothing about speech.
"""

from __future__ import annotations

import json
from functools import lru_cache

import yaml
from flask import Blueprint, Response, render_template, request

from stt.manual import manual

YAML_TYPE = "application/yaml"  # RFC 9512
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C, where PyYAML was built with it: 0.08 s of the start instead of 0.4 s."""
ADDRESSES = 8  # that the service is called by; the page is kept for each


def blueprint(openapi_yaml: str, asyncapi_yaml: str, *, keys_required: bool = False) -> Blueprint:
    """The routes of the documents and of the page, at /docs and at /swagger.

    The documents are those at the root of the project, served as they are kept. The requests to
    copy carry a key where one is required.
    """
    door = Blueprint("describe", __name__, template_folder="templates")
    openapi, asyncapi = (yaml.load(text, LOADER) for text in (openapi_yaml, asyncapi_yaml))

    @lru_cache(ADDRESSES)
    def page(base: str) -> str:
        """Written when somebody asks first at this address; any thread may."""
        said = manual(openapi, asyncapi, base=base, keys=keys_required)
        return render_template("docs.html", manual=said)

    def serve(path: str, body: str, content_type: str) -> None:
        door.add_url_rule(
            path,
            path.replace(".", "_").strip("/"),
            lambda: _fresh(Response(body, content_type=content_type)),
        )

    serve("/openapi.yaml", openapi_yaml, YAML_TYPE)
    serve("/asyncapi.yaml", asyncapi_yaml, YAML_TYPE)
    serve("/openapi.json", f"{json.dumps(openapi)}\n", "application/json")
    serve("/asyncapi.json", f"{json.dumps(asyncapi)}\n", "application/json")

    @door.get("/swagger", strict_slashes=False)
    @door.get("/docs", endpoint="docs", strict_slashes=False)
    def swagger() -> Response:
        """A known client's first step needs 200 here (HT8)."""
        base = request.host_url.rstrip("/")
        return _fresh(Response(page(base), content_type="text/html; charset=utf-8"))

    return door


def _fresh(response: Response) -> Response:
    """Not to be kept by any cache (HT5): the next start may say something else."""
    response.headers["Cache-Control"] = "no-store"
    return response

"""Tests of the documents as they are served, and of the page that is written from them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient

from api import describe
from api.access import OPEN_PATHS
from api.gate import install_gate
from tests.described import ASYNCAPI, OPENAPI, ROOT, every_message

TEXTS = {
    "openapi": (ROOT / "openapi.yaml").read_text(encoding="utf-8"),
    "asyncapi": (ROOT / "asyncapi.yaml").read_text(encoding="utf-8"),
}
PAGES = ("/docs", "/swagger", "/docs/", "/swagger/")
PATHS = (*PAGES, *(f"/{name}.{form}" for name in TEXTS for form in ("yaml", "json")))
LOADED = ("src", "srcset", "data", "poster", "background", "action")
"""Attributes by which a page takes something from elsewhere, or sends it there."""


def client(openapi: str = TEXTS["openapi"], asyncapi: str = TEXTS["asyncapi"]) -> FlaskClient:
    """Of an app that has only this door, behind the gate."""
    app = Flask("hark")
    install_gate(
        app, allowed_origins=(), capacity=lambda: True, most_sockets=1, max_body_bytes=1000
    )
    app.register_blueprint(describe.blueprint(openapi, asyncapi))
    return app.test_client()


class Page(HTMLParser):
    """Text of a page, its links and targets, and what it would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "link" and (dict(attrs).get("href") or "").startswith("data:"):
            return  # the icon is in the page
        if tag in ("script", "link", "img", "iframe", "form", "object", "embed"):
            self.loads.append(tag)
        for name, value in attrs:
            if name in LOADED or name.startswith("on"):
                self.loads.append(f"{tag} {name}")
            if name == "href":
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")


@pytest.fixture(name="page", scope="module")
def _page() -> Page:
    return Page(client().get("/docs").text)


@pytest.mark.parametrize("name", TEXTS)
def test_a_document_is_served_in_both_forms(name: str) -> None:
    """YAML as it is kept, and the same as JSON (native HT8)."""
    http = client()

    as_yaml, as_json = http.get(f"/{name}.yaml"), http.get(f"/{name}.json")

    assert as_yaml.text == TEXTS[name]
    assert as_yaml.content_type == "application/yaml"
    assert as_json.get_json() == yaml.safe_load(TEXTS[name])
    assert as_yaml.headers["Cache-Control"] == as_json.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
def test_the_page_works_offline(path: str) -> None:
    """200 for a known client's first step; nothing is loaded, and no script runs (native HT8)."""
    answer = client().get(path)

    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert Page(answer.text).loads == []
    assert not re.search(r"url\(|@import", answer.text)


def test_every_path_of_this_door_is_open() -> None:
    """What the API says of itself needs no key: it tells nobody's words."""
    assert set(PATHS) <= OPEN_PATHS


def test_the_page_shows_every_operation(page: Page) -> None:
    """Each method of each path, with its title and the description of each answer."""
    shown = " ".join(page.text.split())

    for path, methods in OPENAPI["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path} {operation['summary']}" in shown


def test_the_page_shows_the_fields_of_every_body(page: Page) -> None:
    """What may be sent stands where it is sent, not behind a link."""
    uploads = [
        path
        for path, methods in OPENAPI["paths"].items()
        if "multipart/form-data"
        in methods.get("post", {}).get("requestBody", {}).get("content", {})
    ]

    assert uploads
    assert page.text.count("timestamp_granularities[]") > len(uploads)


def test_the_page_shows_every_message_and_close_code(page: Page) -> None:
    """Each WebSocket with its messages, their fields and examples, its query and its ends."""
    shown = " ".join(page.text.split())

    for channel in ASYNCAPI["channels"].values():
        assert f"WS {channel['address']} {channel['title']}" in shown
        assert all(text in shown for text in channel["x-close-codes"].values())
        assert all(name in shown for name in channel["bindings"]["ws"]["query"]["properties"])
    for _, item in every_message():
        assert f"{item.message['title']} {item.message['summary']}" in shown


def test_the_page_shows_no_marks(page: Page) -> None:
    """Descriptions are plain text: nothing here reads Markdown."""
    assert not re.search(r"`|\*\*|\]\(", page.text)


def test_every_link_of_the_page_leads_somewhere(page: Page) -> None:
    """To a place on the page that is there once, or to a path of the service."""
    inside = {link[1:] for link in page.links if link.startswith("#")}

    assert len(page.ids) == len(set(page.ids))
    assert inside <= set(page.ids)
    assert {link for link in page.links if link[0] != "#"} <= OPEN_PATHS


def test_what_the_documents_say_is_escaped() -> None:
    """Text of a document is text, never markup."""
    openapi = """{info: {title: <b>, version: '1', description: <s>}, paths: {/<u>: {get: {
        summary: <i>&, responses: {'200': {description: <em>}}}}}}"""

    text = client(openapi, "{channels: {}, operations: {}}").get("/docs").text

    for tag in ("<b>", "<s>", "<u>", "<i>", "<em>"):
        assert tag not in text
        assert tag.replace("<", "&lt;").replace(">", "&gt;") in text

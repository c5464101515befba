"""The services that the clients of these tests talk to."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests_clients.service import COUNTING, KEY, Service, service

for name in [name for name in os.environ if name.startswith(("OPENAI_", "DEEPGRAM_"))]:
    del os.environ[name]  # what a client is told by its lines is all that it knows


@pytest.fixture(name="hark", scope="session")
def _hark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The demo model, for words; open to anybody."""
    with service(tmp_path_factory.mktemp("hark")) as running:
        yield running


@pytest.fixture(name="counting", scope="session")
def _counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The engine that counts half seconds, for the protocols; open to anybody."""
    with service(tmp_path_factory.mktemp("counting"), **COUNTING) as running:
        yield running


@pytest.fixture(name="locked", scope="session")
def _locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The same behind the key that the lines of docs/clients.md have."""
    keys = {"STT_API_KEYS": f"{KEY}:0000"}
    with service(tmp_path_factory.mktemp("locked"), **COUNTING, **keys) as running:
        yield running

"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from stt_client.client import KEY_NAME, URL_NAMES
from stt_config import NOT_BUILT, table

SETTINGS = {name for setting in table().values() for name in (setting.name, *setting.aliases)}


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_developer() -> Iterator[None]:
    """The tests see the defaults, whatever the shell that runs them has set."""
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS.union(NOT_BUILT, URL_NAMES, {KEY_NAME}) & os.environ.keys():
            patch.delenv(name)
        yield

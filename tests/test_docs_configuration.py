"""The page on configuration and the table in the code say the same (AG2)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stt_client.client import DEFAULT_URL, KEY_NAME, URL_NAMES
from stt_config import NOT_BUILT, Setting, table

PAGE = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text()
HEADING = re.compile(r"^### (\S+)\n", re.MULTILINE)
SETTINGS = list(table().values())


def section(name: str) -> str:
    """What the page says below the heading of a setting."""
    return re.split(r"^##+ ", PAGE.split(f"### {name}\n")[1], flags=re.MULTILINE)[0]


def listed(name: str, label: str) -> str | None:
    """The value of a list item such as ``- Default: ...``."""
    found = re.search(rf"^- {label}: (.*)$", section(name), re.MULTILINE)
    return found and found[1]


def test_every_setting_has_a_heading_and_every_heading_a_setting() -> None:
    """The same names in the same order."""
    assert HEADING.findall(PAGE) == [setting.name for setting in SETTINGS]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_the_page_has_the_row_of_the_table(setting: Setting) -> None:
    """Default, allowed values, older names and help are those of the code."""
    aliases = ", ".join(f"`{alias}`" for alias in setting.aliases) or None

    assert (listed(setting.name, "Default") or "").strip("`") == setting.default_text
    assert listed(setting.name, "Allowed") == setting.allowed
    assert listed(setting.name, "Older names") == aliases
    assert " ".join(section(setting.name).split()).startswith(setting.help)


def test_refused_names_are_on_the_page() -> None:
    """Who set one of them can read why the service does not start."""
    assert all(f"`{name}`" in PAGE for name in NOT_BUILT)


def test_the_clients_variables_are_on_the_page() -> None:
    """The client's variables and its default address are documented where all others are."""
    assert all(f"`{name}`" in PAGE for name in (*URL_NAMES, KEY_NAME))
    assert f"`{DEFAULT_URL}`" in PAGE

"""The page docs/metrics.md is held to the code."""

from __future__ import annotations

import re
from pathlib import Path

from stt.metrics import METRICS

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"


def rows() -> dict[str, tuple[str, str, str]]:
    """The table of the page: name -> type, labels, meaning."""
    table = re.findall(r"^\| `(hark_\w+)` \| (\w+) \| (.*?) \| (.+) \|$", PAGE.read_text(), re.M)
    return {name: (kind, labels, meaning) for name, kind, labels, meaning in table}


def test_the_page_lists_every_metric_and_no_other() -> None:
    """architecture AG2: names, in the order of the code, with type and labels."""
    written = [(name, kind, labels) for name, (kind, labels, _) in rows().items()]

    assert written == [(m.name, m.type, ", ".join(f"`{x}`" for x in m.labels)) for m in METRICS]


def test_every_metric_has_a_meaning() -> None:
    """A sentence each, not the name again."""
    for name, (_, _, meaning) in rows().items():
        assert len(meaning.split()) >= 5, name

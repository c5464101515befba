"""The ladder as one self-contained HTML page: picture and table, no other file, no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 72rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.4rem; } svg { max-width: 100%; height: auto; }
pre { color: #555; white-space: pre-wrap; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #e4e4e4; text-align: right; }
th:first-child, td:first-child { text-align: left; }
td.over { color: #b3261e; font-weight: 600; }
"""


def page(title: str, picture: str, lines: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    """The page.

    ``picture``: an SVG element. ``lines``: head and body, a ``!`` behind what is above its bar.
    ``notes``: the last one is about the machine.
    """
    head, *body = lines
    rows = "\n".join(f"<tr>{''.join(map(_cell, line))}</tr>" for line in body)
    told = "\n".join(f"<p>{escape(note)}</p>" for note in notes[:-1])
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style></head>
<body>
<h1>{escape(title)}</h1>
{picture}
<table>
<thead><tr>{"".join(f"<th>{escape(cell)}</th>" for cell in head)}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
{told}
<pre>{escape(notes[-1])}</pre>
</body>
</html>
"""


def _cell(text: str) -> str:
    kind = ' class="over"' if text.endswith(" !") else ""
    return f"<td{kind}>{escape(text.removesuffix(' !'))}</td>"

"""Which files in the project's folder are the project's: a reader saves examples beside them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent


def own(pattern: str) -> list[Path]:
    """The files of a pattern that git knows, new ones when added; without git all."""
    found = sorted(ROOT.glob(pattern))
    known = _known()
    return [path for path in found if path in known] if known else found


@cache
def _known() -> frozenset[Path]:
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):  # unpacked from an archive
        return frozenset()
    return frozenset(ROOT / name for name in listed.split("\0") if name)

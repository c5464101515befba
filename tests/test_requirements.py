"""Each requirement on the server and its decoder has a test that is named by it (client section 9).

S1 to S19 are of the server, E9 to E13 of the decoder; E1 to E8 are of the client's encoder.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
REQUIREMENTS = [*(f"s{n}" for n in range(1, 20)), *(f"e{n}" for n in range(9, 14))]
NAMED = {
    found
    for path in TESTS.rglob("test_*.py")
    for found in re.findall(r"^(?:async )?def test_([a-z]\d+)_", path.read_text(), re.MULTILINE)
}


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_a_requirement_has_its_test(requirement: str) -> None:
    """Whoever reads the list finds what proves each sentence of it."""
    assert requirement in NAMED, f"no test is named test_{requirement}_..."

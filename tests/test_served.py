"""The served model under other people's names."""

from __future__ import annotations

import pytest

from stt.errors import ModelNotFound
from stt.served import ServedModel

SMALL = ServedModel("owner/small", 17)


@pytest.mark.parametrize("name", [None, "", "owner/small", "whisper-1"])
def test_any_name_will_do(name: str | None) -> None:
    """OF2: clients name OpenAI's models, or none."""
    SMALL.check(name, strict=False)


def test_strict_names() -> None:
    """OM2: only the one there is, or none at all."""
    SMALL.check("owner/small", strict=True)
    SMALL.check(None, strict=True)

    with pytest.raises(ModelNotFound, match=r"'whisper-1'.* owner/small is served") as refusal:
        SMALL.check("whisper-1", strict=True)
    assert (refusal.value.param, refusal.value.status) == ("model", 404)

"""Validation stricter than the clients' own: what a type does not declare is a fault.

The SDKs construct their types without validating, so that they work with next year's server too.
Here a message must be exactly what the type says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel


def strictly(model: type[BaseModel], raw: Mapping[str, Any], *also: str) -> BaseModel:
    """The message as its type; fails on a missing, wrong, null or undeclared field.

    Args:
        also: Paths of fields that the published API has and the SDK's type leaves out.
    """
    parsed = model.model_validate(raw)
    strange = sorted(set(undeclared(parsed)) - set(also))
    assert not strange, f"{model.__name__} has no {strange}: {raw}"
    return parsed


def undeclared(value: Any, path: str = "") -> Iterator[str]:
    """The paths of fields that no type declares."""
    if isinstance(value, BaseModel):
        yield from (f"{path}{name}" for name in value.model_extra or ())
        for name in type(value).model_fields:
            yield from undeclared(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, list):
        for item in value:
            yield from undeclared(item, path)


def by_type(union: Any) -> dict[str, type[BaseModel]]:
    """The members of a union of messages, by the literal of their ``type``."""
    while get_origin(union) is Annotated:
        union = get_args(union)[0]
    return {
        literal: member
        for member in get_args(union)
        for literal in get_args(member.model_fields["type"].annotation)
    }

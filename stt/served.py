"""The model that is served, as clients of OpenAI's API know models (client OF2, OM1, OM2)."""

from __future__ import annotations

from dataclasses import dataclass

from stt.errors import ModelNotFound

OWNER = "hark"


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The one model there is."""

    id: str
    """``base``, ``owner/name``, or a folder's name."""
    created: int
    """Seconds since 1970: since when it is served."""

    def as_dict(self) -> dict[str, str | int]:
        """OpenAI's model object."""
        return {"id": self.id, "object": "model", "created": self.created, "owned_by": OWNER}

    def check(self, name: str | None, *, strict: bool) -> None:
        """Whether a client may ask for a model by this name; without a name it always may.

        Not ``strict``: whatever it is called, this one serves, for clients name OpenAI's models.
        Raises ModelNotFound.
        """
        if strict and name and name != self.id:
            raise not_served(name, self)


def not_served(name: str, model: ServedModel | None) -> ModelNotFound:
    """What a client is told that asks for another model; there may be none yet."""
    instead = "none is loaded yet" if model is None else f"{model.id} is served"
    return ModelNotFound(f"The model '{name[:200]}' does not exist; {instead}.")

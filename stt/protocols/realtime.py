"""OpenAI's Realtime API as far as it transcribes: the codec of one connection (client section 2).

Its halves share nothing: `realtime_commands` hears the client, `realtime_replies` answers it.
"""

from __future__ import annotations

from collections.abc import Iterator

from stt.protocols.base import Command
from stt.protocols.realtime_commands import ClientEvents
from stt.protocols.realtime_replies import ServerEvents
from stt.protocols.realtime_session import Config
from stt.protocols.realtime_shapes import Identity
from stt.protocols.realtime_update import Rules
from stt.replies import Reply
from stt.speech.options import SpeechOptions


class RealtimeProtocol:
    """See the module's docstring."""

    def __init__(
        self,
        config: Config,
        identity: Identity,
        *,
        rules: Rules,
        defaults: SpeechOptions,
        beta: bool = False,
    ) -> None:
        """
        Args:
            config: what the session was opened with.
            identity: as the client is told it.
            rules: what an update may ask for.
            defaults: what the service wants of speech where the client says nothing.
            beta: the client said in its handshake that it speaks the beta (RH4).
        """
        self._client = ClientEvents(config, rules, defaults)
        self._server = ServerEvents(config, identity, beta=beta)

    def decode(self, message: str | bytes) -> Iterator[Command]:
        """The commands in a client's event. Raises EventError; the session goes on."""
        return self._client.commands(message)

    def encode(self, reply: Reply) -> list[str]:
        """The events for a reply."""
        return self._server.messages(reply)

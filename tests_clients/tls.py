"""TLS in front of the service, as a proxy would do it: for clients that know no other address."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests_clients.service import Service

BLOCK = 65_536  # bytes read at once


@dataclass(frozen=True, slots=True)
class Secured:
    """Where the proxy listens, and the certificate to trust."""

    host: str
    authority: Path


@contextlib.asynccontextmanager
async def secured(running: Service, folder: Path) -> AsyncIterator[Secured]:
    """Pass on the bytes of each connection, decrypted, until the end of the block."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(folder / "authority.pem")

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_connection("127.0.0.1", running.port)
        await asyncio.gather(copy(reader, inner[1]), copy(inner[0], writer))

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Secured(f"127.0.0.1:{port}", folder / "authority.pem")


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All bytes of one side to the other, then its end."""
    with contextlib.suppress(OSError):
        while block := await reader.read(BLOCK):
            writer.write(block)
            await writer.drain()
    writer.close()

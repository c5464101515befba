"""The hardened WebSocket server behind real gunicorn, with real and with rude clients."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import flask_sock
import pytest
import websocket
from flask import Flask
from simple_websocket import ConnectionClosed
from sockets import BINARY, CLOSE, KEY, PING, PONG, TEXT, Served, frame, served, until

import stt_websocket
from stt_in_flight import InFlight
from stt_websocket import HardServer, SocketOptions


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[Served]:
    with served() as server:
        yield server


def test_flask_sock_uses_the_hard_server() -> None:
    """After `install` flask-sock builds our class, with the options of the path (RT-20)."""
    app = Flask(__name__)
    options = SocketOptions(max_message_bytes=5)

    stt_websocket.install(app, {"/x": options})

    assert flask_sock.Server is HardServer
    assert app.config["SOCK_SERVER_OPTIONS"]["routes"] == {"/x": options}


def test_echo_with_a_known_client(server: Served) -> None:
    """A usual client gets text, binary and a clean close (F-01)."""
    client = websocket.create_connection(f"ws://127.0.0.1:{server.port}/echo", timeout=5)
    client.send("grüß dich")
    assert client.recv() == "grüß dich"
    client.send_binary(b"\0" * 70_000)
    assert client.recv() == b"\0" * 70_000

    client.send_close(1000)

    opcode, payload = client.recv_data()
    assert (opcode, struct.unpack("!H", payload[:2])[0]) == (CLOSE, 1000)
    client.shutdown()


def test_subprotocol_is_chosen_and_no_token_is_echoed(server: Served) -> None:
    """`bearer.<token>, stt.v1` selects `stt.v1` and nothing else (LIB-17, RT-54, native W30)."""
    with server.frames(
        "/echo", headers="Sec-WebSocket-Protocol: bearer.secret, stt.v1\r\n"
    ) as peer:
        assert peer.answer.status == 101
        assert peer.answer.headers["sec-websocket-protocol"] == "stt.v1"
        assert "secret" not in str(peer.answer.headers)


def test_no_subprotocol_where_none_is_asked(server: Served) -> None:
    """A client without subprotocols gets none."""
    with server.frames("/echo") as peer:
        assert "sec-websocket-protocol" not in peer.answer.headers


def test_message_limit_belongs_to_the_route(server: Served) -> None:
    """A message above 1 MiB closes /echo with 1009 and passes on /large (RT-28, native W15)."""
    message = b"\0" * 1_500_000
    with server.frames("/large") as peer:
        peer.send(BINARY, message)
        assert peer.message() == message
    with server.frames("/echo") as peer:
        peer.send(BINARY, message)
        assert peer.close_code() == 1009


def test_last_messages_survive_the_close(server: Served) -> None:
    """Everything sent before `finish` arrives, while the client is still sending (AE7, AG6)."""
    with server.frames("/tail/400") as peer:
        stop = threading.Event()

        def keep_sending() -> None:
            with suppress(OSError):
                while not stop.is_set():
                    peer.send(BINARY, b"\0" * 3200)

        sender = threading.Thread(target=keep_sending)
        sender.start()
        numbers = []
        while (message := peer.message()) is not None:
            numbers.append(int(message.split()[0]))
        peer.send(CLOSE, struct.pack("!H", 4000))
        stop.set()
        sender.join(5)

    assert numbers == list(range(400))


def test_close_reaches_a_client_that_is_still_sending(server: Served) -> None:
    """The close code arrives, not a reset, while audio is on its way (AE7)."""
    with server.frames("/bye") as peer:
        peer.sock.sendall(frame(TEXT, b"x") + frame(BINARY, b"\0" * 3200) * 200)
        assert peer.close_code() == 4001


def test_pings_of_a_slow_reader_break_no_frame(server: Served) -> None:
    """A client that pings and takes little at a time gets whole frames only (AE6, AG5, F-02)."""
    count, pings, size = 9, 1000, 4_000_000  # bytes, more than the kernel takes at once
    with server.frames("/large", window=65536) as peer, ThreadPoolExecutor(1) as pool:

        def send() -> None:
            for number in range(count):
                peer.send(TEXT, b"%d " % number + b"y" * size)
                for _ in range(pings):
                    peer.send(PING, b"p")

        sending = pool.submit(send)
        pongs, texts = 0, []
        while pongs < count * pings or len(texts) < count:
            got = peer.read()
            assert got is not None
            opcode, payload = got
            if opcode == PONG:
                assert payload == b"p"
                pongs += 1
            else:
                assert (opcode, len(payload)) == (TEXT, size + 2)
                texts.append(int(payload.split()[0]))
        sending.result(5)

    assert texts == list(range(count))


def test_unread_messages_hold_the_peer_back(server: Served) -> None:
    """A handler that takes nothing costs bounded memory; nothing is lost (RT-22, AE8, F-12)."""
    before = server.stats()["rss"]
    data = frame(BINARY, b"\0" * 16_000)
    with server.frames("/stuck") as peer:
        sent = _send_until_held_back(peer.sock, data)
        assert sent < 30_000_000
        assert server.stats()["rss"] - before < 20_000_000

        server.ask("POST", "/release")
        whole, rest = divmod(sent, len(data))
        peer.sock.settimeout(10)
        if rest:
            peer.sock.sendall(data[rest:])
            whole += 1
        peer.send(TEXT, b"end")

        assert peer.message() == b"%d" % whole


def _send_until_held_back(sock: socket.socket, data: bytes) -> int:
    sock.settimeout(1.0)
    sent = 0
    try:
        while True:
            sent += sock.send(data[sent % len(data) :])
    except TimeoutError:
        return sent


def test_all_connections_together_are_bounded() -> None:
    """Above the common limit the connection that hoards is closed with 1013 (RT-28)."""
    with served() as server, server.frames("/hoard") as first, server.frames("/hoard") as second:
        first.sock.sendall(frame(BINARY, b"\0" * 7_000_000)[:5_000_000])  # the limit is 6 MiB
        until(lambda: server.stats()["held"] > 4_990_000)
        second.sock.sendall(frame(BINARY, b"\0" * 3_000_000)[:2_900_000])

        assert second.close_code() == 1013
        until(lambda: 4_990_000 < server.stats()["held"] <= 5_000_000)
        server.assert_serves()


def test_ping_finds_a_dead_peer_and_spares_a_busy_one() -> None:
    """Silence ends with 1008 (F-09); pongs, or any bytes, keep a connection (F-10, native W17)."""
    with served(SOCKET_APP_PING_S="0.2") as server:
        with server.frames("/echo") as silent, server.frames("/echo") as polite:
            for _ in range(4):
                got = polite.read()
                assert got == (PING, b"")
                polite.send(PONG)
            assert silent.close_code() == 1008
            polite.send(TEXT, b"still here")
            assert polite.message() == b"still here"
        with server.frames("/echo") as busy:
            pings = 0
            while pings < 4:  # answers none of them, but talks
                got = busy.read()
                assert got is not None
                assert got[0] in (PING, TEXT)
                pings += got[0] == PING
                busy.send(TEXT, b"audio")


def test_finish_may_be_repeated_and_send_says_closed() -> None:
    """`finish` never raises; afterwards `send` and `receive` raise ConnectionClosed (AV4)."""
    with _pair() as (ws, theirs):
        ws.finish(1012, "x" * 500)
        ws.finish(1000)

        assert theirs.recv(65536)[2:4] == struct.pack("!H", 1012)
        assert ws.close_reason == 1012
        with pytest.raises(ConnectionClosed):
            ws.send("too late")
        with pytest.raises(ConnectionClosed):
            ws.receive(0)


def test_finish_after_the_end_touches_no_socket() -> None:
    """A drain may come late: the web server has closed the socket by then (AV4)."""
    with _pair() as (ws, theirs):
        theirs.close()
        ws.finish()
        ws.sock._sock.close()

        ws.finish(1012, "restart")
        ws.sock.linger()

        assert not ws.connected


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(CLOSE, struct.pack("!H", 4321)), 4321),
        (frame(CLOSE), 1005),
        (frame(TEXT, b"\xff"), 1007),
        (frame(BINARY, b"\0" * 101), 1009),
        (b"", 1006),
    ],
)
def test_close_reason_tells_how_it_ended(sent: bytes, code: int) -> None:
    """`close_reason` is the code of the first close frame; 1006 where there was none."""
    with _pair() as (ws, theirs):
        theirs.sendall(sent)
        theirs.shutdown(socket.SHUT_WR)

        with pytest.raises(ConnectionClosed):
            ws.receive(5)
        ws.finish(1000)

        assert ws.close_reason == code


def test_a_connection_starts_no_thread() -> None:
    """The handler reads; the library's reader is not there (RT-20)."""
    before = threading.active_count()
    with _pair() as (ws, theirs):
        theirs.sendall(frame(TEXT, b"x"))
        assert ws.receive(5) == "x"

        assert threading.active_count() == before


def test_receive_waits_for_messages_only() -> None:
    """Pings are answered but end no wait; after the timeout it is None, with 0 at once (LIB-12)."""
    with _pair() as (ws, theirs), ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        waiting = pool.submit(ws.receive, 0.3)
        for _ in range(5):
            theirs.sendall(frame(PING, b"p"))
            assert theirs.recv(100) == b"\x8a\x01p"
        assert waiting.result(5) is None
        assert 0.3 <= time.monotonic() - began < 8
        assert ws.receive(0) is None

        theirs.sendall(frame(TEXT, b"1") + frame(TEXT, b"2") + frame(CLOSE))

        assert (ws.receive(5), ws.receive(0)) == ("1", "2")
        with pytest.raises(ConnectionClosed):
            ws.receive(0)


def test_a_flood_of_pings_does_not_hold_receive() -> None:
    """A timeout ends the wait though there is always something to read."""
    with _pair() as (ws, theirs), ThreadPoolExecutor(2) as pool:
        stop = threading.Event()
        flood = pool.submit(_flood, theirs, frame(PING) * 2000, stop)
        drain = pool.submit(_drain, theirs)
        try:
            assert ws.receive(0.3) is None
        finally:
            stop.set()
            ws.finish()
        flood.result(5)
        drain.result(5)


def _flood(sock: socket.socket, data: bytes, stop: threading.Event) -> None:
    with suppress(OSError):
        while not stop.is_set():
            sock.sendall(data)


def _drain(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


def test_fragments_become_one_message() -> None:
    """Text and binary in fragments, cut anywhere, also inside a character (F-02)."""
    with _pair() as (ws, theirs):
        for opcode, whole in ((TEXT, "grün".encode()), (BINARY, b"\0\1\2\3\4")):
            theirs.sendall(frame(opcode, whole[:3], fin=False) + frame(0, b"", fin=False))
            theirs.sendall(frame(0, whole[3:]))
        theirs.sendall(frame(BINARY))

        assert [ws.receive(5) for _ in range(3)] == ["grün", b"\0\1\2\3\4", b""]


def test_twenty_mebibytes_are_one_message_where_the_route_says_so() -> None:
    """15 MiB of audio in base64, larger than all that may wait; one byte more closes (RH7)."""
    most = 20 << 20
    in_flight = InFlight()
    with (
        _pair(max_message_bytes=most, in_flight=in_flight) as (ws, theirs),
        ThreadPoolExecutor(1) as pool,
    ):
        sending = pool.submit(theirs.sendall, frame(TEXT, b"A" * most))
        got = ws.receive(30)
        assert isinstance(got, str)
        assert (len(got), in_flight.held) == (most, 0)
        sending.result(5)

        pool.submit(theirs.sendall, frame(TEXT, b"A" * (most + 1)))
        with pytest.raises(ConnectionClosed):
            ws.receive(30)
        assert ws.close_reason == 1009


@pytest.mark.parametrize("answers", [True, False])
def test_finish_while_the_handler_receives(answers: bool) -> None:
    """It wakes the handler at the peer's close, or after its patience (LIB-08, F-11)."""
    with _pair() as (ws, theirs), ThreadPoolExecutor(1) as pool:
        handler = pool.submit(ws.receive)
        until(ws._reading.locked)
        began = time.monotonic()
        ender = threading.Thread(target=ws.finish, args=(4000, "enough"))
        ender.start()

        assert theirs.recv(100)[2:] == struct.pack("!H", 4000) + b"enough"
        if answers:
            theirs.sendall(frame(CLOSE, struct.pack("!H", 4000)))
            theirs.shutdown(socket.SHUT_WR)

        with pytest.raises(ConnectionClosed):
            handler.result(5)
        ender.join(5)
        assert not ender.is_alive()
        assert time.monotonic() - began < 4
        assert ws.close_reason == 4000
        assert theirs.recv(100) == b""


def test_finish_reads_on_until_the_close() -> None:
    """Called where nobody reads, it takes what is still coming, and waits for the close (AE7)."""
    with _pair(close_wait=5) as (ws, theirs), ThreadPoolExecutor(1) as pool:
        finished = pool.submit(ws.finish, 1000)
        for _ in range(50):
            theirs.sendall(frame(BINARY, b"\0" * 100) * 100)
        assert not finished.done()

        theirs.sendall(frame(CLOSE, struct.pack("!H", 1000)))
        theirs.shutdown(socket.SHUT_WR)

        finished.result(2)
        assert not ws.input_buffer


def test_pause_answers_pings_and_keeps_what_comes() -> None:
    """Ahead of real time a client waits, but its pings do not (RT-27, native W17)."""
    with _pair() as (ws, theirs), ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        pausing = pool.submit(ws.pause, 0.3)
        theirs.sendall(frame(TEXT, b"1") + frame(PING, b"p") + frame(TEXT, b"2"))
        assert theirs.recv(100) == b"\x8a\x01p"
        pausing.result(5)

        assert 0.3 <= time.monotonic() - began < 8
        assert (ws.receive(0), ws.receive(0)) == ("1", "2")


def test_pause_reads_no_more_than_fits() -> None:
    """A full buffer holds the peer back until it is emptied (RT-22, LIB-03)."""
    with _pair(buffered_bytes=50_000) as (ws, theirs):
        message = frame(BINARY, b"\0" * 100)
        theirs.settimeout(0.2)
        sent = 0
        with ThreadPoolExecutor(1) as pool:
            pausing = pool.submit(ws.pause, 1)
            with suppress(TimeoutError):
                while True:
                    sent += theirs.send(message * 10)
            pausing.result(5)
        assert 64 <= len(ws.input_buffer) < 64 + 16384 / len(message)
        assert sent > 20_000

        for _ in range(sent // len(message)):
            assert ws.receive(1) == b"\0" * 100


@pytest.mark.parametrize("messages", [0, 64])
@pytest.mark.parametrize("how", ["finish", "shutdown"])
def test_pause_ends_with_the_connection(messages: int, how: str) -> None:
    """It is not waited out when the connection ends, be the buffer full or not (RT-27)."""
    with _pair() as (ws, theirs), ThreadPoolExecutor(1) as pool:
        theirs.sendall(frame(TEXT, b"x") * messages)
        pausing = pool.submit(ws.pause, 60)
        until(lambda: len(ws.input_buffer) == messages)

        if how == "finish":
            ws.finish()
        else:
            ws.sock.shutdown()

        pausing.result(5)


def test_the_peers_close_ends_a_pause() -> None:
    """The close is answered at once, and what came before it is not lost (LIB-12)."""
    with _pair() as (ws, theirs), ThreadPoolExecutor(1) as pool:
        pausing = pool.submit(ws.pause, 60)
        theirs.sendall(frame(TEXT, b"x") + frame(CLOSE, struct.pack("!H", 4001)))

        assert theirs.recv(100) == b"\x88\x02" + struct.pack("!H", 4001)
        pausing.result(5)
        assert ws.receive(0) == "x"
        with pytest.raises(ConnectionClosed):
            ws.receive(0)


def test_a_handler_that_was_away_gives_up_nobody() -> None:
    """Silence is judged only after reading: a pong may have waited meanwhile (LIB-04)."""
    with _pair(ping_interval=0.1) as (ws, theirs):
        assert ws.receive(0.15) is None
        theirs.sendall(frame(PONG))
        threading.Event().wait(0.3)  # the handler does something else for three intervals
        assert ws.receive(0) is None
        theirs.sendall(frame(TEXT, b"x"))

        assert ws.receive(1) == "x"


ENVIRON = {
    "PATH_INFO": "/x",
    "HTTP_HOST": "x",
    "HTTP_UPGRADE": "websocket",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_SEC_WEBSOCKET_KEY": KEY,
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_EXTENSIONS": "permessage-deflate",
}


@contextmanager
def _pair(
    *, in_flight: InFlight | None = None, **options: Any
) -> Iterator[tuple[HardServer, socket.socket]]:
    """A connection without a web server, and the peer's socket; ``options`` of `SocketOptions`."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        chosen = {"close_wait": 0.1, "max_message_bytes": 100} | options
        ws = HardServer(
            ENVIRON | {"gunicorn.socket": ours},
            default=SocketOptions(**chosen),
            in_flight=in_flight,
        )
        assert b"permessage-deflate" not in theirs.recv(65536)
        yield ws, theirs


def test_send_to_a_peer_that_is_gone_says_closed() -> None:
    """A reset shows as ConnectionClosed in `send`, whatever the system calls it (AV4)."""
    with served() as server:
        with server.frames("/flood") as peer:
            assert peer.message() == b"\0" * 65536
            peer.reset()
        until(lambda: server.stats()["sockets"] == 0)
        server.assert_serves()
